// ctest: timeout=120 labels=sanitize,threads
// attention_forward, attention_backward, and attention_cached against the same definition.
#include "triptych/attention.h"

#include <cmath>

#include "support/op_test.h"
#include "support/oracle_attention.h"
#include "support/refusals.h"

namespace triptych::testing {
namespace {

// N and P: a key's parts without and with position; V: a value's width; C: the latents'.
const std::vector<Extents> shapes{
    {{'B', 0}, {'S', 3}, {'H', 2}, {'N', 3}, {'P', 2}, {'V', 5}, {'C', 3}},
    {{'B', 1}, {'S', 1}, {'H', 1}, {'N', 1}, {'P', 2}, {'V', 1}, {'C', 3}},
    {{'B', 2}, {'S', 7}, {'H', 3}, {'N', 5}, {'P', 4}, {'V', 11}, {'C', 13}},
    {{'B', 1}, {'S', 67}, {'H', 2}, {'N', 16}, {'P', 8}, {'V', 16}, {'C', 32}},
    {{'B', 3}, {'S', 33}, {'H', 1}, {'N', 19}, {'P', 6}, {'V', 3}, {'C', 5}}};

class AttentionTest : public OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    if (IsSkipped()) return;
    const std::int64_t b = extent('B'), s = extent('S'), h = extent('H'), p = extent('P');
    HostTensor cos(accumulate(), {s + 2, p / 2}), sin(accumulate(), {s + 2, p / 2});
    for (std::int64_t i = 0; i < cos.count(); ++i) {
      const double angle = static_cast<double>(i / (p / 2)) / std::pow(100.0, static_cast<double>(i % (p / 2)));
      cos.set(i, std::cos(angle));
      sin.set(i, std::sin(angle));
    }
    a_ = {uniform(storage(), {b, s, h, extent('N') + p}),
          uniform(storage(), {b, s, h, extent('N') + extent('V')}),
          uniform(storage(), {b, s, p}), cos, sin, 1 / std::sqrt(static_cast<double>(extent('N') + p))};
    q = in("q", a_.q), kv = in("kv", a_.kv), k_rope = in("k_rope", a_.k_rope);
    tcos = in("cos", a_.cos), tsin = in("sin", a_.sin);
  }
  Shape out_shape() const { return {extent('B'), extent('S'), extent('H'), extent('V')}; }

  oracle::AttentionInputs a_;
  Tensor q, kv, k_rope, tcos, tsin;
};

TEST_P(AttentionTest, ForwardAgreesWithTheFormula) {
  const Tensor y = out("out", storage(), out_shape());
  const Tensor lse = out("lse", accumulate(), {extent('B'), extent('H'), extent('S')});
  run([&] { tier().attention_forward({q, kv, k_rope, tcos, tsin, a_.scale, y, lse}); });
  const auto want = oracle::attention_forward(a_);
  EXPECT_TRUE(agrees("out", read(y), want.out, tolerance::attention_forward, dtypes()));
  EXPECT_TRUE(agrees("lse", read(lse), want.lse, tolerance::attention_forward, accumulated()));
}

TEST_P(AttentionTest, BackwardAgreesWithTheFormula) {
  const Tensor y = out("out", storage(), out_shape());
  const Tensor lse = out("lse", accumulate(), {extent('B'), extent('H'), extent('S')});
  const HostTensor dout = uniform(storage(), out_shape());
  const Tensor dy = in("dout", dout), dq = out("dq", storage(), a_.q.shape());
  const Tensor dkv = out("dkv", storage(), a_.kv.shape()), dk = out("dk_rope", storage(), a_.k_rope.shape());
  const AttentionBackward args{q, kv, k_rope, tcos, tsin, a_.scale, y, lse, dy, dq, dkv, dk};
  tier().reserve_scratch(tier().attention_backward_scratch(args));
  run([&] {
    tier().attention_forward({q, kv, k_rope, tcos, tsin, a_.scale, y, lse});
    tier().attention_backward(args);
  });
  const auto want = oracle::attention_backward(a_, read(y), read(lse), dout);
  const Zeros zeros = extent('S') == 1 ? Zeros::expected : Zeros::suspicious;  // one key: no choice
  EXPECT_NE(compare(read(dq), want.dq, tolerance::attention_backward, dtypes(), zeros).verdict,
            Verdict::disagrees);
  EXPECT_TRUE(agrees("dkv", read(dkv), want.dkv, tolerance::attention_backward, dtypes(), zeros));
  EXPECT_NE(compare(read(dk), want.dk_rope, tolerance::attention_backward, dtypes(), zeros).verdict,
            Verdict::disagrees);
}

