// ctest: timeout=60 labels=threads
// What every operation stands on: shapes and views, the arena, a tier's memory and its faults, the threads.
#include "triptych/tier.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "expect_error.h"
#include "reference/thread_pool.h"

namespace triptych::testing {
namespace {

TEST(Shapes, CountAndIndexFromBothEnds) {
  const Shape shape{3, 5, 7};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape.count(), 105);
  EXPECT_EQ(shape[-1], 7);
  EXPECT_EQ(shape.str(), "[3, 5, 7]");
  EXPECT_EQ(Shape{}.count(), 1);
  EXPECT_EQ((Shape{4, 0}.count()), 0);
  EXPECT_NE((Shape{3}), (Shape{3, 1}));
  expect_error([] { Shape{1, 1, 1, 1, 1}; }, ErrorKind::usage, {"5 extents, at most 4"});
  expect_error([] { Shape{2, -1}; }, ErrorKind::usage, {"extent -1 is negative"});
  expect_error([] { Shape{1 << 30, 1 << 30, 1 << 30}.count(); }, ErrorKind::usage, {"more than 2^63 elements"});
}

TEST(Views, AreTheSameMemory) {
  std::vector<float> values(24);
  std::iota(values.begin(), values.end(), 0.0f);
  const Tensor t{values.data(), DType::f32, {4, 3, 2}};
  EXPECT_EQ(t.bytes(), 96u);
  EXPECT_EQ(t.rows(1, 2).shape, (Shape{2, 3, 2}));
  EXPECT_EQ(t.rows(1, 2).as<float>()[0], 6);
  EXPECT_EQ(t.rows(4, 0).count(), 0);
  EXPECT_EQ(t.reshape({24}).rows(23, 1).as<float>()[0], 23);
  EXPECT_EQ(t.prefix({5}).count(), 5);
  EXPECT_TRUE(Tensor{}.absent());
  EXPECT_FALSE((Tensor{nullptr, DType::f32, {1}}.absent())) << "a tensor of a plan is there";
  expect_error([&] { t.rows(3, 2); }, ErrorKind::usage, {"rows 3 … 4 of shape [4, 3, 2]"});
  expect_error([&] { t.rows(-1, 2); }, ErrorKind::usage, {"rows -1 … 0"});
  expect_error([&] { t.reshape({5, 5}); }, ErrorKind::usage, {"[4, 3, 2] cannot be reshaped to [5, 5]"});
  expect_error([&] { t.prefix({25}); }, ErrorKind::usage, {"[25] does not fit in [4, 3, 2]"});
  expect_error([&] { t.as<double>(); }, ErrorKind::usage, {"read as f64, but it holds f32"});
}

TEST(Arenas, APlanNeedsWhatTheMemoryHolds) {
  const auto take = [](Arena& arena) {
    return std::vector{arena.take(DType::bf16, {3, 5}), arena.take(DType::f32, {0}), arena.take(DType::e4m3, {257}),
                       arena.take_quantized_rows(3, 130).scale, arena.take_quantized_columns(3, 256).scale,
                       arena.take_quantized_weight(2, 130, 128).qT, arena.take(DType::f64, {1})};
  };
  Arena plan;
  for (const Tensor& t : take(plan)) EXPECT_EQ(t.data, nullptr);
  const auto tier = make_tier({.name = "reference", .threads = 1});
  Arena arena(*tier, plan.used());
  std::byte* last = static_cast<std::byte*>(arena.base()) - 1;
  for (const Tensor& t : take(arena)) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.data) % 256, 0u);
    EXPECT_TRUE(t.count() == 0 || t.data > last) << "tensors overlap";
    last = static_cast<std::byte*>(t.data) + t.bytes() - 1;
  }
  EXPECT_EQ(arena.used(), plan.used());
  EXPECT_LT(last, static_cast<std::byte*>(arena.base()) + plan.used());
  expect_error([&] { arena.take(DType::f32, {1}); }, ErrorKind::usage, {"arena: f32 [1] needs 4 bytes, 0 of"});
}

TEST(Arenas, APlanThatNoMachineHoldsIsRefusedAndNotWrappedRound) {
  Arena plan;
  expect_error([&] { plan.take(DType::f32, {std::int64_t{1} << 62}); }, ErrorKind::usage,
               {"f32 [4611686018427387904]", "smaller batch"});
  plan.take(DType::f64, {std::int64_t{1} << 58});
  expect_error([&] { plan.take(DType::f64, {std::int64_t{1} << 59}); }, ErrorKind::usage, {"more than there is"});
}

