#include "train/initialize.h"

#include <string_view>
#include <vector>

#include "train/random.h"

namespace triptych {
namespace {

/// FNV-1a: a stream number for a name.
std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  }
  return hash;
}

void fill(std::vector<float>& values, const Parameter& p, double deviation, std::uint64_t seed) {
  values.resize(static_cast<std::size_t>(p.shape.count()));
  if (p.kind == ParameterKind::vector || p.kind == ParameterKind::bias) {
    values.assign(values.size(), p.kind == ParameterKind::vector ? 1.0f : 0.0f);
    return;
  }
  Random random(seed, stream_of(p.name));
  for (float& value : values) value = static_cast<float>(deviation * random.normal());
}

}  // namespace

void initialize_parameters(const Model& model, std::uint64_t seed) {
  std::vector<float> values;
  for (const Parameter& p : model.parameters().all()) {
    fill(values, p, model.config().initializer_range, seed);
    if (p.master.dtype == DType::f64) {
      const std::vector<double> wide(values.begin(), values.end());
      model.tier().upload(p.master, wide.data());
    } else {
      model.tier().upload(p.master, values.data());
    }
  }
  model.parameters().refresh(model.tier());
}

}  // namespace triptych
