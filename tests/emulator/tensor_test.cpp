// ctest: timeout=240 labels=sanitize
// Tensor copies against loops over the elements of a box.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/emulator/tensor_expect.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("tensor");

/// Boxes of every rank: inside, over the lower edges, over the upper ones, and wholly outside.
struct Example {
  TensorMap map;
  std::vector<Coordinates> starts;
};
std::vector<Example> examples() {
  std::vector<Example> all;
  all.push_back({dense(TensorType::u8, {200}, {64}), {{0}, {100}, {-16}, {150}, {300}, {-64}}});
  all.push_back({dense(TensorType::f32, {50, 20}, {16, 8}), {{0, 0}, {7, 3}, {-5, -2}, {40, 15}, {10, 25}, {60, 2}}});
  all.push_back({dense(TensorType::bf16, {70, 9, 5}, {32, 4, 3}), {{0, 0, 0}, {-3, 7, -1}, {60, -2, 4}}});
  all.push_back({dense(TensorType::u16, {24, 5, 4, 3}, {16, 3, 2, 2}), {{0, 0, 0, 0}, {12, 3, -1, 2}, {-4, -1, 3, -1}}});
  all.push_back({dense(TensorType::f64, {9, 4, 3, 3, 3}, {4, 2, 2, 2, 2}), {{0, 0, 0, 0, 0}, {7, 3, 2, -1, 2}, {-2, -1, -1, 2, -1}}});
  return all;
}

TEST(Tensor, LoadsBoxes) {
  for (Example& e : examples()) {
    for (const Coordinates& c : e.starts) {
      ASSERT_NO_FATAL_FAILURE(expect_load(e.map, c));
      ASSERT_NO_FATAL_FAILURE(expect_load(e.map, c, "shared::cta", ".L2::cache_hint", ".tile"));
      ASSERT_NO_FATAL_FAILURE(expect_load(e.map, c, "shared::cluster", ".L2::cache_hint", ".tile"));
      if (e.map.type != TensorType::u8 && e.map.type != TensorType::u16) {
        TensorMap filled = e.map;
        filled.nan_fill = true;
        ASSERT_NO_FATAL_FAILURE(expect_load(filled, c));
      }
    }
  }
}

TEST(Tensor, StepsOverElements) {
  TensorMap map = dense(TensorType::f32, {50, 20, 9}, {16, 8, 5});
  map.step = {1, 3, 2, 1, 1};
  for (const Coordinates& c : {Coordinates{0, 0, 0}, Coordinates{-5, -2, -1}, Coordinates{40, 15, 6}}) expect_load(map, c);
}

TEST(Tensor, Swizzles) {
  for (std::uint8_t mode = 1; mode <= 3; ++mode) {
    for (const TensorType type : {TensorType::u8, TensorType::bf16, TensorType::f32}) {
      TensorMap map = dense(type, {300, 40}, {1, 24});
      map.box[0] = (16u << mode) / map.element_bytes();
      map.swizzle = mode;
      for (const Coordinates& c : {Coordinates{0, 0}, Coordinates{290, 30}, Coordinates{-4, -3}}) {
        ASSERT_NO_FATAL_FAILURE(expect_load(map, c));
        ASSERT_NO_FATAL_FAILURE(expect_store(map, c, "", [&](std::uint8_t* to, const std::uint8_t* from) { std::memcpy(to, from, map.element_bytes()); }));
      }
    }
  }
}

