/// \file
/// Token-by-token generation from cached latents.
#pragma once

#include <memory>
#include <vector>

#include "model/model.h"

namespace triptych {

/// Reads a model's parameters and keeps one sequence's latents: per token and layer C + P values,
/// where keys and values would be H · (N + Vd + P).
class Generator {
 public:
  /// Room for `capacity` tokens. The model must outlive the generator.
  /// REQUIRES: 1 ≤ capacity ≤ max_position_embeddings.
  Generator(Model& model, std::int64_t capacity);

  /// Appends one token and returns the logits [V] of the next one.
  /// Throws Error (usage) when the capacity is used up, Error (finding) on a fault.
  const std::vector<double>& append(std::int32_t token);
  /// Forgets the sequence.
  void reset() { position_ = 0; }
  std::int64_t position() const { return position_; }
  std::int64_t capacity() const { return capacity_; }

 private:
  void take(Arena& arena);

  Model& model_;
  std::int64_t capacity_, position_ = 0;
  BlockShape shape_;
  BlockScratch scratch_;
  std::vector<Block::Cache> caches_;
  Tensor token_, stream_, next_, normed_, logits_, cos_, sin_, balance_;
  std::unique_ptr<Arena> arena_;
  std::vector<double> result_;
  std::vector<float> narrow_;
};

}  // namespace triptych
