/// \file
/// What the attention passes share: rotation, softmax, and the operands of one head of one sequence.
#pragma once

#include <algorithm>
#include <cmath>

#include "reference/exponential.h"
#include "reference/numeric.h"

namespace triptych::reference {

/// out = rotation of the pairs (z[2m], z[2m+1]) by the table's row; `back` by the opposite angle.
template <class A, class S>
void rotate(const S* z, const A* cos, const A* sin, std::int64_t p, bool back, A* out) {
  for (std::int64_t m = 0; m < p / 2; ++m) {
    const A first = load(z[2 * m]), second = load(z[2 * m + 1]);
    const A s = back ? -sin[m] : sin[m];
    out[2 * m] = first * cos[m] - second * s;
    out[2 * m + 1] = second * cos[m] + first * s;
  }
}

/// row[j] = e^(scale · row[j] - shift) for j < count, zero for count ≤ j < n. Returns the sum. In
/// chunks from the row's beginning, so that neither n nor the address shows in the bits.
template <class A>
A exponentiate(A* row, std::int64_t count, std::int64_t n, A scale, A shift) {
  Chunk<A> sum = Chunk<A>::Zero();
  std::int64_t c = 0;
  for (; c + lanes <= count; c += lanes) {
    const Chunk<A> e = exponential<A>(load_chunk<A>(row, c, count) * scale - shift);
    store_chunk(row, c, n, e);
    sum += e;
  }
  if (c < count) {
    Chunk<A> e = exponential<A>(load_chunk<A>(row, c, count) * scale - shift);
    for (std::int64_t i = count - c; i < lanes; ++i) e[i] = 0;
    store_chunk(row, c, n, e);
    sum += e;
    c += lanes;
  }
  if (c < n) std::fill(row + c, row + n, A(0));
  return fold(sum);
}

/// Turns the first `count` scores of a row into the softmax of scale · score, and the rest, up to n,
/// into zeros. Returns log Σ_j e^(scale · score_j).
template <class A>
A softmax(A* row, std::int64_t count, std::int64_t n, A scale) {
  Chunk<A> largest = Chunk<A>::Constant(row[0] * scale);
  for (std::int64_t c = 0; c < count; c += lanes) {
    largest = largest.max(load_chunk<A>(row, c, count, row[0]) * scale);
  }
  const A top = largest.maxCoeff();
  const A sum = exponentiate(row, count, n, scale, top);
  for (std::int64_t c = 0; c < count; ++c) row[c] /= sum;
  return top + std::log(sum);
}

/// Extents of one attention call.
struct HeadShape {
  std::int64_t s, h, n, p, v;
  std::int64_t qk() const { return n + p; }
  /// The largest extent of any of a head's products.
  std::int64_t widest() const { return std::max({s, qk(), v}); }
};

template <class Args>
HeadShape head_shape(const Args& a) {
  const std::int64_t p = a.k_rope.shape[2], n = a.q.shape[3] - p;
  return {a.q.shape[1], a.q.shape[2], n, p, a.kv.shape[3] - n};
}

/// One head of one sequence, in A.
template <class A>
struct HeadOperands {
  A *q, *k, *v;  // [S,N+P] and [S,N+P], rotated, and [S,Vd]
};

/// Loads head `head` of sequence b: q and k with their rotary parts rotated, and v.
template <class A, class S, class Args>
void load_head(const Args& a, const HeadShape& e, std::int64_t b, std::int64_t head,
               const HeadOperands<A>& to) {
  const S *q = a.q.template as<S>(), *kv = a.kv.template as<S>(), *k_rope = a.k_rope.template as<S>();
  const A *cos = a.cos.template as<A>(), *sin = a.sin.template as<A>();
  for (std::int64_t i = 0; i < e.s; ++i) {
    const S* q_row = q + ((b * e.s + i) * e.h + head) * e.qk();
    const S* kv_row = kv + ((b * e.s + i) * e.h + head) * (e.n + e.v);
    for (std::int64_t c = 0; c < e.n; ++c) {
      to.q[i * e.qk() + c] = load(q_row[c]);
      to.k[i * e.qk() + c] = load(kv_row[c]);
    }
    const A *row_cos = cos + i * (e.p / 2), *row_sin = sin + i * (e.p / 2);
    rotate(q_row + e.n, row_cos, row_sin, e.p, false, to.q + i * e.qk() + e.n);
    rotate(k_rope + (b * e.s + i) * e.p, row_cos, row_sin, e.p, false, to.k + i * e.qk() + e.n);
    for (std::int64_t c = 0; c < e.v; ++c) to.v[i * e.v + c] = load(kv_row[e.n + c]);
  }
}

}  // namespace triptych::reference