TEST(Tensor, InterleavedLayouts) {
  std::vector<Example> all;
  for (const int interleave : {1, 2}) {
    all.push_back({sliced(TensorType::f16, interleave, {9, 3, 2}, {5, 2, 1}), {{0, 0, 0}, {6, 2, 1}, {-2, -1, 0}}});
    all.push_back({sliced(TensorType::f32, interleave, {7, 5, 3, 2}, {8, 3, 1, 2}), {{0, 0, 0, 0}, {-3, 4, 1, 1}}});
    all.push_back({sliced(TensorType::u8, interleave, {5, 4, 3, 2, 2}, {4, 2, 2, 1, 2}), {{0, 0, 0, 0, 0}, {3, -1, 2, 1, 1}}});
  }
  all[1].map.step = {3, 2, 1, 1, 1};
  for (const Example& e : all) {
    for (const Coordinates& c : e.starts) {
      ASSERT_NO_FATAL_FAILURE(expect_load(e.map, c));
      ASSERT_NO_FATAL_FAILURE(expect_store(e.map, c, "", [&](std::uint8_t* to, const std::uint8_t* from) { std::memcpy(to, from, e.map.element_bytes()); }));
      if (e.map.type != TensorType::f16) continue;
      TensorMap filled = e.map;
      filled.nan_fill = true;
      ASSERT_NO_FATAL_FAILURE(expect_load(filled, c));
    }
  }
  using U = std::uint32_t;
  ASSERT_NO_FATAL_FAILURE(expect_store(sliced(TensorType::u32, 2, {5, 4, 3}, {4, 2, 1}), {2, 1, 1}, ".add", on<U>([](U a, U b) { return a + b; })));
}

TEST(Tensor, StoresBoxes) {
  for (Example& e : examples()) {
    for (const Coordinates& c : e.starts) {
      const auto copy = [&](std::uint8_t* to, const std::uint8_t* from) { std::memcpy(to, from, e.map.element_bytes()); };
      ASSERT_NO_FATAL_FAILURE(expect_store(e.map, c, "", copy));
      ASSERT_NO_FATAL_FAILURE(expect_store(e.map, c, "", copy, ".L2::cache_hint", ".tile"));
    }
  }
}

TEST(Tensor, Reduces) {
  const std::vector<std::vector<std::uint64_t>> extents = {{100}, {20, 6}, {20, 5, 3}, {20, 3, 3, 2}, {20, 3, 2, 2, 2}};
  const std::vector<std::vector<std::uint32_t>> boxes = {{16}, {16, 4}, {16, 2, 2}, {16, 2, 2, 2}, {16, 2, 2, 2, 2}};
  const Coordinates c{8, 1, -1, 1, 1};
  for (std::size_t d = 0; d < 5; ++d) {
    const TensorMap u32 = dense(TensorType::u32, extents[d], boxes[d]), s32 = dense(TensorType::s32, extents[d], boxes[d]);
    using U = std::uint32_t;
    using S = std::int32_t;
    expect_store(u32, c, ".add", on<U>([](U a, U b) { return a + b; }));
    expect_store(u32, c, ".min", on<U>([](U a, U b) { return std::min(a, b); }), ".L2::cache_hint", ".tile");
    expect_store(s32, c, ".min", on<S>([](S a, S b) { return std::min(a, b); }));
    expect_store(s32, c, ".max", on<S>([](S a, S b) { return std::max(a, b); }));
    expect_store(u32, c, ".inc", on<U>([](U a, U b) { return a >= b ? 0 : a + 1; }));
    expect_store(u32, c, ".dec", on<U>([](U a, U b) { return a == 0 || a > b ? b : a - 1; }));
    expect_store(u32, c, ".and", on<U>([](U a, U b) { return a & b; }));
    expect_store(u32, c, ".or", on<U>([](U a, U b) { return a | b; }));
    expect_store(u32, c, ".xor", on<U>([](U a, U b) { return a ^ b; }));
  }
  expect_store(dense(TensorType::u64, {20, 6}, {16, 4}), c, ".add", on<std::uint64_t>([](auto a, auto b) { return a + b; }));
}

