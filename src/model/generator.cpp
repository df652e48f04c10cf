#include "model/generator.h"

#include <fmt/format.h>

#include <utility>

#include "model/rope.h"

namespace triptych {

Generator::Generator(Model& model, std::int64_t capacity)
    : model_(model), capacity_(capacity), shape_(model.shape_for(1)) {
  const ModelConfig& config = model.config();
  if (capacity < 1 || capacity > config.max_position_embeddings) {
    throw usage_error(fmt::format("generate: room for {} tokens; wanted 1 … max_position_embeddings = {}",
                                  capacity, config.max_position_embeddings));
  }
  Arena measure;
  take(measure);
  arena_ = std::make_unique<Arena>(model.tier(), measure.used());
  take(*arena_);
  // The router adds to these, and nobody reads them.
  for (const Block::Cache& cache : caches_) {
    if (!cache.saved.load.absent()) model.tier().zero(cache.saved.load);
  }
  model.tier().zero(balance_);
  const RopeTable table = rope_table(config, capacity);
  for (const auto& [to, values] : {std::pair{cos_, &table.cos}, std::pair{sin_, &table.sin}}) {
    if (to.dtype == DType::f64) {
      model.tier().upload(to, values->data());
    } else {
      const std::vector<float> narrow(values->begin(), values->end());
      model.tier().upload(to, narrow.data());
    }
  }
  result_.resize(static_cast<std::size_t>(config.vocab_size));
  narrow_.resize(result_.size());
}

void Generator::take(Arena& arena) {
  const DType store = shape_.store(), acc = accumulation_dtype(shape_.precision);
  caches_.clear();
  for (const auto& block : model_.blocks()) {
    caches_.push_back(block->take_cache(arena, shape_, capacity_));
  }
  token_ = arena.take(DType::i32, {1});
  stream_ = arena.take(store, {1, shape_.width});
  next_ = arena.take(store, {1, shape_.width});
  normed_ = arena.take(store, {1, shape_.width});
  logits_ = arena.take(acc, {1, model_.config().vocab_size});
  cos_ = arena.take(acc, {capacity_, shape_.rope / 2});
  sin_ = arena.take(acc, {capacity_, shape_.rope / 2});
  balance_ = arena.take(acc, {1});
  scratch_ = take_block_scratch(arena, shape_);
}

const std::vector<double>& Generator::append(std::int32_t token) {
  if (position_ == capacity_) {
    throw usage_error(fmt::format("generate: the {} tokens of the cache are used up; ask for fewer, or "
                                  "make it larger", capacity_));
  }
  Tier& tier = model_.tier();
  const BlockContext c{tier, shape_, scratch_, cos_, sin_, 0, balance_};
  tier.upload(token_, &token);
  tier.embedding_forward({.tokens = token_, .table = model_.embedding().value(), .out = stream_});
  for (std::size_t l = 0; l < caches_.size(); ++l) {
    model_.blocks()[l]->forward_cached(c, caches_[l], position_, stream_, next_);
    std::swap(stream_, next_);
  }
  tier.rms_norm_forward({.x = stream_, .gamma = model_.final_norm().master,
                         .epsilon = shape_.epsilon, .y = normed_});
  const ConstTensor head = model_.head().value();
  tier.grouped_gemm_forward({.x = normed_, .w = head.reshape({1, head.shape[0], head.shape[1]}),
                             .offsets = {}, .y = logits_});
  if (logits_.dtype == DType::f64) {
    tier.download(result_.data(), logits_);
  } else {
    tier.download(narrow_.data(), logits_);
    result_.assign(narrow_.begin(), narrow_.end());
  }
  const FaultReport fault = tier.take_fault();
  if (fault.fault != Fault::none) throw finding("generate: " + fault.str());
  ++position_;
  return result_;
}

}  // namespace triptych
