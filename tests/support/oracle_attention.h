/// \file
/// The formulas of triptych/attention.h.
#pragma once

#include <algorithm>
#include <vector>

#include "support/oracle.h"

namespace triptych::testing::oracle {

/// A value with the magnitude of what it was made of.
struct Sized {
  Real value = 0, size = 0;
  Sized& operator+=(const Sized& other) {
    value += other.value;
    size += other.size;
    return *this;
  }
};
inline Sized operator*(const Sized& a, const Sized& b) { return {a.value * b.value, a.size * b.size}; }
inline Sized operator-(const Sized& a, const Sized& b) { return {a.value - b.value, a.size + b.size}; }
inline Sized sized(Real value) { return {value, std::fabs(value)}; }

/// Rotates pairs (z[2m], z[2m+1]) by the angle of a table's row; `direction` -1 rotates back.
inline std::vector<Sized> rotate(const std::vector<Sized>& z, const HostTensor& cos,
                                 const HostTensor& sin, std::int64_t row, int direction) {
  std::vector<Sized> out(z.size());
  for (std::size_t m = 0; m < z.size() / 2; ++m) {
    const std::int64_t at = row * static_cast<std::int64_t>(z.size() / 2) + static_cast<std::int64_t>(m);
    const Sized c = sized(cos[at]), s = sized(direction * static_cast<Real>(sin[at]));
    out[2 * m] = z[2 * m] * c - z[2 * m + 1] * s;
    out[2 * m + 1] = z[2 * m + 1] * c;
    out[2 * m + 1] += z[2 * m] * s;
  }
  return out;
}

/// The operands of one call, and what follows from their shapes.
struct AttentionInputs {
  HostTensor q, kv, k_rope, cos, sin;
  double scale;

  std::int64_t b() const { return q.shape()[0]; }
  std::int64_t s() const { return q.shape()[1]; }
  std::int64_t h() const { return q.shape()[2]; }
  std::int64_t p() const { return k_rope.shape()[2]; }
  std::int64_t n() const { return q.shape()[3] - p(); }
  std::int64_t v() const { return kv.shape()[3] - n(); }

  /// The query of token i: its part without position, then the rotated one.
  std::vector<Sized> query(std::int64_t batch, std::int64_t i, std::int64_t head) const {
    return vector_of(q, ((batch * s() + i) * h() + head) * (n() + p()), nullptr, 0, i);
  }
  /// The key of token j, likewise; the rotary part is all heads'.
  std::vector<Sized> key(std::int64_t batch, std::int64_t j, std::int64_t head) const {
    return vector_of(kv, ((batch * s() + j) * h() + head) * (n() + v()), &k_rope, (batch * s() + j) * p(), j);
  }
  Real value(std::int64_t batch, std::int64_t j, std::int64_t head, std::int64_t c) const {
    return kv[((batch * s() + j) * h() + head) * (n() + v()) + n() + c];
  }

