#include "model/model.h"

#include <fmt/format.h>

#include "model/rope.h"

namespace triptych {
namespace {

enum Sum : std::int64_t { loss_sum, mtp_loss_sum, balance_sum, sum_count };

ModelOptions checked(const ModelConfig& config, const ModelOptions& o) {
  if (o.batch < 1 || o.sequence < 1) {
    throw usage_error(fmt::format("model: a micro-batch of {} sequences of {} tokens; wanted 1 or more",
                                  o.batch, o.sequence));
  }
  if (o.sequence > config.max_position_embeddings) {
    throw usage_error(fmt::format("model: sequences of {} tokens exceed max_position_embeddings = {}; "
                                  "shorten them, or raise it", o.sequence, config.max_position_embeddings));
  }
  return o;
}

}  // namespace

Model::Model(Tier* tier, const ModelConfig& config, const ModelOptions& options)
    : tier_(tier),
      config_(config),
      options_(checked(config, options)),
      shape_(block_shape()),
      parameters_({options.precision, options.training, options.bf16_moments, options.scale_rule}) {
  declare();
}

Model::Model(Tier& tier, const ModelConfig& config, const ModelOptions& options)
    : Model(&tier, config, options) {
  arena_ = std::make_unique<Arena>(tier, planned_bytes(config, options));
  take(*arena_);
  upload_tables();
  tier.zero(parameters_.gradients());
  for (const Parameter& p : parameters_.all()) {
    if (!p.first.absent()) tier.zero(p.first);
    if (!p.second.absent()) tier.zero(p.second);
  }
}

std::size_t Model::planned_bytes(const ModelConfig& config, const ModelOptions& options) {
  Model plan(nullptr, config, options);
  Arena measure;
  plan.take(measure);
  return measure.used();
}

BlockShape Model::block_shape() const {
  const ModelConfig& c = config_;
  BlockShape s;
  s.batch = options_.batch;
  s.sequence = options_.sequence;
  s.width = c.hidden_size;
  s.heads = c.num_attention_heads;
  s.nope = c.qk_nope_head_dim;
  s.rope = c.qk_rope_head_dim;
  s.value = c.v_head_dim;
  s.q_rank = c.q_lora_rank;
  s.kv_rank = c.kv_lora_rank;
  s.epsilon = c.rms_norm_eps;
  s.scale = attention_scale(c);
  s.precision = options_.precision;
  s.scale_rule = options_.scale_rule;
  s.accumulation = options_.accumulation;
  s.balance_alpha = options_.balance_alpha;
  s.dense_inner = c.intermediate_size;
  s.shared_inner = static_cast<std::int64_t>(c.n_shared_experts) * c.moe_intermediate_size;
  s.moe.tokens = s.tokens();
  s.moe.sequence = s.sequence;
  s.moe.width = s.width;
  s.moe.inner = c.moe_intermediate_size;
  s.moe.experts = c.n_routed_experts;
  s.moe.rule.experts_per_token = static_cast<int>(c.num_experts_per_tok);
  s.moe.rule.groups = static_cast<int>(c.n_group);
  s.moe.rule.groups_per_token = static_cast<int>(c.topk_group);
  s.moe.rule.normalize_gates = c.norm_topk_prob;
  s.moe.rule.gate_scale = c.routed_scaling_factor;
  s.moe.precision = s.precision;
  s.moe.scale_rule = s.scale_rule;
  s.moe.accumulation = s.accumulation;
  return s;
}

BlockShape Model::shape_for(std::int64_t tokens) const {
  BlockShape s = shape_;
  s.batch = 1;
  s.sequence = s.moe.tokens = s.moe.sequence = tokens;
  return s;
}

void Model::declare() {
  const ModelConfig& c = config_;
  const std::int64_t d = c.hidden_size, v = c.vocab_size;
  embedding_ = &parameters_.add("model.embed_tokens.weight", ParameterKind::table, {v, d});
  const auto block = [&](int index, const std::string& name) {
    const bool moe = index >= c.first_k_dense_replace;
    if (moe) moe_names_.push_back(name);
    return std::make_unique<Block>(parameters_, shape_, index, moe);
  };
  const int layers = static_cast<int>(c.num_hidden_layers);
  for (int l = 0; l < layers; ++l) blocks_.push_back(block(l, fmt::format("layer {}", l)));
  final_norm_ = &parameters_.add("model.norm.weight", ParameterKind::vector, {d});
  head_ = &parameters_.add("lm_head.weight", ParameterKind::table, {v, d});
  if (c.num_nextn_predict_layers == 0) return;
  const std::string mtp = fmt::format("model.layers.{}.", layers);
  enorm_ = &parameters_.add(mtp + "enorm.weight", ParameterKind::vector, {d});
  hnorm_ = &parameters_.add(mtp + "hnorm.weight", ParameterKind::vector, {d});
  eh_proj_ = &parameters_.add(mtp + "eh_proj.weight", ParameterKind::linear, {1, d, 2 * d});
  mtp_block_ = block(layers, "mtp");
  mtp_norm_ = &parameters_.add(mtp + "shared_head.norm.weight", ParameterKind::vector, {d});
}

void Model::take(Arena& arena) {
  const DType store = shape_.store(), acc = accumulation_dtype(options_.precision);
  const std::int64_t t = shape_.tokens(), d = shape_.width, v = config_.vocab_size;
  parameters_.take(arena);
  const auto stream = [&] { return arena.take(store, {t, d}); };
  for (std::size_t l = 0; l <= blocks_.size(); ++l) hidden_.push_back(stream());
  const auto moe_layers = static_cast<std::int64_t>(moe_names_.size());
  load_all_ = arena.take(DType::i32, {moe_layers, shape_.moe.experts});
  std::int64_t next = 0;
  const auto saved = [&](Block& block) {
    Tensor load;
    if (block.moe()) {
      load = {nullptr, DType::i32, {shape_.moe.experts}};
      if (load_all_.data != nullptr) load = load_all_.rows(next, 1).reshape({shape_.moe.experts});
      ++next;
      loads_.push_back(load);
      biases_.push_back(block.router_bias().master);
    }
    block.take_saved(arena, load);
  };
  for (const auto& block : blocks_) saved(*block);
  if (mtp_block_) saved(*mtp_block_);
  sums_ = arena.take(acc, {sum_count});
  cos_ = arena.take(acc, {options_.sequence, shape_.rope / 2});
  sin_ = arena.take(acc, {options_.sequence, shape_.rope / 2});
  logits_ = arena.take(acc, {t, v});
  normed_ = stream();
  if (options_.training) {
    if (store != acc) dlogits_ = arena.take(store, {t, v});
    dstream_ = stream();
    dnormed_ = stream();
  }
  if (mtp_block_) {
    mtp_logits_ = arena.take(acc, {t, v});
    mtp_pair_ = arena.take(store, {t, 2 * d});
    for (Tensor* each : {&mtp_embedded_, &mtp_left_, &mtp_right_, &mtp_in_, &mtp_out_, &mtp_normed_}) {
      *each = stream();
    }
    if (options_.training) {
      mtp_dpair_ = arena.take(store, {t, 2 * d});
      mtp_dstream_ = stream();
    }
  }
  scratch_ = take_block_scratch(arena, shape_);
}

void Model::upload_tables() {
  const RopeTable table = rope_table(config_, options_.sequence);
  const auto upload = [&](const Tensor& to, const std::vector<double>& values) {
    if (to.dtype == DType::f64) {
      tier_->upload(to, values.data());
    } else {
      const std::vector<float> narrow(values.begin(), values.end());
      tier_->upload(to, narrow.data());
    }
  };
  upload(cos_, table.cos);
  upload(sin_, table.sin);
}

BlockContext Model::context(double balance_weight) {
  return {*tier_, shape_, scratch_, cos_, sin_, balance_weight, sums_.rows(balance_sum, 1)};
}

void Model::begin_step() {
  if (options_.training) tier_->zero(parameters_.gradients());
  tier_->zero(load_all_);
  tier_->zero(sums_);
}

void Model::forward_backward(const Batch& batch, double weight) { pass(batch, weight, true); }

void Model::forward(const Batch& batch) { pass(batch, 1, false); }

void Model::embed(const ConstTensor& tokens, const Tensor& out) {
  tier_->embedding_forward({.tokens = tokens, .table = embedding_->value(), .out = out});
}

/// normed = RMSNorm(stream), logits = W_head · normed.
void Model::output(const ConstTensor& stream, const Parameter& norm, const Tensor& normed,
                   const Tensor& logits) {
  const ConstTensor head = head_->value();
  tier_->rms_norm_forward(
      {.x = stream, .gamma = norm.master, .epsilon = shape_.epsilon, .y = normed});
  tier_->grouped_gemm_forward({.x = normed, .w = head.reshape({1, head.shape[0], head.shape[1]}),
                               .offsets = {}, .y = logits});
}

/// dstream from the logits' gradient (which `logits` holds) and from what else reads `normed`.
void Model::output_backward(const ConstTensor& stream, const Parameter& norm,
                            const ConstTensor& normed, const Tensor& logits,
                            const ConstTensor& dnormed_too, const Tensor& dstream) {
  ConstTensor dlogits = logits;
  if (!dlogits_.absent()) {
    tier_->cast({.in = logits, .out = dlogits_});
    dlogits = dlogits_;
  }
  const ConstTensor head = head_->value();
  const Shape shape{1, head.shape[0], head.shape[1]};
  tier_->grouped_gemm_wgrad(
      {.dy = dlogits, .x = normed, .offsets = {}, .dw = head_->grad.reshape(shape)});
  tier_->grouped_gemm_dgrad(
      {.dy = dlogits, .w = head.reshape(shape), .offsets = {}, .dx = dstream});
  if (!dnormed_too.absent()) tier_->add({.a = dstream, .b = dnormed_too, .out = dstream});
  tier_->rms_norm_backward({.x = stream, .gamma = norm.master, .epsilon = shape_.epsilon,
                            .dy = dstream, .dx = dstream, .dgamma = norm.grad});
}

void Model::pass(const Batch& batch, double weight, bool backward) {
  if (backward && !options_.training) throw usage_error("model: it was built without training");
  const auto t = static_cast<double>(shape_.tokens());
  const BlockContext c =
      context(options_.balance_alpha * weight / static_cast<double>(options_.batch));
  // 1. Embedding, blocks, output.
  embed(batch.tokens, hidden_[0]);
  for (std::size_t l = 0; l < blocks_.size(); ++l) {
    blocks_[l]->forward(c, hidden_[l], hidden_[l + 1]);
  }
  output(hidden_.back(), *final_norm_, normed_, logits_);
  // 2. The loss, whose gradient takes the logits' place.
  tier_->cross_entropy({.logits = logits_, .targets = batch.targets, .grad_scale = weight / t,
                        .loss_sum = sums_.rows(loss_sum, 1),
                        .dlogits = backward ? logits_ : Tensor{}});
  // 3. Multi-token prediction, forward and backward: it ends in a gradient of `normed_`.
  ConstTensor dnormed;
  if (mtp_block_) {
    const double count = static_cast<double>(batch.mtp_count > 0 ? batch.mtp_count : 1);
    mtp_forward(c, batch);
    tier_->cross_entropy({.logits = mtp_logits_, .targets = batch.mtp_targets,
                          .grad_scale = options_.mtp_weight * weight / count,
                          .loss_sum = sums_.rows(mtp_loss_sum, 1),
                          .dlogits = backward ? mtp_logits_ : Tensor{}});
    if (backward) {
      mtp_backward(c, batch);
      dnormed = dnormed_;
    }
  }
  if (!backward) return;
  // 4. Back through output, blocks and embedding.
  output_backward(hidden_.back(), *final_norm_, normed_, logits_, dnormed, dstream_);
  for (std::size_t l = blocks_.size(); l-- > 0;) {
    blocks_[l]->backward(c, hidden_[l], dstream_, dstream_);
  }
  tier_->embedding_backward({.tokens = batch.tokens, .dout = dstream_, .dtable = embedding_->grad});
}

void Model::mtp_forward(const BlockContext& c, const Batch& batch) {
  const double epsilon = shape_.epsilon;
  // 1. The next token's embedding and the main model's output state, each normed, side by side.
  embed(batch.targets, mtp_embedded_);
  tier_->rms_norm_forward(
      {.x = mtp_embedded_, .gamma = enorm_->master, .epsilon = epsilon, .y = mtp_left_});
  tier_->rms_norm_forward(
      {.x = normed_, .gamma = hnorm_->master, .epsilon = epsilon, .y = mtp_right_});
  tier_->concat_columns({.left = mtp_left_, .right = mtp_right_, .whole = mtp_pair_});
  // 2. Down to the model's width, one block, its own norm, the shared head.
  linear_forward(c, *eh_proj_, mtp_pair_, mtp_in_);
  mtp_block_->forward(c, mtp_in_, mtp_out_);
  output(mtp_out_, *mtp_norm_, mtp_normed_, mtp_logits_);
}

void Model::mtp_backward(const BlockContext& c, const Batch& batch) {
  const double epsilon = shape_.epsilon;
  // 2'. Head, norm, block, down-projection.
  output_backward(mtp_out_, *mtp_norm_, mtp_normed_, mtp_logits_, {}, mtp_dstream_);
  mtp_block_->backward(c, mtp_in_, mtp_dstream_, mtp_dstream_);
  linear_backward(c, *eh_proj_, mtp_pair_, mtp_dstream_, mtp_dpair_);
  // 1'. To the embedding, and to the main model's output state.
  tier_->split_columns({.whole = mtp_dpair_, .left = mtp_left_, .right = mtp_right_});
  tier_->rms_norm_backward({.x = mtp_embedded_, .gamma = enorm_->master, .epsilon = epsilon,
                            .dy = mtp_left_, .dx = mtp_left_, .dgamma = enorm_->grad});
  tier_->embedding_backward(
      {.tokens = batch.targets, .dout = mtp_left_, .dtable = embedding_->grad});
  tier_->rms_norm_backward({.x = normed_, .gamma = hnorm_->master, .epsilon = epsilon,
                            .dy = mtp_right_, .dx = dnormed_, .dgamma = hnorm_->grad});
}

StepSums Model::read_sums() {
  StepSums sums;
  double values[sum_count];
  if (sums_.dtype == DType::f64) {
    tier_->download(values, sums_);
  } else {
    float narrow[sum_count];
    tier_->download(narrow, sums_);
    for (int i = 0; i < sum_count; ++i) values[i] = static_cast<double>(narrow[i]);
  }
  sums.loss = values[loss_sum];
  sums.mtp_loss = values[mtp_loss_sum];
  sums.balance = values[balance_sum];
  return sums;
}

}  // namespace triptych
