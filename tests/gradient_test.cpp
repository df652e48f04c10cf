// ctest: timeout=120
// Every backward against central differences of its forward, in f64, on ragged extents.
//
// For outputs o(x), a random r and a random direction d, (⟨r, o(x + h d)⟩ - ⟨r, o(x - h d)⟩) / 2h must be
// ⟨gradient, d⟩ to 1e-6 of |gradient| · |d|: with h = 1e-5 the difference's own error is near 1e-10.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "support/guarded_memory.h"

namespace triptych::testing {
namespace {

using Tensors = std::vector<HostTensor>;

/// An operation as a function, and its backward: the gradients of ⟨douts, outputs⟩ by the inputs that
/// have one, in their order.
struct Differentiable {
  std::string name;
  Tensors inputs;  // those with a gradient
  std::function<Tensors(Tier&, GuardedMemory&, const Tensors&)> forward;
  std::function<Tensors(Tier&, GuardedMemory&, const Tensors& inputs, const Tensors& douts)> backward;
};

double inner(const HostTensor& a, const HostTensor& b) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.count(); ++i) sum += a[i] * b[i];
  return sum;
}

void expect_gradients(const Differentiable& op) {
  SCOPED_TRACE(op.name);
  Values v(3);
  const auto tier = make_tier({.name = "reference", .threads = 2});
  const auto outputs = [&](const Tensors& inputs) {
    GuardedMemory m(*tier);
    return op.forward(*tier, m, inputs);
  };
  Tensors r;
  for (const HostTensor& o : outputs(op.inputs)) {
    r.push_back(HostTensor::uniform(DType::f64, o.shape(), v, -1, 1));
  }
  const auto value = [&](const Tensors& inputs) {
    const Tensors all = outputs(inputs);
    double sum = 0;
    for (std::size_t i = 0; i < all.size(); ++i) sum += inner(r[i], all[i]);
    return sum;
  };
  GuardedMemory m(*tier);
  const Tensors gradients = op.backward(*tier, m, op.inputs, r);
  ASSERT_EQ(gradients.size(), op.inputs.size());
  constexpr double h = 1e-5;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    for (int direction = 0; direction < 3; ++direction) {
      const HostTensor d = HostTensor::uniform(DType::f64, op.inputs[i].shape(), v, -1, 1);
      Tensors up = op.inputs, down = op.inputs;
      for (std::int64_t j = 0; j < d.count(); ++j) {
        up[i].set(j, up[i][j] + h * d[j]);
        down[i].set(j, down[i][j] - h * d[j]);
      }
      const double difference = (value(up) - value(down)) / (2 * h);
      const double size = std::sqrt(inner(gradients[i], gradients[i]) * inner(d, d));
      EXPECT_GT(size, 0) << "input " << i;
      EXPECT_NEAR(inner(gradients[i], d) / size, difference / size, 1e-6) << "input " << i;
    }
  }
}

constexpr DType f64 = DType::f64;
HostTensor random(Shape shape, std::uint64_t seed, double low = -1, double high = 1) {
  Values v(seed);
  return HostTensor::uniform(f64, shape, v, low, high);
}

TEST(Gradients, RmsNorm) {
  for (const Shape& shape : {Shape{1, 2}, Shape{7, 97}, Shape{523, 3}}) {
    expect_gradients(
        {"rms_norm " + shape.str(), {random(shape, 1), random({shape[1]}, 2)},
         [](Tier& t, GuardedMemory& m, const Tensors& in) {
           const Tensor y = m.output("y", f64, in[0].shape());
           t.rms_norm_forward({m.input("x", in[0]), m.input("gamma", in[1]), 1e-6, y});
           return Tensors{m.read(y)};
         },
         [](Tier& t, GuardedMemory& m, const Tensors& in, const Tensors& dy) {
           const Tensor dx = m.output("dx", f64, in[0].shape());
           const Tensor dgamma = m.update("dgamma", HostTensor(f64, in[1].shape()));
           t.rms_norm_backward({m.input("x", in[0]), m.input("gamma", in[1]), 1e-6, m.input("dy", dy[0]), dx,
                                dgamma});
           return Tensors{m.read(dx), m.read(dgamma)};
         }});
  }
}

