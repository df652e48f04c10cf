// The routed layer, forward and backward: T 2048, D 1024, F 512, E 16, K 4, 77.3 GFLOP in its products.
//
//   moe_layer/f32/beside_openblas   beside plain_moe_layer.h, all processors
//   moe_layer/f32/threads           all processors beside one thread: ratio is the speed-up
//   moe_layer/bf16/beside_f32       and fp8/beside_bf16: ratio is the policy's speed over the other's
#include "bench/plain_moe_layer.h"
#include "bench/support.h"

namespace triptych::bench {
namespace {

constexpr std::int64_t tokens = 2048, width = 1024, inner = 512, experts = 16;
constexpr int choices = 4;
constexpr Work work{.flops = 3 * 2.0 * tokens * choices * 3 * inner * width};

/// A layer with its tensors, on a tier of its own.
class Layer {
 public:
  Layer(Precision precision, int threads) : tier_(reference_tier(threads)) {
    shape_ = {.tokens = tokens, .sequence = tokens, .width = width, .inner = inner,
              .experts = experts, .precision = precision};
    shape_.rule.experts_per_token = choices;
    Arena count;
    take(count, false);
    arena_ = std::make_unique<Arena>(*tier_, count.used());
    take(*arena_, true);
  }

  void forward() {
    tier_->moe_layer_forward({.shape = shape_, .x = x, .weights = weights, .saved = saved_,
                              .scratch = scratch_, .load = load_, .balance_loss = balance_loss_, .y = y});
  }
  void backward() {
    tier_->moe_layer_backward({.shape = shape_, .x = x, .dy = dy, .weights = weights, .saved = saved_,
                               .scratch = scratch_, .gradients = gradients, .dx = dx});
  }
  void both() {
    forward();
    backward();
  }

  Tensor x, y, dx, dy;
  MoeLayerWeights weights;
  MoeLayerGradients gradients;

 private:
  void take(Arena& arena, bool real) {
    const DType s = storage_dtype(shape_.precision), a = accumulation_dtype(shape_.precision);
    saved_ = take_moe_layer_saved(arena, shape_);
    scratch_ = take_moe_layer_scratch(arena, shape_);
    const auto normal = [&](DType dtype, Shape extents, double scale, std::uint64_t seed) {
      const Tensor tensor = arena.take(dtype, extents);
      if (real) fill(tensor, scale, seed);
      return tensor;
    };
    x = normal(s, {tokens, width}, 1, 1);
    dy = normal(s, {tokens, width}, 1, 2);
    y = normal(s, {tokens, width}, 0, 0);
    dx = normal(s, {tokens, width}, 0, 0);
    const Tensor gate_up = normal(s, {experts, 2 * inner, width}, 0.03, 3);
    const Tensor down = normal(s, {experts, width, inner}, 0.04, 4);
    weights.router = normal(a, {experts, width}, 0.03, 5);
    weights.router_bias = normal(a, {experts}, 0, 0);
    weights.gate_up = gate_up;
    weights.down = down;
    gradients = {normal(a, {experts, width}, 0, 0), normal(a, {experts, 2 * inner, width}, 0, 0),
                 normal(a, {experts, width, inner}, 0, 0)};
    load_ = arena.take(DType::i32, {experts});
    balance_loss_ = normal(a, {1}, 0, 0);
    if (real) tier_->zero(load_);
    if (shape_.precision != Precision::fp8) return;
    weights.fp8_gate_up = arena.take_quantized_weight(experts, 2 * inner, width);
    weights.fp8_down = arena.take_quantized_weight(experts, width, inner);
    if (!real) return;
    tier_->quantize_weight({.w = gate_up, .out = weights.fp8_gate_up});
    tier_->quantize_weight({.w = down, .out = weights.fp8_down});
  }

  std::unique_ptr<Tier> tier_;
  std::unique_ptr<Arena> arena_;
  MoeLayerShape shape_;
  MoeLayerSaved saved_;
  MoeLayerScratch scratch_;
  Tensor load_, balance_loss_;
};

#ifdef TRIPTYCH_HAVE_OPENBLAS
/// Throws unless both forms give the same y and dx, up to what their order of summing explains.
void require_equal(const Tensor& got, const std::vector<float>& want, const char* name) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double difference = got.as<float>()[i] - want[i];
    error += difference * difference;
    size += static_cast<double>(want[i]) * want[i];
  }
  if (!(error <= 1e-10 * size)) throw finding(std::string("moe_layer bench: the forms differ in ") + name);
}

void beside_openblas(benchmark::State& state) {
  const int threads = processors();
  Layer layer(Precision::f32, threads);
  PlainMoeLayer plain({tokens, width, inner, experts, choices}, threads);
  const PlainMoeLayer::Weights weights{layer.weights.router.as<float>(), layer.weights.gate_up.as<float>(),
                                       layer.weights.down.as<float>()};
  std::vector<float> router(experts * width), gate_up(experts * 2 * inner * width),
      down(experts * width * inner), y(tokens * width), dx(tokens * width);
  const auto other = [&] {
    plain.forward(layer.x.as<float>(), weights, y.data());
    plain.backward(layer.x.as<float>(), layer.dy.as<float>(), weights,
                   {router.data(), gate_up.data(), down.data()}, dx.data());
  };
  layer.both();
  other();
  require_equal(layer.y, y, "y");
  require_equal(layer.dx, dx, "dx");
  require_equal(layer.gradients.gate_up, gate_up, "dgate_up");
  require_equal(layer.gradients.down, down, "ddown");
  require_equal(layer.gradients.router, router, "drouter");
  compare(state, work, [&] { layer.both(); }, other);
}
#endif

void beside_another(benchmark::State& state, Precision ours, int our_threads, Precision other,
                    int other_threads) {
  Layer a(ours, our_threads), b(other, other_threads);
  compare(state, work, [&] { a.both(); }, [&] { b.both(); });
}

const bool registered = [] {
  const int all = processors();
#ifdef TRIPTYCH_HAVE_OPENBLAS
  add_benchmark("moe_layer/f32/beside_openblas", beside_openblas)->Iterations(12);
#endif
  add_benchmark("moe_layer/f32/threads", [all](benchmark::State& state) {
    beside_another(state, Precision::f32, all, Precision::f32, 1);
  })->Iterations(8);
  add_benchmark("moe_layer/bf16/beside_f32", [all](benchmark::State& state) {
    beside_another(state, Precision::bf16, all, Precision::f32, all);
  })->Iterations(12);
  add_benchmark("moe_layer/fp8/beside_bf16", [all](benchmark::State& state) {
    beside_another(state, Precision::fp8, all, Precision::bf16, all);
  })->Iterations(6);
  return true;
}();

}  // namespace
}  // namespace triptych::bench
