#include "triptych/attention.h"

#include "contract/check.h"

namespace triptych {
namespace {

/// Extents that the tensors imply: P from k_rope, N from q, Vd from kv.
struct Extents {
  std::int64_t b, s, h, n, p, v;
};

void check_tables(const Check& check, const ConstTensor& cos, const ConstTensor& sin, DType acc,
                  std::int64_t positions, std::int64_t p) {
  check.that(p % 2 == 0, "the rotary width P = {} is odd; rotations need pairs", p);
  check.rank(cos, "cos", 2, "[≥S,P/2]");
  check.that(cos.shape[0] >= positions, "cos has {} positions, the call reaches {}; make the table longer",
             cos.shape[0], positions);
  check.tensor(cos, "cos", acc, {cos.shape[0], p / 2}, "[≥S,P/2]");
  check.tensor(sin, "sin", acc, {cos.shape[0], p / 2}, "[≥S,P/2]");
}

Extents extents(const Check& check, const ConstTensor& q, const ConstTensor& kv,
                const ConstTensor& k_rope) {
  check.storage(q, "q");
  check.rank(q, "q", 4, "[B,S,H,N+P]");
  check.rank(kv, "kv", 4, "[B,S,H,N+Vd]");
  check.rank(k_rope, "k_rope", 3, "[B,S,P]");
  const std::int64_t p = k_rope.shape[2], n = q.shape[3] - p, v = kv.shape[3] - n;
  check.that(n >= 0 && v >= 0, "q of width {} and kv of width {} leave N = {} and Vd = {} beside P = {}",
             q.shape[3], kv.shape[3], n, v, p);
  const Extents e{q.shape[0], q.shape[1], q.shape[2], n, p, v};
  check.tensor(q, "q", q.dtype, {e.b, e.s, e.h, n + p}, "[B,S,H,N+P]");
  check.tensor(kv, "kv", q.dtype, {e.b, e.s, e.h, n + v}, "[B,S,H,N+Vd]");
  check.tensor(k_rope, "k_rope", q.dtype, {e.b, e.s, p}, "[B,S,P]");
  return e;
}

}  // namespace

void Attention::attention_forward(const AttentionForward& a) {
  const Check check("attention_forward");
  const Extents e = extents(check, a.q, a.kv, a.k_rope);
  const DType acc = accumulation_of(a.q.dtype);
  check_tables(check, a.cos, a.sin, acc, e.s, e.p);
  check.tensor(a.out, "out", a.q.dtype, {e.b, e.s, e.h, e.v}, "[B,S,H,Vd]");
  check.tensor(a.lse, "lse", acc, {e.b, e.h, e.s}, "[B,H,S]");
  check.apart(a.out, "out", a.q, "q");
  check.apart(a.out, "out", a.kv, "kv");
  check.apart(a.out, "out", a.k_rope, "k_rope");
  do_attention_forward(a);
}

void Attention::attention_backward(const AttentionBackward& a) {
  const Check check("attention_backward");
  const Extents e = extents(check, a.q, a.kv, a.k_rope);
  const DType acc = accumulation_of(a.q.dtype);
  check_tables(check, a.cos, a.sin, acc, e.s, e.p);
  check.tensor(a.out, "out", a.q.dtype, {e.b, e.s, e.h, e.v}, "[B,S,H,Vd]");
  check.tensor(a.lse, "lse", acc, {e.b, e.h, e.s}, "[B,H,S]");
  check.tensor(a.dout, "dout", a.q.dtype, {e.b, e.s, e.h, e.v}, "[B,S,H,Vd]");
  check.tensor(a.dq, "dq", a.q.dtype, a.q.shape, "[B,S,H,N+P]");
  check.tensor(a.dkv, "dkv", a.q.dtype, a.kv.shape, "[B,S,H,N+Vd]");
  check.tensor(a.dk_rope, "dk_rope", a.q.dtype, a.k_rope.shape, "[B,S,P]");
  check.apart(a.dq, "dq", a.q, "q");
  check.apart(a.dq, "dq", a.dout, "dout");
  check.apart(a.dkv, "dkv", a.kv, "kv");
  check.apart(a.dkv, "dkv", a.dout, "dout");
  check.apart(a.dk_rope, "dk_rope", a.k_rope, "k_rope");
  do_attention_backward(a);
}

void Attention::attention_cached(const AttentionCached& a) {
  const Check check("attention_cached");
  check.storage(a.q, "q");
  check.rank(a.q, "q", 3, "[T,H,N+P]");
  check.rank(a.latent, "latent", 2, "[≥position+T,C]");
  check.rank(a.k_rope, "k_rope", 2, "[≥position+T,P]");
  check.rank(a.out, "out", 3, "[T,H,Vd]");
  const std::int64_t t = a.q.shape[0], h = a.q.shape[1], p = a.k_rope.shape[1];
  const std::int64_t n = a.q.shape[2] - p, v = a.out.shape[2], c = a.latent.shape[1];
  const DType s = a.q.dtype;
  check.that(n >= 0, "q of width {} is narrower than the rotary part P = {}", a.q.shape[2], p);
  check.that(a.position >= 0, "position is {}, wanted 0 or more", a.position);
  const std::int64_t end = a.position + t;
  check.that(a.latent.shape[0] >= end && a.k_rope.shape[0] >= end,
             "the cache holds {} latents and {} keys, the call reaches {}; make it longer",
             a.latent.shape[0], a.k_rope.shape[0], end);
  check.tensor(a.latent, "latent", s, a.latent.shape, "[≥position+T,C]");
  check.tensor(a.k_rope, "k_rope", s, a.k_rope.shape, "[≥position+T,P]");
  check.tensor(a.kv_weight, "kv_weight", s, {h * (n + v), c}, "[H·(N+Vd),C]");
  check.tensor(a.out, "out", s, {t, h, v}, "[T,H,Vd]");
  check_tables(check, a.cos, a.sin, accumulation_of(s), end, p);
  do_attention_cached(a);
}

}  // namespace triptych