// A token later in the sequence changes nothing before it.
TEST_P(AttentionTest, NothingLooksAhead) {
  if (extent('B') == 0 || extent('S') < 2) return;
  const std::int64_t row = extent('H') * extent('V'), last = extent('S') - 1;
  HostTensor later = a_.kv;
  const std::int64_t width = later.count() / extent('B') / extent('S');
  for (std::int64_t i = last * width; i < (last + 1) * width; ++i) later.set(i, 3);
  const Tensor other = in("kv", later), y = out("out", storage(), out_shape());
  const Tensor z = out("out", storage(), out_shape());
  const Tensor lse = out("lse", accumulate(), {extent('B'), extent('H'), extent('S')});
  run([&] {
    tier().attention_forward({q, kv, k_rope, tcos, tsin, a_.scale, y, lse});
    tier().attention_forward({q, other, k_rope, tcos, tsin, a_.scale, z, lse});
  });
  const HostTensor before = read(y), after = read(z);
  for (std::int64_t i = 0; i < last * row; ++i) ASSERT_EQ(before.bits(i), after.bits(i)) << i;
  EXPECT_NE(before.bits(last * row), after.bits(last * row));
}

// The cached form is the definition of kv = latent · kv_weightᵀ, at any split of the sequence.
TEST_P(AttentionTest, CachedAgreesWithTheFormula) {
  if (extent('B') == 0) return;
  const std::int64_t s = extent('S'), h = extent('H'), c = extent('C'), n = extent('N'), v = extent('V');
  const HostTensor latent = uniform(storage(), {s, c}), weight = uniform(storage(), {h * (n + v), c});
  oracle::AttentionInputs one = a_;
  one.q = HostTensor(storage(), {1, s, h, n + extent('P')});
  for (std::int64_t i = 0; i < one.q.count(); ++i) one.q.set(i, a_.q[i]);
  one.k_rope = HostTensor(storage(), {1, s, extent('P')});
  for (std::int64_t i = 0; i < one.k_rope.count(); ++i) one.k_rope.set(i, a_.k_rope[i]);
  one.kv = HostTensor(DType::f64, {1, s, h, n + v});
  for (std::int64_t i = 0; i < one.kv.count(); ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < c; ++j) {
      sum += latent[i / (h * (n + v)) * c + j] * weight[i % (h * (n + v)) * c + j];
    }
    one.kv.set(i, sum);
  }
  Expected want = oracle::attention_forward(one).out;
  // What is felt besides: the products with W_K and W_V, C and N terms long, of magnitude C.
  for (double& k : want.k) k += static_cast<double>(4 * (c + n + v) * c);
  const Tensor tl = in("latent", latent), tw = in("kv_weight", weight);
  const Tensor tq = in("q", one.q), tk = in("k_rope", one.k_rope);
  for (const std::int64_t split : {s, (s + 1) / 2}) {
    for (std::int64_t begin = 0; begin < s; begin += split) {
      const std::int64_t count = std::min(split, s - begin);
      const Tensor y = out("out", storage(), {count, h, v});
      const Tensor part = tq.reshape({s, h, n + extent('P')}).rows(begin, count);
      const AttentionCached args{part, tl, tk.reshape({s, extent('P')}), tw, tcos, tsin, a_.scale, begin, y};
      tier().reserve_scratch(tier().attention_cached_scratch(args));
      run([&] { tier().attention_cached(args); });
      Expected rows(y.count());
      const std::ptrdiff_t first = begin * h * v;
      std::copy_n(want.want.begin() + first, y.count(), rows.want.begin());
      std::copy_n(want.k.begin() + first, y.count(), rows.k.begin());
      // A value is a sum of C terms itself.
      for (std::int64_t i = 0; i < y.count(); ++i) {
        rows.magnitude[static_cast<std::size_t>(i)] =
            std::max<Real>(want.magnitude[static_cast<std::size_t>(first + i)], std::sqrt(static_cast<Real>(c)));
      }
      EXPECT_NE(compare(read(y), rows, tolerance::attention_forward, dtypes()).verdict, Verdict::disagrees)
          << compare(read(y), rows, tolerance::attention_forward, dtypes()).report;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, AttentionTest, ::testing::ValuesIn(cases(storage_precisions, shapes)),
                         case_name);

// B = 2, S = 3, H = 2, N = 3, P = 4, Vd = 5.
using AttentionRefusals = RefusalTest;

TEST_F(AttentionRefusals, Forward) {
  using Args = AttentionForward;
  const Refusals r("attention_forward",
                   Args{take(DType::bf16, {2, 3, 2, 7}), take(DType::bf16, {2, 3, 2, 8}), take(DType::bf16, {2, 3, 4}),
                        take(DType::f32, {3, 2}), take(DType::f32, {3, 2}), 1, take(DType::bf16, {2, 3, 2, 5}),
                        take(DType::f32, {2, 2, 3})},
                   [&](const Args& a) { tier().attention_forward(a); });
  r.tensor(&Args::q, "q");
  r.tensor(&Args::kv, "kv");
  r.tensor(&Args::k_rope, "k_rope");
  r.tensor(&Args::cos, "cos", {0});
  r.tensor(&Args::sin, "sin");
  r.tensor(&Args::out, "out");
  r.tensor(&Args::lse, "lse");
  r.overlap(&Args::out, &Args::q, "out overlaps q");
  r.overlap(&Args::out, &Args::kv, "out overlaps kv");
  r.overlap(&Args::out, &Args::k_rope, "out overlaps k_rope");
  r.when([](Args& a) { a.cos.shape = {2, 2}; }, {"cos has 2 positions, the call reaches 3; make the table longer"});
  r.when([](Args& a) { a.k_rope.shape = {2, 3, 8}; }, {"q of width 7", "N = -1"});
  r.when([&](Args& a) { a.q.shape = {2, 3, 2, 6}, a.k_rope.shape = {2, 3, 3}; },
         {"the rotary width P = 3 is odd; rotations need pairs"});
}

TEST_F(AttentionRefusals, Backward) {
  using Args = AttentionBackward;
  const auto q = [&] { return take(DType::bf16, {2, 3, 2, 7}); };
  const auto kv = [&] { return take(DType::bf16, {2, 3, 2, 8}); };
  const auto k_rope = [&] { return take(DType::bf16, {2, 3, 4}); };
  const auto out = [&] { return take(DType::bf16, {2, 3, 2, 5}); };
  const Refusals r("attention_backward",
                   Args{q(), kv(), k_rope(), take(DType::f32, {3, 2}), take(DType::f32, {3, 2}), 1, out(),
                        take(DType::f32, {2, 2, 3}), out(), q(), kv(), k_rope()},
                   [&](const Args& a) { tier().attention_backward(a); });
  r.tensor(&Args::cos, "cos", {0});
  r.tensor(&Args::sin, "sin");
  r.tensor(&Args::out, "out");
  r.tensor(&Args::lse, "lse");
  r.tensor(&Args::dout, "dout");
  r.tensor(&Args::dq, "dq");
  r.tensor(&Args::dkv, "dkv");
  r.tensor(&Args::dk_rope, "dk_rope");
  r.overlap(&Args::dq, &Args::q, "dq overlaps q");
  r.overlap(&Args::dq, &Args::dout, "dq overlaps dout");
  r.overlap(&Args::dkv, &Args::kv, "dkv overlaps kv");
  r.overlap(&Args::dkv, &Args::dout, "dkv overlaps dout");
  r.overlap(&Args::dk_rope, &Args::k_rope, "dk_rope overlaps k_rope");
}

TEST_F(AttentionRefusals, Cached) {
  using Args = AttentionCached;
  Args good{take(DType::bf16, {2, 2, 7}), take(DType::bf16, {5, 6}), take(DType::bf16, {5, 4}),
            take(DType::bf16, {2 * 8, 6}), take(DType::f32, {5, 2}), take(DType::f32, {5, 2}), 1, 3,
            take(DType::bf16, {2, 2, 5})};
  const Refusals r("attention_cached", good, [&](const Args& a) { tier().attention_cached(a); });
  r.tensor(&Args::latent, "latent", {0});
  r.tensor(&Args::k_rope, "k_rope", {0});
  r.tensor(&Args::kv_weight, "kv_weight");
  r.tensor(&Args::cos, "cos", {0});
  r.tensor(&Args::sin, "sin");
  r.tensor(&Args::out, "out");
  r.when([](Args& a) { a.position = 4; }, {"the cache holds 5 latents and 5 keys, the call reaches 6; make it longer"});
  r.when([](Args& a) { a.position = -1; }, {"position is -1, wanted 0 or more"});
  r.when([](Args& a) { a.cos.shape = {4, 2}; }, {"cos has 4 positions, the call reaches 5"});
}

}  // namespace
}  // namespace triptych::testing