 private:
  std::vector<Sized> vector_of(const HostTensor& plain, std::int64_t at, const HostTensor* rotary,
                               std::int64_t rotary_at, std::int64_t position) const {
    std::vector<Sized> out, tail;
    for (std::int64_t c = 0; c < n(); ++c) out.push_back(sized(plain[at + c]));
    for (std::int64_t c = 0; c < p(); ++c) {
      tail.push_back(sized(rotary ? (*rotary)[rotary_at + c] : plain[at + n() + c]));
    }
    tail = rotate(tail, cos, sin, position, 1);
    out.insert(out.end(), tail.begin(), tail.end());
    return out;
  }
};

inline Sized dot(const std::vector<Sized>& a, const std::vector<Sized>& b) {
  Sized sum;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// k of tolerance.h: the keys, and the rounding of a score of magnitude M_s as the exponential feels it.
inline double attention_k(std::int64_t keys, std::int64_t products, Real score_size) {
  return static_cast<double>(keys) + static_cast<double>(products + 3) * static_cast<double>(score_size);
}

struct AttentionOutputs {
  Expected out, lse;
};

/// score[i,j] = scale · q_i · k_j, j ≤ i;  out = softmax(score) · v;  lse = log Σ exp score.
inline AttentionOutputs attention_forward(const AttentionInputs& a) {
  AttentionOutputs e{Expected(a.b() * a.s() * a.h() * a.v()), Expected(a.b() * a.h() * a.s())};
  for (std::int64_t row = 0; row < a.b() * a.h() * a.s(); ++row) {
    const std::int64_t batch = row / (a.h() * a.s()), head = row / a.s() % a.h(), i = row % a.s();
    const std::vector<Sized> query = a.query(batch, i, head);
    std::vector<Real> score;
    Real size = 0, sum = 0;
    for (std::int64_t j = 0; j <= i; ++j) {
      const Sized product = dot(query, a.key(batch, j, head)) * sized(a.scale);
      score.push_back(product.value);
      size = std::max(size, product.size);
      sum += std::exp(product.value);
    }
    const double k = attention_k(i + 1, a.n() + a.p(), size);
    const Real lse = std::log(sum);
    e.lse.set(row, lse, std::max(std::fabs(lse), Real(1)));
    e.lse.k[static_cast<std::size_t>(row)] = k;
    for (std::int64_t c = 0; c < a.v(); ++c) {
      const std::int64_t at = ((batch * a.s() + i) * a.h() + head) * a.v() + c;
      for (std::int64_t j = 0; j <= i; ++j) {
        e.out.add(at, std::exp(score[static_cast<std::size_t>(j)]) / sum * a.value(batch, j, head, c));
      }
      e.out.k[static_cast<std::size_t>(at)] = k;
    }
  }
  return e;
}

struct AttentionGradients {
  Expected dq, dkv, dk_rope;
};

/// P = exp(score - lse), dscore = scale · P · (dout · v - δ), δ = Σ dout · out, from the stored out and
/// lse; dq, dk and dv are the products' transposes, rotated back where they were rotated.
inline AttentionGradients attention_backward(const AttentionInputs& a, const HostTensor& out,
                                             const HostTensor& lse, const HostTensor& dout) {
  const std::int64_t n = a.n(), p = a.p(), v = a.v(), s = a.s(), h = a.h();
  AttentionGradients e{Expected(a.q.count()), Expected(a.kv.count()), Expected(a.k_rope.count())};
  Real largest = 0;
  const auto scatter = [&](Expected& to, std::int64_t at, const std::vector<Sized>& from, std::int64_t begin,
                           std::int64_t count) {
    for (std::int64_t c = 0; c < count; ++c) {
      const Sized& g = from[static_cast<std::size_t>(begin + c)];
      to.add(at + c, g.value, g.size);
    }
  };
  // A gradient of a rotated vector, its rotary part rotated back.
  const auto back = [&](std::vector<Sized> g, std::int64_t position) {
    const std::vector<Sized> tail =
        rotate({g.begin() + static_cast<std::ptrdiff_t>(n), g.end()}, a.cos, a.sin, position, -1);
    std::copy(tail.begin(), tail.end(), g.begin() + static_cast<std::ptrdiff_t>(n));
    return g;
  };
  for (std::int64_t row = 0; row < a.b() * h * s; ++row) {
    const std::int64_t batch = row / (h * s), head = row / s % h, i = row % s;
    const std::int64_t at_out = ((batch * s + i) * h + head) * v;
    const std::vector<Sized> query = a.query(batch, i, head);
    Sized delta;
    for (std::int64_t c = 0; c < v; ++c) delta += sized(dout[at_out + c]) * sized(out[at_out + c]);
    std::vector<Sized> dquery(static_cast<std::size_t>(n + p));
    for (std::int64_t j = 0; j <= i; ++j) {
      const std::vector<Sized> key = a.key(batch, j, head);
      const Sized score = dot(query, key) * sized(a.scale);
      largest = std::max(largest, score.size);
      const Sized probability = sized(std::exp(score.value - lse[row]));
      const std::int64_t at_kv = ((batch * s + j) * h + head) * (n + v);
      Sized dp;
      for (std::int64_t c = 0; c < v; ++c) {
        const Sized g = sized(dout[at_out + c]), dv = probability * g;
        dp += g * sized(a.value(batch, j, head, c));
        e.dkv.add(at_kv + n + c, dv.value, dv.size);
      }
      const Sized dscore = sized(a.scale) * probability * (dp - delta);
      std::vector<Sized> dkey(static_cast<std::size_t>(n + p));
      for (std::size_t c = 0; c < dkey.size(); ++c) {
        dquery[c] += dscore * key[c];
        dkey[c] = dscore * query[c];
      }
      dkey = back(dkey, j);
      scatter(e.dkv, at_kv, dkey, 0, n);
      scatter(e.dk_rope, (batch * s + j) * p, dkey, n, p);
    }
    scatter(e.dq, ((batch * s + i) * h + head) * (n + p), back(dquery, i), 0, n + p);
  }
  const double k = attention_k(s + v + h, n + p, largest);
  for (Expected* each : {&e.dq, &e.dkv, &e.dk_rope}) std::fill(each->k.begin(), each->k.end(), k);
  return e;
}

}  // namespace triptych::testing::oracle
