// The up projection of the layer's experts, y [R,N] = x [R,K] · w [E,N,K]ᵀ with N = 2F and K = D, and its
// two gradients. Compute-bound. The peer is a loop over the experts that calls OpenBLAS's sgemm: f32 under
// every policy, because it has no product of bf16 or of codes.
#include "bench/support.h"

namespace triptych::bench {
namespace {

/// The operands of the three products, with random groups. Either of S, or f32 for the peer.
struct Operands {
  Operands(Case& c, DType dtype)
      : r(c.sizes.rows()), n(2 * c.sizes.inner), k(c.sizes.width), e(c.sizes.experts),
        plan(c.plan(c.experts())), padded(padded_rows(r, e)), x(c.uncounted(dtype, {r, k})),
        w(c.uncounted(dtype, {e, n, k}, 0.03)), dy(c.uncounted(dtype, {r, n})) {}
  std::int64_t r, n, k, e;
  DispatchPlan plan;
  std::int64_t padded;
  Tensor x, w, dy;
};

/// A loop of OpenBLAS's products: product(operands, expert, first row, rows).
template <class Product>
Peer blas_loop(Case& c, Product product) {
  if (!has_blas) return {};
  const Operands f32(c, DType::f32);
  return {"OpenBLAS sgemm", [=, threads = c.threads] {
            set_blas_threads(threads);
            const auto* first = f32.plan.offsets.as<std::int32_t>();
            for (std::int64_t e = 0; e < f32.e; ++e) product(f32, e, first[e], first[e + 1] - first[e]);
          }, blas_rest};
}

/// Times `ours` beside the peer.
template <class Product>
void measure(Case& c, const Operands& o, const std::function<void()>& ours, Product product) {
  c.flops(2.0 * static_cast<double>(o.r * o.n * o.k));
  c.measure(ours, blas_loop(c, product));
}

QuantizedRows codes(Case& c, const Tensor& x) {
  const std::int64_t blocks = x.shape[1] / fp8_block;
  const QuantizedRows out{c.uncounted(DType::e4m3, x.shape), c.uncounted(DType::f32, {x.shape[0], blocks})};
  c.tier->quantize_rows({.x = x, .out = out});
  return out;
}

QuantizedColumns column_codes(Case& c, const Operands& o, const Tensor& x) {
  const std::int64_t columns = x.shape[1];
  const QuantizedColumns out{c.uncounted(DType::e4m3, {columns, o.padded}),
                             c.uncounted(DType::f32, {columns, o.padded / fp8_block})};
  c.tier->quantize_transpose({.x = x, .offsets = o.plan.offsets, .padded_offsets = o.plan.padded_offsets,
                              .out = out});
  return out;
}

void forward(Case& c) {
  const Operands o(c, c.s);
  const Tensor y = c.uncounted(c.s, {o.r, o.n});
  std::function<void()> ours = [&] { c.tier->grouped_gemm_forward({o.x, o.w, o.plan.offsets, y}); };
  if (c.precision == Precision::fp8) {
    const GroupedGemmFp8Forward args{codes(c, o.x), c.quantized_weight(o.w), o.plan.offsets, y};
    ours = [&c, args] { c.tier->grouped_gemm_fp8_forward(args); };
  }
  measure(c, o, ours, [](const Operands& f32, std::int64_t e, std::int64_t first, std::int64_t rows) {
    product_nt(rows, f32.n, f32.k, f32.x.as<float>() + first * f32.k, f32.w.as<float>() + e * f32.n * f32.k,
               f32.dy.as<float>() + first * f32.n);
  });
}

void dgrad(Case& c) {
  const Operands o(c, c.s);
  const Tensor dx = c.uncounted(c.s, {o.r, o.k});
  std::function<void()> ours = [&] { c.tier->grouped_gemm_dgrad({o.dy, o.w, o.plan.offsets, dx}); };
  if (c.precision == Precision::fp8) {
    const GroupedGemmFp8Dgrad args{codes(c, o.dy), c.quantized_weight(o.w), o.plan.offsets, dx};
    ours = [&c, args] { c.tier->grouped_gemm_fp8_dgrad(args); };
  }
  measure(c, o, ours, [](const Operands& f32, std::int64_t e, std::int64_t first, std::int64_t rows) {
    product_nn(rows, f32.k, f32.n, f32.dy.as<float>() + first * f32.n, f32.w.as<float>() + e * f32.n * f32.k,
               f32.x.as<float>() + first * f32.k);
  });
}

void wgrad(Case& c) {
  const Operands o(c, c.s);
  const Tensor dw = c.uncounted(c.a, {o.e, o.n, o.k});
  std::function<void()> ours = [&] { c.tier->grouped_gemm_wgrad({o.dy, o.x, o.plan.offsets, dw}); };
  if (c.precision == Precision::fp8) {
    const GroupedGemmFp8Wgrad args{column_codes(c, o, o.dy), column_codes(c, o, o.x), o.plan.padded_offsets,
                                   dw};
    ours = [&c, args] { c.tier->grouped_gemm_fp8_wgrad(args); };
  }
  measure(c, o, ours, [](const Operands& f32, std::int64_t e, std::int64_t first, std::int64_t rows) {
    product_tn(f32.n, f32.k, rows, f32.dy.as<float>() + first * f32.n, f32.x.as<float>() + first * f32.k,
               f32.w.as<float>() + e * f32.n * f32.k);
  });
}

constexpr std::initializer_list<Precision> all = {Precision::f32, Precision::bf16, Precision::fp8};
const bool registered = add("grouped_gemm_forward", all, forward) && add("grouped_gemm_dgrad", all, dgrad) &&
                        add("grouped_gemm_wgrad", all, wgrad);

}  // namespace
}  // namespace triptych::bench
