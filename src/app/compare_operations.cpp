#include "app/compare_operations.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "train/random.h"
#include "triptych/tolerance.h"

namespace triptych::app {
namespace {

using Values = std::vector<double>;

/// The nearest value of a storage type.
double rounded(double value, DType dtype) {
  switch (dtype) {
    case DType::f32: return static_cast<float>(value);
    case DType::bf16: return static_cast<float>(bf16(static_cast<float>(value)));
    default: return value;
  }
}

/// A tier with memory for one operation after another.
class Bench {
 public:
  Bench(Tier& tier, Precision precision)
      : tier_(tier), storage_(storage_dtype(precision)), accumulate_(accumulation_dtype(precision)),
        arena_(tier, std::size_t{64} << 20) {}

  Tier& tier() { return tier_; }
  DType storage() const { return storage_; }
  DType accumulate() const { return accumulate_; }
  Tensor out(DType dtype, Shape shape) { return arena_.take(dtype, shape); }
  Tensor in(DType dtype, Shape shape, const Values& values) {
    const Tensor tensor = arena_.take(dtype, shape);
    std::vector<std::byte> bytes(tensor.bytes());
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (dtype == DType::f64) reinterpret_cast<double*>(bytes.data())[i] = values[i];
      if (dtype == DType::f32) reinterpret_cast<float*>(bytes.data())[i] = static_cast<float>(values[i]);
      if (dtype == DType::bf16) {
        reinterpret_cast<bf16*>(bytes.data())[i] = bf16(static_cast<float>(values[i]));
      }
    }
    tier_.upload(tensor, bytes.data());
    return tensor;
  }
  Values read(const ConstTensor& tensor) {
    std::vector<std::byte> bytes(tensor.bytes());
    tier_.download(bytes.data(), tensor);
    Values values(static_cast<std::size_t>(tensor.count()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      switch (tensor.dtype) {
        case DType::f64: values[i] = reinterpret_cast<const double*>(bytes.data())[i]; break;
        case DType::f32: values[i] = reinterpret_cast<const float*>(bytes.data())[i]; break;
        default: values[i] = static_cast<float>(reinterpret_cast<const bf16*>(bytes.data())[i]);
      }
    }
    return values;
  }

 private:
  Tier& tier_;
  DType storage_, accumulate_;
  Arena arena_;
};

/// Inputs of all operations: rounded to the storage type, so that every side computes from the same.
struct Inputs {
  std::int64_t rows, width, inner;
  Values x, dy, w, gate_up, gamma;

  Inputs absolute() const {
    Inputs a = *this;
    for (Values* each : {&a.x, &a.dy, &a.w, &a.gate_up, &a.gamma}) {
      for (double& value : *each) value = std::fabs(value);
    }
    return a;
  }
};

struct Output {
  std::string name;
  Bound bound;
  double k;
  DType dtype;
  Values values;
  bool magnitude_is_size;  ///< M = |want|: the operation is no sum
};

std::vector<Output> run(Bench&& b, const Inputs& in) {
  const DType s = b.storage(), a = b.accumulate();
  const std::int64_t r = in.rows, d = in.width, f = in.inner;
  const Tensor x = b.in(s, {r, d}, in.x), dy = b.in(s, {r, f}, in.dy), w = b.in(s, {1, f, d}, in.w);
  const Tensor gate_up = b.in(s, {r, 2 * f}, in.gate_up), gamma = b.in(a, {d}, in.gamma);
  const Tensor y = b.out(s, {r, f}), dx = b.out(s, {r, d}), dw = b.out(a, {1, f, d});
  const Tensor act = b.out(s, {r, f}), norm = b.out(s, {r, d});
  b.tier().grouped_gemm_forward({.x = x, .w = w, .y = y});
  b.tier().grouped_gemm_dgrad({.dy = dy, .w = w, .dx = dx});
  b.tier().grouped_gemm_wgrad({.dy = dy, .x = x, .dw = dw, .accumulate = false});
  b.tier().swiglu_forward({.gate_up = gate_up, .act = act});
  b.tier().rms_norm_forward({x, gamma, 1e-6, norm});
  const auto k = [](std::int64_t n) { return static_cast<double>(n); };
  return {{"grouped_gemm_forward", tolerance::grouped_gemm, k(d), s, b.read(y), false},
          {"grouped_gemm_dgrad", tolerance::grouped_gemm, k(f), s, b.read(dx), false},
          {"grouped_gemm_wgrad", tolerance::grouped_gemm, k(r), a, b.read(dw), false},
          {"swiglu_forward", tolerance::swiglu_forward, 1, s, b.read(act), true},
          {"rms_norm_forward", tolerance::rms_norm_forward, k(d), s, b.read(norm), true}};
}

}  // namespace

std::vector<OperationError> compare_operations(Tier& tier, Precision precision, std::int64_t rows,
                                               std::int64_t width, std::int64_t inner) {
  const DType s = storage_dtype(precision), a = accumulation_dtype(precision);
  Random random(1);
  const auto normal = [&](std::int64_t count, double size, DType dtype) {
    Values values(static_cast<std::size_t>(count));
    for (double& value : values) value = rounded(random.normal() * size, dtype);
    return values;
  };
  const Inputs in{rows, width, inner, normal(rows * width, 1, s), normal(rows * inner, 1, s),
                  normal(inner * width, 0.05, s), normal(rows * 2 * inner, 2, s), normal(width, 1, a)};
  const auto oracle = make_tier({.name = "reference"});
  const std::vector<Output> got = run(Bench(tier, precision), in), want = run(Bench(*oracle, Precision::f64), in),
                            size = run(Bench(*oracle, Precision::f64), in.absolute());
  std::vector<OperationError> errors;
  for (std::size_t i = 0; i < got.size(); ++i) {
    OperationError e{got[i].name, 0, 0};
    double squares = 0, largest = 0;
    for (std::size_t j = 0; j < got[i].values.size(); ++j) {
      const double wanted = want[i].values[j], error = std::fabs(got[i].values[j] - wanted);
      const double magnitude = got[i].magnitude_is_size ? std::fabs(wanted) : size[i].values[j];
      const double allowed = got[i].bound.allowed(wanted, magnitude, got[i].k, got[i].dtype, a);
      // Not a number is larger than every bound.
      e.worst = error <= allowed * e.worst ? e.worst : allowed > 0 && error == error ? error / allowed : HUGE_VAL;
      largest = std::max(largest, error);
      squares += wanted * wanted;
    }
    e.largest = largest / std::sqrt(squares / static_cast<double>(got[i].values.size()));
    errors.push_back(e);
  }
  return errors;
}

}  // namespace triptych::app
