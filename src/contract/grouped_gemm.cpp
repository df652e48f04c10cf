#include "triptych/grouped_gemm.h"

#include "contract/check.h"

namespace triptych {
namespace {

/// The group offsets are given, or there is one group.
void check_offsets(const Check& check, const ConstTensor& offsets, const char* name,
                   std::int64_t groups) {
  if (offsets.absent()) {
    check.that(groups == 1, "{} are absent but there are {} groups; give them", name, groups);
  } else {
    check.tensor(offsets, name, DType::i32, {groups + 1}, "[E+1]");
  }
}

/// A result may be of the operands' dtype or of their accumulation dtype.
void check_result(const Check& check, const ConstTensor& y, const char* name, DType storage,
                  const Shape& shape, const char* letters) {
  const DType acc = accumulation_of(storage);
  check.that(y.dtype == storage || y.dtype == acc, "{} is {}, wanted {} or {}", name,
             name_of(y.dtype), name_of(storage), name_of(acc));
  check.tensor(y, name, y.dtype, shape, letters);
}

void check_block_multiple(const Check& check, std::int64_t extent, const char* letter) {
  check.that(extent % fp8_block == 0,
             "{} = {} is not a multiple of 128 (one FP8 scale block); pad it or use the bf16 policy",
             letter, extent);
}

std::int64_t blocks(std::int64_t n) { return (n + fp8_block - 1) / fp8_block; }

void check_rows(const Check& check, const QuantizedRows& x, const char* name, std::int64_t r,
                std::int64_t c) {
  check.tensor(x.q, name, DType::e4m3, {r, c}, "its codes' shape");
  check.tensor(x.scale, name, DType::f32, {r, blocks(c)}, "its scales' shape");
}

}  // namespace

void GroupedGemm::grouped_gemm_forward(const GroupedGemmForward& a) {
  const Check check("grouped_gemm_forward");
  check.storage(a.x, "x");
  check.rank(a.x, "x", 2, "[R,K]");
  check.rank(a.w, "w", 3, "[E,N,K]");
  const std::int64_t r = a.x.shape[0], k = a.x.shape[1], e = a.w.shape[0], n = a.w.shape[1];
  check.tensor(a.x, "x", a.x.dtype, {r, k}, "[R,K]");
  check.tensor(a.w, "w", a.x.dtype, {e, n, k}, "[E,N,K]");
  check_offsets(check, a.offsets, "offsets", e);
  check_result(check, a.y, "y", a.x.dtype, {r, n}, "[R,N]");
  check.apart(a.y, "y", a.x, "x");
  do_grouped_gemm_forward(a);
}

void GroupedGemm::grouped_gemm_dgrad(const GroupedGemmDgrad& a) {
  const Check check("grouped_gemm_dgrad");
  check.storage(a.dy, "dy");
  check.rank(a.dy, "dy", 2, "[R,N]");
  check.rank(a.w, "w", 3, "[E,N,K]");
  const std::int64_t r = a.dy.shape[0], n = a.dy.shape[1], e = a.w.shape[0], k = a.w.shape[2];
  check.tensor(a.dy, "dy", a.dy.dtype, {r, n}, "[R,N]");
  check.tensor(a.w, "w", a.dy.dtype, {e, n, k}, "[E,N,K]");
  check_offsets(check, a.offsets, "offsets", e);
  check_result(check, a.dx, "dx", a.dy.dtype, {r, k}, "[R,K]");
  check.apart(a.dx, "dx", a.dy, "dy");
  do_grouped_gemm_dgrad(a);
}

void GroupedGemm::grouped_gemm_wgrad(const GroupedGemmWgrad& a) {
  const Check check("grouped_gemm_wgrad");
  check.storage(a.dy, "dy");
  check.rank(a.dy, "dy", 2, "[R,N]");
  check.rank(a.x, "x", 2, "[R,K]");
  check.rank(a.dw, "dw", 3, "[E,N,K]");
  const std::int64_t r = a.dy.shape[0], n = a.dy.shape[1], k = a.x.shape[1], e = a.dw.shape[0];
  check.tensor(a.dy, "dy", a.dy.dtype, {r, n}, "[R,N]");
  check.tensor(a.x, "x", a.dy.dtype, {r, k}, "[R,K]");
  check_offsets(check, a.offsets, "offsets", e);
  check.tensor(a.dw, "dw", accumulation_of(a.dy.dtype), {e, n, k}, "[E,N,K]");
  do_grouped_gemm_wgrad(a);
}

void GroupedGemm::grouped_gemm_fp8_forward(const GroupedGemmFp8Forward& a) {
  const Check check("grouped_gemm_fp8_forward");
  check.rank(a.x.q, "x.q", 2, "[R,K]");
  check.rank(a.w.q, "w.q", 3, "[E,N,K]");
  const std::int64_t r = a.x.q.shape[0], k = a.x.q.shape[1];
  const std::int64_t e = a.w.q.shape[0], n = a.w.q.shape[1];
  check_block_multiple(check, k, "K");
  check_rows(check, a.x, "x", r, k);
  check.tensor(a.w.q, "w.q", DType::e4m3, {e, n, k}, "[E,N,K]");
  check.tensor(a.w.scale, "w.scale", DType::f32, {e, blocks(n), blocks(k)}, "[E,⌈N/128⌉,⌈K/128⌉]");
  check_offsets(check, a.offsets, "offsets", e);
  check_result(check, a.y, "y", DType::bf16, {r, n}, "[R,N]");
  do_grouped_gemm_fp8_forward(a);
}

void GroupedGemm::grouped_gemm_fp8_dgrad(const GroupedGemmFp8Dgrad& a) {
  const Check check("grouped_gemm_fp8_dgrad");
  check.rank(a.dy.q, "dy.q", 2, "[R,N]");
  check.rank(a.w.qT, "w.qT", 3, "[E,K,N]");
  const std::int64_t r = a.dy.q.shape[0], n = a.dy.q.shape[1];
  const std::int64_t e = a.w.qT.shape[0], k = a.w.qT.shape[1];
  check_block_multiple(check, n, "N");
  check_rows(check, a.dy, "dy", r, n);
  check.tensor(a.w.qT, "w.qT", DType::e4m3, {e, k, n}, "[E,K,N]");
  check.tensor(a.w.scale, "w.scale", DType::f32, {e, blocks(n), blocks(k)}, "[E,⌈N/128⌉,⌈K/128⌉]");
  check_offsets(check, a.offsets, "offsets", e);
  check_result(check, a.dx, "dx", DType::bf16, {r, k}, "[R,K]");
  do_grouped_gemm_fp8_dgrad(a);
}

void GroupedGemm::grouped_gemm_fp8_wgrad(const GroupedGemmFp8Wgrad& a) {
  const Check check("grouped_gemm_fp8_wgrad");
  check.rank(a.dy.q, "dy.q", 2, "[N,P]");
  check.rank(a.x.q, "x.q", 2, "[K,P]");
  check.rank(a.dw, "dw", 3, "[E,N,K]");
  const std::int64_t n = a.dy.q.shape[0], p = a.dy.q.shape[1], k = a.x.q.shape[0];
  const std::int64_t e = a.dw.shape[0];
  check_block_multiple(check, p, "P");
  check_rows(check, {a.dy.q, a.dy.scale}, "dy", n, p);
  check_rows(check, {a.x.q, a.x.scale}, "x", k, p);
  check_offsets(check, a.padded_offsets, "padded_offsets", e);
  check.tensor(a.dw, "dw", DType::f32, {e, n, k}, "[E,N,K]");
  do_grouped_gemm_fp8_wgrad(a);
}

}  // namespace triptych