TEST(Gradients, Swiglu) {
  for (const auto& [r, f] : {std::pair{1, 1}, {7, 29}, {13, 97}}) {
    expect_gradients({"swiglu", {random({r, 2 * f}, 1, -3, 3), random({r}, 2)},
                      [f = f](Tier& t, GuardedMemory& m, const Tensors& in) {
                        const Tensor act = m.output("act", f64, {in[0].shape()[0], f});
                        t.swiglu_forward({.gate_up = m.input("gate_up", in[0]),
                                          .weight = m.input("weight", in[1]), .act = act});
                        return Tensors{m.read(act)};
                      },
                      [](Tier& t, GuardedMemory& m, const Tensors& in, const Tensors& dact) {
                        const Tensor dx = m.output("dgate_up", f64, in[0].shape());
                        const Tensor dw = m.output("dweight", f64, in[1].shape());
                        t.swiglu_backward({.gate_up = m.input("gate_up", in[0]),
                                           .weight = m.input("weight", in[1]),
                                           .dact = m.input("dact", dact[0]), .dgate_up = dx, .dweight = dw});
                        return Tensors{m.read(dx), m.read(dw)};
                      }});
  }
}

TEST(Gradients, GroupedGemm) {
  const HostTensor offsets(DType::i32, {4}, {0, 5, 5, 31});  // an empty group
  expect_gradients(
      {"grouped_gemm", {random({31, 19}, 1), random({3, 7, 19}, 2)},
       [=](Tier& t, GuardedMemory& m, const Tensors& in) {
         const Tensor y = m.output("y", f64, {31, 7});
         t.grouped_gemm_forward({m.input("x", in[0]), m.input("w", in[1]), m.input("offsets", offsets), y});
         return Tensors{m.read(y)};
       },
       [=](Tier& t, GuardedMemory& m, const Tensors& in, const Tensors& dy) {
         const Tensor dx = m.output("dx", f64, in[0].shape());
         const Tensor dw = m.update("dw", HostTensor(f64, in[1].shape()));
         const Tensor o = m.input("offsets", offsets), d = m.input("dy", dy[0]);
         t.grouped_gemm_dgrad({d, m.input("w", in[1]), o, dx});
         t.grouped_gemm_wgrad({d, m.input("x", in[0]), o, dw});
         return Tensors{m.read(dx), m.read(dw)};
       }});
}

// A token that is left out has no gradient; the scale is the loss's own.
TEST(Gradients, CrossEntropy) {
  for (const auto& [tokens, v] : {std::pair{1, 2}, {7, 17}, {13, 97}}) {
    HostTensor targets(DType::i32, {tokens});
    for (std::int64_t t = 0; t < tokens; ++t) targets.set(t, t == 3 ? -1 : static_cast<double>(5 * t % v));
    const auto call = [=](Tier& t, GuardedMemory& m, const Tensors& in, double scale) {
      const CrossEntropyArgs a{m.input("logits", in[0]), m.input("targets", targets), scale,
                               m.update("loss", HostTensor(f64, {1})), m.output("dlogits", f64, in[0].shape())};
      t.cross_entropy(a);
      return a;
    };
    expect_gradients({"cross_entropy", {random({tokens, v}, 1, -3, 3)},
                      [=](Tier& t, GuardedMemory& m, const Tensors& in) {
                        return Tensors{m.read(call(t, m, in, 1).loss_sum)};
                      },
                      [=](Tier& t, GuardedMemory& m, const Tensors& in, const Tensors& d) {
                        return Tensors{m.read(call(t, m, in, d[0][0]).dlogits)};
                      }});
  }
}

TEST(Gradients, Embedding) {
  const HostTensor tokens(DType::i32, {7}, {4, 0, 2, 4, 4, 0, 1});  // one token of the table is not there
  expect_gradients({"embedding", {random({5, 13}, 1)},
                    [=](Tier& t, GuardedMemory& m, const Tensors& in) {
                      const Tensor y = m.output("out", f64, {7, 13});
                      t.embedding_forward({m.input("tokens", tokens), m.input("table", in[0]), y});
                      return Tensors{m.read(y)};
                    },
                    [=](Tier& t, GuardedMemory& m, const Tensors& in, const Tensors& dout) {
                      const Tensor d = m.update("dtable", HostTensor(f64, in[0].shape()));
                      t.embedding_backward({m.input("tokens", tokens), m.input("dout", dout[0]), d});
                      return Tensors{m.read(d)};
                    }});
}

