// The routed layer, forward and backward together; at S1 its products are 77.3 GFLOP. Compute-bound.
//
//   moe_layer/f32           beside plain_moe_layer.h
//   moe_layer/bf16          beside f32, and fp8 beside bf16: the policy's speed over the other's
//   moe_layer_threads/f32   beside one thread: the speed-up
#include "bench/plain_moe_layer.h"
#include "bench/support.h"

namespace triptych::bench {
namespace {

/// A layer with its tensors.
class Layer {
 public:
  Layer(Case& c, Precision precision) {
    const Sizes& n = c.sizes;
    const DType s = storage_dtype(precision), a = accumulation_dtype(precision);
    forward_.shape = {.tokens = n.tokens, .sequence = n.tokens, .width = n.width, .inner = n.inner,
                      .experts = n.experts, .precision = precision};
    forward_.shape.rule.experts_per_token = n.choices;
    Arena count;
    take_moe_layer_saved(count, forward_.shape);
    take_moe_layer_scratch(count, forward_.shape);
    arena_ = std::make_unique<Arena>(*c.tier, count.used());
    forward_.saved = take_moe_layer_saved(*arena_, forward_.shape);
    forward_.scratch = take_moe_layer_scratch(*arena_, forward_.shape);

    const Shape activation{n.tokens, n.width}, router{n.experts, n.width};
    const Shape gate_up{n.experts, 2 * n.inner, n.width}, down{n.experts, n.width, n.inner};
    MoeLayerWeights& w = forward_.weights;
    w = {.router = c.uncounted(a, router, 0.03), .router_bias = c.uncounted(a, {n.experts}, 0),
         .gate_up = c.uncounted(s, gate_up, 0.03), .down = c.uncounted(s, down, 0.04)};
    if (precision == Precision::fp8) {
      w.fp8_gate_up = c.quantized_weight(w.gate_up);
      w.fp8_down = c.quantized_weight(w.down);
    }
    forward_.x = c.uncounted(s, activation);
    forward_.y = c.uncounted(s, activation);
    forward_.load = c.uncounted(DType::i32, {n.experts});
    forward_.balance_loss = c.uncounted(a, {1});
    c.tier->zero(forward_.load);
    backward_ = {.shape = forward_.shape, .x = forward_.x, .dy = c.uncounted(s, activation), .weights = w,
                 .saved = forward_.saved, .scratch = forward_.scratch,
                 .gradients = {c.uncounted(a, router, 0), c.uncounted(a, gate_up, 0), c.uncounted(a, down, 0)},
                 .dx = c.uncounted(s, activation)};
  }
  const MoeLayerForward& forward() const { return forward_; }
  const MoeLayerBackward& backward() const { return backward_; }
  void run(Tier& tier) {
    tier.moe_layer_forward(forward_);
    tier.moe_layer_backward(backward_);
  }

 private:
  std::unique_ptr<Arena> arena_;
  MoeLayerForward forward_;
  MoeLayerBackward backward_;
};

/// The plain layer on another's inputs.
class PlainLayer {
 public:
  PlainLayer(const Sizes& n, int threads, const Layer& like)
      : plain_({n.tokens, n.width, n.inner, n.experts, n.choices}, threads), x_(like.forward().x.as<float>()),
        dy_(like.backward().dy.as<float>()),
        weights_{like.forward().weights.router.as<float>(), like.forward().weights.gate_up.as<float>(),
                 like.forward().weights.down.as<float>()} {
    const auto size = [](std::int64_t count) { return static_cast<std::size_t>(count); };
    router_.resize(size(n.experts * n.width));
    gate_up_.resize(size(n.experts * 2 * n.inner * n.width));
    down_.resize(size(n.experts * n.inner * n.width));
    y_.resize(size(n.tokens * n.width));
    dx_.resize(y_.size());
  }
  void run() {
    plain_.forward(x_, weights_, y_.data());
    plain_.backward(x_, dy_, weights_, {router_.data(), gate_up_.data(), down_.data()}, dx_.data());
  }
  /// Throws unless the other one's results are these, after as many runs.
  void require_equal(const Layer& other) const {
    const MoeLayerGradients& g = other.backward().gradients;
    require_equal(other.forward().y, y_, "y");
    require_equal(other.backward().dx, dx_, "dx");
    require_equal(g.gate_up, gate_up_, "dgate_up");
    require_equal(g.down, down_, "ddown");
    require_equal(g.router, router_, "drouter");
  }

 private:
  /// Equal up to what the order of their sums explains.
  static void require_equal(const Tensor& got, const std::vector<float>& want, const char* name) {
    double error = 0, size = 0;
    for (std::size_t i = 0; i < want.size(); ++i) {
      const double difference = got.as<float>()[i] - want[i];
      error += difference * difference;
      size += static_cast<double>(want[i]) * want[i];
    }
    if (!(error <= 1e-10 * size)) throw finding(std::string("moe_layer bench: the forms differ in ") + name);
  }
  PlainMoeLayer plain_;
  const float *x_, *dy_;
  PlainMoeLayer::Weights weights_;
  std::vector<float> router_, gate_up_, down_, y_, dx_;
};

void count_flops(Case& c) {
  c.flops(3 * 2.0 * static_cast<double>(c.sizes.rows() * 3 * c.sizes.inner * c.sizes.width));
}

void beside_blas(Case& c) {
  Layer layer(c, Precision::f32);
  PlainLayer plain(c.sizes, c.threads, layer);
  count_flops(c);
  if (!has_blas) return c.measure([&] { layer.run(*c.tier); });
  layer.run(*c.tier);
  plain.run();
  plain.require_equal(layer);
  c.measure([&] { layer.run(*c.tier); }, {"OpenBLAS loop", [&] { plain.run(); }, blas_rest});
}

void beside(Case& c, Precision other, Tier& tier) {
  Layer ours(c, c.precision), theirs(c, other);
  count_flops(c);
  const std::string name = other == c.precision ? "one thread" : name_of(other);
  c.measure([&] { ours.run(*c.tier); }, {name, [&] { theirs.run(tier); }});
}

const bool registered =
    add("moe_layer", {Precision::f32}, beside_blas) &&
    add("moe_layer", {Precision::bf16}, [](Case& c) { beside(c, Precision::f32, *c.tier); }) &&
    add("moe_layer", {Precision::fp8}, [](Case& c) { beside(c, Precision::bf16, *c.tier); }) &&
    add("moe_layer_threads", {Precision::f32}, [](Case& c) {
      const auto one = make_tier({.name = "reference", .threads = 1});
      beside(c, Precision::f32, *one);
    });

}  // namespace
}  // namespace triptych::bench
