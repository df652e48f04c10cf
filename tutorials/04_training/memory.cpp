// Where the memory of a training step goes: the preset tiny in three precisions.
#include <fmt/format.h>

#include "train/trainer.h"

namespace triptych::tutorial {
namespace {

TrainOptions options_of(const ModelConfig& config, Precision precision, std::int64_t batch) {
  TrainOptions o;
  o.precision = precision;
  o.bf16_moments = precision == Precision::fp8;
  o.batch = batch;
  o.resolve(config);
  return o;
}

/// Bytes by what they are for.
struct Shares {
  std::size_t masters = 0, copies = 0, gradients = 0, moments = 0, kept = 0, scratch = 0;
};

Shares shares_of(const Model& model) {
  Shares s;
  for (const Parameter& p : model.parameters().all()) {
    s.masters += p.master.bytes();
    s.copies += p.copy.bytes() + p.fp8.q.bytes() + p.fp8.qT.bytes() + p.fp8.scale.bytes();
    s.moments += p.first.bytes() + p.second.bytes();
  }
  s.gradients = model.parameters().gradients().bytes();
  Arena counting;  // without a tier: it adds up what it is asked for, and allocates nothing
  take_block_scratch(counting, model.shape());
  s.scratch = counting.used();
  s.kept = Model::planned_bytes(model.config(), model.options()) - s.masters - s.copies -
           s.gradients - s.moments - s.scratch;
  return s;
}

/// What the blocks would keep besides, if their backward computed nothing again: normed inputs,
/// queries, keys and values, and the activations of SwiGLU.
std::size_t computed_again(const Model& model) {
  const BlockShape& s = model.shape();
  const ModelConfig& c = model.config();
  const std::int64_t dense = c.first_k_dense_replace;
  const std::int64_t moe = c.num_hidden_layers + c.num_nextn_predict_layers - dense;
  const std::int64_t attention =
      2 * s.width + s.q_rank + s.kv_rank + s.heads * (2 * s.nope + s.rope + s.value);
  const std::int64_t elements = (dense + moe) * attention + dense * s.dense_inner +
                                moe * (s.shared_inner + s.moe.rule.experts_per_token * s.moe.inner);
  return static_cast<std::size_t>(s.tokens() * elements) * size_of(s.store());
}

double mega(std::size_t bytes) { return static_cast<double>(bytes) / 1e6; }

void run() {
  const ModelConfig config = preset_config("tiny");
  fmt::print(
      "MB      masters   copies   gradients   moments   kept   scratch     sum    (again)\n");
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::fp8}) {
    const TrainOptions o = options_of(config, precision, 8);
    const auto tier = make_tier({.name = "reference", .threads = 1});
    const Model model(*tier, config, o.model_options());
    const Shares s = shares_of(model);
    fmt::print("{:5} {:9.1f} {:8.1f} {:11.1f} {:9.1f} {:6.1f} {:9.1f} {:7.1f} {:9.1f}\n",
               name_of(precision), mega(s.masters), mega(s.copies), mega(s.gradients),
               mega(s.moments), mega(s.kept), mega(s.scratch), mega(tier->allocated_bytes()),
               mega(computed_again(model)));
  }
  fmt::print("\nsequences   1     2     4     8    16    32\nf32    ");
  for (const std::int64_t batch : {1, 2, 4, 8, 16, 32}) {
    fmt::print("{:6.0f}",
               mega(Trainer::planned_bytes(config, options_of(config, Precision::f32, batch))));
  }
  fmt::print("  MB, planned\n");
}

}  // namespace
}  // namespace triptych::tutorial

int main() { triptych::tutorial::run(); }