// The way to the experts and back: each is the other's backward, and the weights' backward gathers.
TEST(Gradients, DispatchAndCombine) {
  constexpr std::int64_t tokens = 7, k = 2, e = 4, d = 11;
  const HostTensor experts(DType::i32, {tokens, k}, {1, 0, 1, 2, 0, 1, 2, 1, 1, 0, 0, 2, 1, 2});  // 3 is empty
  const auto plan = [=](Tier& t, GuardedMemory& m) {
    const DispatchPlan p{m.output("offsets", DType::i32, {e + 1}), m.output("padded", DType::i32, {e + 1}),
                         m.output("row_of", DType::i32, {tokens, k}), m.output("source_of", DType::i32, {tokens * k})};
    t.dispatch_plan({m.input("experts", experts), p});
    return p;
  };
  const auto gather = [=](Tier& t, GuardedMemory& m, const Tensors& in) {
    const Tensor rows = m.output("rows", f64, {tokens * k, d});
    t.dispatch_rows({m.input("source", in[0]), plan(t, m).source_of, k, rows});
    return Tensors{m.read(rows)};
  };
  const auto sum = [=](Tier& t, GuardedMemory& m, const Tensors& in) {
    const Tensor y = m.output("y", f64, {tokens, d});
    t.combine({m.input("rows", in[0]), plan(t, m).row_of, m.input("experts", experts), e, 2, y});
    return Tensors{m.read(y)};
  };
  expect_gradients({"dispatch_rows", {random({tokens, d}, 1)}, gather,
                    [=](Tier& t, GuardedMemory& m, const Tensors&, const Tensors& dy) { return sum(t, m, dy); }});
  expect_gradients({"combine", {random({tokens * k, d}, 1)}, sum,
                    [=](Tier& t, GuardedMemory& m, const Tensors&, const Tensors& dy) { return gather(t, m, dy); }});
  expect_gradients({"dispatch_weights", {random({tokens, k}, 1)},
                    [=](Tier& t, GuardedMemory& m, const Tensors& in) {
                      const Tensor w = m.output("weight", f64, {tokens * k});
                      t.dispatch_weights({m.input("gates", in[0]), plan(t, m).source_of, w});
                      return Tensors{m.read(w)};
                    },
                    [=](Tier& t, GuardedMemory& m, const Tensors&, const Tensors& dw) {
                      const Tensor dgates = m.output("dgates", f64, {tokens, k});
                      t.dispatch_weights_backward({m.input("dweight", dw[0]), plan(t, m).row_of, dgates});
                      return Tensors{m.read(dgates)};
                    }});
}

// A sum hands its gradient to both; columns that are split are joined again, and the other way round.
TEST(Gradients, Elementwise) {
  const auto add = [](Tier& t, GuardedMemory& m, const Tensors& in) {
    const Tensor y = m.output("out", f64, in[0].shape());
    t.add({m.input("a", in[0]), m.input("b", in[1]), y});
    return Tensors{m.read(y)};
  };
  const auto split = [](Tier& t, GuardedMemory& m, const Tensors& in) {
    const Tensor left = m.output("left", f64, {7, 3}), right = m.output("right", f64, {7, 10});
    t.split_columns({m.input("whole", in[0]), left, right});
    return Tensors{m.read(left), m.read(right)};
  };
  const auto concat = [](Tier& t, GuardedMemory& m, const Tensors& in) {
    const Tensor whole = m.output("whole", f64, {7, 13});
    t.concat_columns({m.input("left", in[0]), m.input("right", in[1]), whole});
    return Tensors{m.read(whole)};
  };
  expect_gradients({"add", {random({97}, 1), random({97}, 2)}, add,
                    [](Tier&, GuardedMemory&, const Tensors&, const Tensors& d) { return Tensors{d[0], d[0]}; }});
  expect_gradients({"split_columns", {random({7, 13}, 1)}, split,
                    [=](Tier& t, GuardedMemory& m, const Tensors&, const Tensors& d) { return concat(t, m, d); }});
  expect_gradients({"concat_columns", {random({7, 3}, 1), random({7, 10}, 2)}, concat,
                    [=](Tier& t, GuardedMemory& m, const Tensors&, const Tensors& d) { return split(t, m, d); }});
}