TEST(Tensor, MulticastReachesEveryCtaOfTheMask) {
  TensorMap map = dense(TensorType::f32, {50, 20}, {16, 8});
  const Coordinates c{40, 3};
  for (int rank = 0; rank < 5; ++rank) {
    map = examples()[static_cast<std::size_t>(rank)].map;
    Program program(fmt::format(begin) + fmt::format(R"(
@first mbarrier.init.shared.b64 [room], 1;
fence.proxy.async;
bar.sync 0;
@first mbarrier.arrive.expect_tx.shared.b64 _, [room], {0};
barrier.cluster.arrive;
barrier.cluster.wait;
mov.u32 a, %cluster_ctarank;
setp.eq.and.u32 more, a, 1, first;
mov.b16 mask, 5;
@more cp.async.bulk.tensor.{1}d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [room+1024], [m, {2}], [room], mask;
setp.eq.u32 more, a, 1;
@more bra Lend;
Lwait:
mbarrier.try_wait.parity.shared.b64 more, [room], 0;
@!more bra Lwait;
mul.wide.u32 m, a, {3};
add.u64 g, g, m;
{4}
Lend:
barrier.cluster.arrive;
barrier.cluster.wait;
ret;
}}
)", box_bytes(map), int{map.rank}, coordinates(map, c), room(map), copy_all(false, room(map))));
    const Bytes tensor = some_bytes(tensor_bytes(map), 1);
    map.address = program.buffer(tensor);
    const std::uint64_t out = program.buffer(Bytes(3 * room(map)));
    Shape shape = shape_of(map);
    shape.grid = shape.cluster = {3, 1, 1};
    ASSERT_EQ(program.run("k", {put_map(program, map), out}, shape), "");
    const Bytes after = program.read<std::uint8_t>(out, 3 * room(map));
    each(map, c, {}, [&](std::uint32_t offset, std::int64_t place) {
      for (const std::uint32_t cta : {0u, 2u}) {
        ASSERT_EQ(after[cta * room(map) + offset], place >= 0 ? tensor[static_cast<std::size_t>(place)] : 0);
      }
    });
  }
}

TEST(Tensor, PrefetchesNothingThatShows) {
  for (const Example& e : examples()) {
    for (const std::string tail : {"", ".L2::cache_hint", ".tile"}) {
      Program program(fmt::format(begin) + fmt::format("cp.async.bulk.prefetch.tensor.{}d.L2.global{} [m, {}]{};\nret;\n}}\n", int{e.map.rank},
                                                       tail, coordinates(e.map, e.starts[0]), tail == ".L2::cache_hint" ? ", 0" : ""));
      EXPECT_EQ(program.run("k", {put_map(program, e.map), 0}), "");
    }
  }
}

TEST(Tensor, RefusesWhatHasNoMeaning) {
  const auto fault = [](TensorMap map, const TensorMap& written, bool map_is_there = true) {
    Program program(load_kernel(written, {0, 0}, "shared::cta"));
    if (map.address == 0) map.address = program.buffer(Bytes(tensor_bytes(map)));
    return program.run("k", {map_is_there ? put_map(program, map) : program.buffer(Bytes(128)), program.buffer(Bytes(room(written)))}, shape_of(written));
  };
  TensorMap map = dense(TensorType::f32, {50, 20}, {16, 8});
  EXPECT_EQ(fault(map, map), "");
  EXPECT_NE(fault(map, map, false).find("no tensor map"), std::string::npos);
  EXPECT_NE(fault(dense(TensorType::f32, {50}, {16}), map).find("coordinates"), std::string::npos);
  TensorMap narrow = map;
  narrow.swizzle = 3;
  EXPECT_NE(fault(narrow, map).find("swizzle of 128"), std::string::npos);
  TensorMap odd = dense(TensorType::f32, {50, 20}, {15, 8});
  EXPECT_NE(fault(odd, odd).find("multiple of 16"), std::string::npos);
  map.address = 4096;
  EXPECT_NE(fault(map, map).find("global load of"), std::string::npos);
}

}  // namespace
}  // namespace triptych::emulator::test
