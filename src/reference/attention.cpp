// Attention over whole sequences. One (sequence, head) is a task; it goes through its queries in blocks,
// so that what exists of the scores is one block's rows up to the block's last key.
//
// The products are chains of fused multiply-adds in the order of K (gemm.h), and a probability of zero
// leaves a chain as it is: so the size of a block does not show in the bits.
#include "reference/attention_common.h"
#include "reference/gemm.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

constexpr std::int64_t query_block = 64;

/// Room for one head's operands and its products' packed blocks.
template <class A>
struct HeadRoom {
  HeadRoom(const HeadShape& e, Workspace& work)
      : in{work.take<A>(e.s * e.qk()), work.take<A>(e.s * e.qk()), work.take<A>(e.s * e.v)},
        packed(work.take<A>(gemm_workspace<A>(e.widest(), e.widest(), e.widest()))) {}
  HeadOperands<A> in;
  A* packed;
};

template <class S, class A>
void forward_head(const AttentionForward& a, std::int64_t b, std::int64_t head, Workspace& work) {
  const HeadShape e = head_shape(a);
  const std::int64_t qk = e.qk();
  const HeadRoom<A> room(e, work);
  const auto [q, k, v] = room.in;
  A *scores = work.take<A>(query_block * e.s), *sums = work.take<A>(query_block * e.v);
  A* lse = a.lse.as<A>() + (b * e.h + head) * e.s;
  // 1. The head's operands in A, the rotary parts rotated.
  load_head<A, S>(a, e, b, head, room.in);
  for (std::int64_t begin = 0; begin < e.s; begin += query_block) {
    const std::int64_t end = std::min(e.s, begin + query_block), rows = end - begin;
    // 2. Scores of the block's queries with the keys up to its last one.
    gemm<A, A>(rows, end, qk, {q + begin * qk, qk, 1}, {k, qk, 1}, scores, end, false, room.packed);
    // 3. Softmax over the keys up to the query: subtract the largest, exponentiate, divide by the sum.
    for (std::int64_t i = begin; i < end; ++i) {
      lse[i] = softmax(scores + (i - begin) * end, i + 1, end, static_cast<A>(a.scale));
    }
    // 4. out = P · V, rounded once.
    gemm<A, A>(rows, e.v, end, {scores, end, 1}, {v, 1, e.v}, sums, e.v, false, room.packed);
    for (std::int64_t i = begin; i < end; ++i) {
      S* out = a.out.as<S>() + ((b * e.s + i) * e.h + head) * e.v;
      for (std::int64_t c = 0; c < e.v; ++c) out[c] = store<S>(sums[(i - begin) * e.v + c]);
    }
  }
}

/// One head's gradients before they are rounded.
template <class A>
struct HeadGradients {
  A *dq, *dk, *dv;  // [S,N+P] and [S,N+P], of the rotated q and k, and [S,Vd]
};

/// dout [S,Vd] in A and δ[i] = Σ dout · out.
template <class S, class A>
void load_dout(const AttentionBackward& a, const HeadShape& e, std::int64_t b, std::int64_t head,
               A* dout, A* delta) {
  for (std::int64_t i = 0; i < e.s; ++i) {
    const std::int64_t row = ((b * e.s + i) * e.h + head) * e.v;
    for (std::int64_t c = 0; c < e.v; ++c) dout[i * e.v + c] = load(a.dout.as<S>()[row + c]);
    delta[i] = dot<A>(dout + i * e.v, a.out.as<S>() + row, e.v);
  }
}

template <class S, class A>
void backward_head(const AttentionBackward& a, std::int64_t b, std::int64_t head,
                   const HeadGradients<A>& to, Workspace& work) {
  const HeadShape e = head_shape(a);
  const std::int64_t qk = e.qk();
  const A scale = static_cast<A>(a.scale);
  const HeadRoom<A> room(e, work);
  const auto [q, k, v] = room.in;
  A *p = work.take<A>(query_block * e.s), *ds = work.take<A>(query_block * e.s);
  A *dout = work.take<A>(e.s * e.v), *delta = work.take<A>(e.s);
  const A* lse = a.lse.as<A>() + (b * e.h + head) * e.s;
  // 1. The head's operands in A; δ = Σ dout · out.
  load_head<A, S>(a, e, b, head, room.in);
  load_dout<S, A>(a, e, b, head, dout, delta);
  std::fill_n(to.dk, e.s * qk, A(0));
  std::fill_n(to.dv, e.s * e.v, A(0));
  for (std::int64_t begin = 0; begin < e.s; begin += query_block) {
    const std::int64_t end = std::min(e.s, begin + query_block), rows = end - begin;
    const A *block_q = q + begin * qk, *block_dout = dout + begin * e.v;
    // 2. The block's probabilities again, from lse.
    gemm<A, A>(rows, end, qk, {block_q, qk, 1}, {k, qk, 1}, p, end, false, room.packed);
    for (std::int64_t i = begin; i < end; ++i) {
      exponentiate(p + (i - begin) * end, i + 1, end, scale, lse[i]);
    }
    // 3. dP = dout · Vᵀ;  dscore = scale · P · (dP - δ).
    gemm<A, A>(rows, end, e.v, {block_dout, e.v, 1}, {v, e.v, 1}, ds, end, false, room.packed);
    for (std::int64_t i = begin; i < end; ++i) {
      A *row = ds + (i - begin) * end, *probability = p + (i - begin) * end;
      for (std::int64_t j = 0; j < end; ++j) row[j] = scale * probability[j] * (row[j] - delta[i]);
    }
    // 4. dV += Pᵀ · dout;  dK += dscoreᵀ · Q;  dQ = dscore · K.
    gemm<A, A>(end, e.v, rows, {p, 1, end}, {block_dout, 1, e.v}, to.dv, e.v, true, room.packed);
    gemm<A, A>(end, qk, rows, {ds, 1, end}, {block_q, 1, qk}, to.dk, qk, true, room.packed);
    gemm<A, A>(rows, qk, end, {ds, end, 1}, {k, 1, qk}, to.dq + begin * qk, qk, false, room.packed);
  }
}