TEST(Gradients, Attention) {
  constexpr std::int64_t b = 2, s = 11, h = 3, n = 5, p = 4, v = 7;
  HostTensor cos(f64, {s, p / 2}), sin(f64, {s, p / 2});
  for (std::int64_t i = 0; i < cos.count(); ++i) {
    cos.set(i, std::cos(0.3 * static_cast<double>(i)));
    sin.set(i, std::sin(0.3 * static_cast<double>(i)));
  }
  const auto forward = [=](Tier& t, GuardedMemory& m, const Tensors& in) {
    const AttentionForward a{m.input("q", in[0]), m.input("kv", in[1]), m.input("k_rope", in[2]),
                             m.input("cos", cos), m.input("sin", sin), 1.0 / 3,
                             m.output("out", f64, {b, s, h, v}), m.output("lse", f64, {b, h, s})};
    t.attention_forward(a);
    return a;
  };
  expect_gradients({"attention",
                    {random({b, s, h, n + p}, 1), random({b, s, h, n + v}, 2), random({b, s, p}, 3)},
                    [=](Tier& t, GuardedMemory& m, const Tensors& in) {
                      return Tensors{m.read(forward(t, m, in).out)};
                    },
                    [=](Tier& t, GuardedMemory& m, const Tensors& in, const Tensors& dout) {
                      const AttentionForward a = forward(t, m, in);
                      const AttentionBackward back{a.q, a.kv, a.k_rope, a.cos, a.sin, a.scale, a.out, a.lse,
                                                   m.input("dout", dout[0]), m.output("dq", f64, in[0].shape()),
                                                   m.output("dkv", f64, in[1].shape()),
                                                   m.output("dk_rope", f64, in[2].shape())};
                      t.reserve_scratch(t.attention_backward_scratch(back));
                      t.attention_backward(back);
                      return Tensors{m.read(back.dq), m.read(back.dkv), m.read(back.dk_rope)};
                    }});
}

/// Gates and balance loss; the choice is a constant because no biased scores lie within h of each other.
void expect_router_gradients(bool normalise) {
  constexpr std::int64_t tokens = 15, d = 13, e = 12, k = 3;
  RouterRule rule{.experts_per_token = k, .groups = 4, .groups_per_token = 2, .normalize_gates = normalise,
                  .gate_scale = 2.5};
  const auto forward = [=](Tier& t, GuardedMemory& m, const Tensors& in) {
    const RouterForward f{m.input("x", in[0]), m.input("weight", in[1]), m.input("bias", random({e}, 9)), rule,
                          5, 0.7, m.output("scores", f64, {tokens, e}), m.output("experts", DType::i32, {tokens, k}),
                          m.output("gates", f64, {tokens, k}), m.update("load", HostTensor(DType::i32, {e})),
                          m.output("fraction", f64, {3, e}), m.update("loss", HostTensor(f64, {1}))};
    t.router_forward(f);
    return f;
  };
  expect_gradients(
      {normalise ? "router" : "router without normalising", {random({tokens, d}, 1), random({e, d}, 2)},
       [=](Tier& t, GuardedMemory& m, const Tensors& in) {
         const RouterForward f = forward(t, m, in);
         return Tensors{m.read(f.gates), m.read(f.balance_loss)};
       },
       [=](Tier& t, GuardedMemory& m, const Tensors& in, const Tensors& d_out) {
         const RouterForward f = forward(t, m, in);
         const Tensor dweight = m.update("dweight", HostTensor(f64, in[1].shape()));
         // The balance loss enters with its own weight; r of that output is put into it.
         const RouterBackward back{f.x, f.weight, rule, 5, 0.7 * d_out[1][0], f.scores, f.experts, f.fraction,
                                   m.input("dgates", d_out[0]), m.output("dx", f64, in[0].shape()), dweight};
         t.reserve_scratch(t.router_backward_scratch(back));
         t.router_backward(back);
         return Tensors{m.read(back.dx), m.read(dweight)};
       }});
}
TEST(Gradients, Router) { expect_router_gradients(true); }
TEST(Gradients, RouterWithoutNormalising) { expect_router_gradients(false); }

}  // namespace
}  // namespace triptych::testing
