/// \file
/// The model and the options that this chapter's programs train with.
#pragma once

#include "train/options.h"

namespace triptych::tutorial {

/// Two layers: a dense one, and one with 8 experts of which a token takes 2.
inline ModelConfig small_model() {
  ModelConfig c;  // defaults: the preset nano
  c.hidden_size = c.q_lora_rank = 96;
  c.intermediate_size = 128;
  c.moe_intermediate_size = c.kv_lora_rank = 32;
  c.num_attention_heads = 4;
  c.qk_nope_head_dim = c.qk_rope_head_dim = c.v_head_dim = 16;
  c.num_nextn_predict_layers = 0;
  c.initializer_range = 0.06;
  return c;
}

/// Options of a run: batches of 4 windows of 64 bytes, a learning rate of 0.003 at its highest.
inline TrainOptions small_options(std::int64_t steps, Precision precision = Precision::f32) {
  TrainOptions o;  // defaults: DeepSeek-V3's β, weight decay and clipping
  o.data = "synthetic:7";
  o.precision = precision;
  o.bf16_moments = precision == Precision::fp8;  // DeepSeek-V3's, too
  o.batch = 4;
  o.learning_rate = 3e-3;
  o.steps = steps;
  o.resolve(small_model());  // warm-up and decay as shares of the steps
  return o;
}

/// One with widths that are multiples of 128, as FP8 codes need.
inline ModelConfig fp8_model() {
  ModelConfig c;
  c.num_nextn_predict_layers = 0;
  return c;
}

}  // namespace triptych::tutorial