TEST(Memory, CopiesZeroesAndCounts) {
  const auto tier = make_tier({.name = "reference", .threads = 1});
  const std::size_t before = tier->allocated_bytes();
  const std::vector<float> from{1, 2, 3, 4};
  std::vector<float> to(4);
  {
    Arena arena(*tier, 1024);
    EXPECT_GE(tier->allocated_bytes(), before + 1024);
    const Tensor a = arena.take(DType::f32, {4}), b = arena.take(DType::f32, {2, 2});
    tier->upload(a, from.data());
    tier->copy(b, a);
    tier->zero(a.rows(1, 2));
    tier->download(to.data(), b);
    EXPECT_EQ(to, from);
    tier->download(to.data(), a);
    EXPECT_EQ(to, (std::vector<float>{1, 0, 0, 4}));
    expect_error([&] { tier->copy(a, b.rows(0, 1)); }, ErrorKind::usage, {"from f32 [1, 2] to f32 [4]"});
  }
  EXPECT_EQ(tier->allocated_bytes(), before);
  EXPECT_GE(tier->peak_bytes(), before + 1024);
  tier->deallocate(nullptr);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they end a program that asks for so much
  expect_error([&] { tier->allocate(std::size_t{1} << 60); }, ErrorKind::environment,
               {"1152921504606846976 bytes of memory are not there", "smaller batch"});
#endif
  expect_error([&] { tier->allocate(~std::size_t{0}); }, ErrorKind::environment, {"are not there"});
}

TEST(Faults, TheFirstStaysUntilItIsTaken) {
  const auto tier = make_tier({.name = "reference", .threads = 1});
  Arena arena(*tier, 4096);
  const Tensor tokens = arena.take(DType::i32, {3}), table = arena.take(DType::f32, {2, 1});
  const Tensor y = arena.take(DType::f32, {3, 1});
  tier->zero(table);
  for (const std::vector<std::int32_t>& bad : {std::vector<std::int32_t>{0, 0, 7}, {9, 0, 0}}) {
    tier->upload(tokens, bad.data());
    tier->embedding_forward({tokens, table, y});
  }
  const FaultReport fault = tier->take_fault();
  EXPECT_EQ(fault.fault, Fault::token_out_of_range);
  EXPECT_EQ(fault.index, 2);
  EXPECT_EQ(tier->take_fault().fault, Fault::none);
}

TEST(Faults, EachHasALineThatNamesItsPlace) {
  EXPECT_EQ(FaultReport{}.str(), "");
  for (const Fault fault : {Fault::token_out_of_range, Fault::router_not_finite, Fault::expert_out_of_range,
                            Fault::logits_not_finite, Fault::gradient_not_finite, Fault::capacity_exceeded}) {
    EXPECT_NE((FaultReport{fault, 4711}.str().find("4711")), std::string::npos);
  }
}

TEST(Factory, KnowsWhichTiersThereAre) {
  EXPECT_EQ(make_tier({})->name(), "reference");
  expect_error([] { make_tier({.name = "abacus"}); }, ErrorKind::usage, {"'abacus'", "there is: reference"});
  expect_error([] { make_tier({.name = "reference", .threads = -1}); }, ErrorKind::usage, {"threads: -1", "wanted 1 to"});
}

TEST(Threads, EveryIndexOnce) {
  reference::ThreadPool pool(3);
  EXPECT_EQ(pool.threads(), 3);
  for (const std::int64_t count : {0, 1, 2, 1000}) {
    std::vector<int> seen(static_cast<std::size_t>(count));
    pool.run(count, [&](std::int64_t i, int thread) {
      ++seen[static_cast<std::size_t>(i)];
      if (thread < 0 || thread >= 3) ADD_FAILURE() << thread;
    });
    for (const int times : seen) EXPECT_EQ(times, 1);
  }
}

TEST(Threads, AnExceptionArrivesAndThePoolGoesOn) {
  reference::ThreadPool pool(3);
  for (int round = 0; round < 20; ++round) {
    EXPECT_THROW(pool.run(100, [&](std::int64_t i, int) {
      if (i == 37) throw std::runtime_error("at 37");
    }), std::runtime_error);
    std::int64_t sum = 0;
    pool.run(1, [&](std::int64_t, int) { sum += 1; });
    EXPECT_EQ(sum, 1);
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// More threads than the system gives: an error, and those that were started end.
TEST(ThreadsDeathTest, TooManyAreRefused) {
  const auto ask = [] {
    rlimit limit{std::size_t{1} << 30, std::size_t{1} << 30};  // room for the stacks of a hundred
    setrlimit(RLIMIT_AS, &limit);
    try {
      make_tier({.name = "reference", .threads = 4000});
    } catch (const Error& error) {
      std::fputs(error.what(), stderr);
      std::_Exit(static_cast<int>(error.kind()));
    }
    std::_Exit(0);
  };
  EXPECT_EXIT(ask(), ::testing::ExitedWithCode(3), "threads: [0-9]+ of 4000 could be started: .*; use fewer");
}
#endif

}  // namespace
}  // namespace triptych::testing
