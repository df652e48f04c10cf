// Attention of new tokens over cached latents. A query goes into latent space once (q_N · W_K), so that the
// past is read as it lies in the cache: C + P values a token, whatever the number of heads.
#include <algorithm>

#include "reference/attention_common.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

/// out[c] = Σ_i factors[i] · rows[i,c], in the order of i.
template <class A, class F, class S>
void weighted_sum(const F* factors, const S* rows, std::int64_t count, std::int64_t width, A* out) {
  std::fill_n(out, width, A(0));
  for (std::int64_t i = 0; i < count; ++i) {
    const A factor = load(factors[i]);
    const S* row = rows + i * width;
    for (std::int64_t c = 0; c < width; ++c) out[c] += factor * load(row[c]);
  }
}

/// One head of new token t.
template <class S, class A>
void cached_head(const AttentionCached& a, std::int64_t t, std::int64_t head, Workspace& work) {
  const std::int64_t h = a.q.shape[1], p = a.k_rope.shape[1], n = a.q.shape[2] - p;
  const std::int64_t v = a.out.shape[2], c = a.latent.shape[1], keys = a.position + t + 1;
  const S *latent = a.latent.as<S>(), *k_rope = a.k_rope.as<S>();
  const S* q = a.q.as<S>() + (t * h + head) * (n + p);
  const S* weight = a.kv_weight.as<S>() + head * (n + v) * c;  // W_K [N,C], then W_V [Vd,C]
  const A *cos = a.cos.as<A>(), *sin = a.sin.as<A>();
  A *query = work.take<A>(c), *rotated = work.take<A>(p), *key = work.take<A>(p);
  A *scores = work.take<A>(keys), *mean = work.take<A>(c);
  // 1. The query in latent space, q_N · W_K, and its rotary part rotated.
  weighted_sum(q, weight, n, c, query);
  rotate(q + n, cos + (keys - 1) * (p / 2), sin + (keys - 1) * (p / 2), p, false, rotated);
  // 2. Scores with the cached latents and the rotary keys.
  for (std::int64_t j = 0; j < keys; ++j) {
    rotate(k_rope + j * p, cos + j * (p / 2), sin + j * (p / 2), p, false, key);
    scores[j] = dot<A>(query, latent + j * c, c) + dot<A>(rotated, key, p);
  }
  // 3. Softmax: subtract the largest, exponentiate, divide by the sum.
  softmax(scores, keys, keys, static_cast<A>(a.scale));
  // 4. The mean latent, Σ_j P_j · latent[j], and the head's values from it, rounded once.
  weighted_sum(scores, latent, keys, c, mean);
  S* out = a.out.as<S>() + (t * h + head) * v;
  for (std::int64_t i = 0; i < v; ++i) out[i] = store<S>(dot<A>(mean, weight + (n + i) * c, c));
}

}  // namespace

void ReferenceTier::do_attention_cached(const AttentionCached& a) {
  with_storage(a.q.dtype, [&]<class S, class A>() {
    // One (token, head) a task: a token's bits do not depend on how many come with it.
    const std::int64_t h = a.q.shape[1];
    pool_.run(a.q.shape[0] * h, [&](std::int64_t task, int thread) {
      cached_head<S, A>(a, task / h, task % h, workspace(thread));
    });
  });
}

}  // namespace triptych::reference
