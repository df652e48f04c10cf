/// \file
/// A model, a text and options that train in milliseconds, with every feature on.
#pragma once

#include <string>
#include <vector>

#include "train/options.h"
#include "train/text.h"
#include "train/trainer.h"

namespace triptych::testing {

/// 2 layers of which 1 dense, 8 experts in 4 groups, a shared one, low-rank q and kv, MTP; about 30,000
/// parameters.
inline ModelConfig small_config() {
  ModelConfig c;
  c.hidden_size = 24;
  c.intermediate_size = 40;
  c.moe_intermediate_size = 16;
  c.kv_lora_rank = 12;
  c.q_lora_rank = 16;
  c.qk_rope_head_dim = 4;
  c.qk_nope_head_dim = 6;
  c.v_head_dim = 8;
  c.max_position_embeddings = 16;
  return c;
}

/// The same with extents that FP8 products can use.
inline ModelConfig fp8_config() {
  ModelConfig c;
  c.max_position_embeddings = 16;
  return c;
}

inline TrainOptions small_options(Precision precision = Precision::f32, std::int64_t steps = 12) {
  TrainOptions o;
  o.data = "synthetic:5";
  o.precision = precision;
  o.bf16_moments = precision == Precision::fp8;
  o.batch = 4;
  o.steps = steps;
  o.learning_rate = 1e-2;
  return o;
}

/// A trainer with its tier; the text is a short synthetic one.
class SmallRun {
 public:
  SmallRun(const ModelConfig& config, TrainOptions options, int threads = 2,
           std::int64_t eval_windows = 12)
      : tier_(make_tier({.name = "reference", .threads = threads})) {
    options.resolve(config);
    const TextSplit split =
        split_text(read_text(options.data, {.synthetic_bytes = 20000}), options.sequence);
    trainer_ = std::make_unique<Trainer>(*tier_, config, options, split, eval_windows);
  }
  Trainer& operator*() { return *trainer_; }
  Trainer* operator->() { return trainer_.get(); }

 private:
  std::unique_ptr<Tier> tier_;
  std::unique_ptr<Trainer> trainer_;
};

/// A tensor's bytes.
inline std::string bytes_of(Tier& tier, const Tensor& tensor) {
  std::string bytes(tensor.bytes(), '\0');
  if (!tensor.absent()) tier.download(bytes.data(), tensor);
  return bytes;
}

/// All masters and moments, bit by bit.
inline std::string state_of(Trainer& trainer) {
  Tier& tier = trainer.model().tier();
  std::string all;
  for (const Parameter& p : trainer.model().parameters().all()) {
    for (const Tensor* t : {&p.master, &p.first, &p.second, &p.copy, &p.fp8.q, &p.fp8.scale}) {
      all += bytes_of(tier, *t);
    }
  }
  return all;
}

/// The values of an f32 or f64 tensor.
inline std::vector<double> values_of(Tier& tier, const Tensor& tensor) {
  const auto n = static_cast<std::size_t>(tensor.count());
  if (tensor.dtype == DType::f64) {
    std::vector<double> values(n);
    tier.download(values.data(), tensor);
    return values;
  }
  std::vector<float> values(n);
  tier.download(values.data(), tensor);
  return {values.begin(), values.end()};
}

/// The inverse of values_of.
inline void put_values(Tier& tier, const Tensor& tensor, const std::vector<double>& values) {
  if (tensor.dtype == DType::f64) {
    tier.upload(tensor, values.data());
  } else {
    const std::vector<float> narrow(values.begin(), values.end());
    tier.upload(tensor, narrow.data());
  }
}

}  // namespace triptych::testing