/// Rounds one head's dq, rotated back, and dkv; the rotary part of dk goes to dk_rope [S,P], in A.
template <class S, class A>
void store_head(const AttentionBackward& a, std::int64_t b, std::int64_t head,
                const HeadGradients<A>& from, A* rotated, A* dk_rope) {
  const HeadShape e = head_shape(a);
  const std::int64_t qk = e.qk(), half = e.p / 2;
  for (std::int64_t i = 0; i < e.s; ++i) {
    const std::int64_t row = (b * e.s + i) * e.h + head;
    S *dq = a.dq.as<S>() + row * qk, *dkv = a.dkv.as<S>() + row * (e.n + e.v);
    for (std::int64_t c = 0; c < e.n; ++c) {
      dq[c] = store<S>(from.dq[i * qk + c]);
      dkv[c] = store<S>(from.dk[i * qk + c]);
    }
    for (std::int64_t c = 0; c < e.v; ++c) dkv[e.n + c] = store<S>(from.dv[i * e.v + c]);
    rotate(from.dq + i * qk + e.n, a.cos.as<A>() + i * half, a.sin.as<A>() + i * half, e.p, true,
           rotated);
    for (std::int64_t c = 0; c < e.p; ++c) dq[e.n + c] = store<S>(rotated[c]);
    std::copy_n(from.dk + i * qk + e.n, e.p, dk_rope + i * e.p);
  }
}

}  // namespace

void ReferenceTier::do_attention_forward(const AttentionForward& a) {
  with_storage(a.q.dtype, [&]<class S, class A>() {
    const std::int64_t heads = a.q.shape[2];
    pool_.run(a.q.shape[0] * heads, [&](std::int64_t task, int thread) {
      forward_head<S, A>(a, task / heads, task % heads, workspace(thread));
    });
  });
}

void ReferenceTier::do_attention_backward(const AttentionBackward& a) {
  with_storage(a.q.dtype, [&]<class S, class A>() {
    const HeadShape e = head_shape(a);
    const std::int64_t b_count = a.q.shape[0];
    A* dk_rope = between_loops().take<A>(b_count * e.h * e.s * e.p);  // [B,H,S,P]
    pool_.run(b_count * e.h, [&](std::int64_t task, int thread) {
      Workspace& work = workspace(thread);
      const HeadGradients<A> gradients{work.take<A>(e.s * e.qk()), work.take<A>(e.s * e.qk()),
                                       work.take<A>(e.s * e.v)};
      backward_head<S, A>(a, task / e.h, task % e.h, gradients, work);
      // 5. dq and dkv rounded once, the rotary part of dq rotated back.
      store_head<S, A>(a, task / e.h, task % e.h, gradients, work.take<A>(e.p),
                       dk_rope + task * e.s * e.p);
    });
    // 6. The shared rotary key's gradient: the heads' parts added in their order, rotated back, rounded.
    for_rows(b_count * e.s, [&](std::int64_t row, int thread) {
      const std::int64_t b = row / e.s, i = row % e.s;
      Workspace& work = workspace(thread);
      A *sum = work.take<A>(e.p), *rotated = work.take<A>(e.p);
      std::fill_n(sum, e.p, A(0));
      for (std::int64_t head = 0; head < e.h; ++head) {
        const A* part = dk_rope + ((b * e.h + head) * e.s + i) * e.p;
        for (std::int64_t c = 0; c < e.p; ++c) sum[c] += part[c];
      }
      rotate(sum, a.cos.as<A>() + i * (e.p / 2), a.sin.as<A>() + i * (e.p / 2), e.p, true, rotated);
      S* to = a.dk_rope.as<S>() + row * e.p;
      for (std::int64_t c = 0; c < e.p; ++c) to[c] = store<S>(rotated[c]);
    });
  });
}

}  // namespace triptych::reference
