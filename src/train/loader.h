/// \file
/// Batches of windows: in random order for training, in order for evaluation.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "train/text.h"

namespace triptych {

/// A batch in the caller's memory: three [B,S] i32 matrices, row-major, overwritten by a loader.
/// Row b is a window w of S + 2 bytes: tokens[b,s] = w[s], targets[b,s] = w[s+1] (next byte),
/// targets2[b,s] = w[s+2] (the MTP module's target, two ahead).
struct WindowBatch {
  std::span<std::int32_t> tokens, targets, targets2;
};

/// Where a BatchLoader stands: together with its text, S and B it determines all that follows.
struct LoaderState {
  std::uint64_t seed = 0;     ///< of the whole run
  std::int64_t epoch = 0;     ///< ≥ 0
  std::int64_t position = 0;  ///< windows of this epoch already given

  bool operator==(const LoaderState&) const = default;
};

/// {"seed": …, "epoch": …, "position": …}
void to_json(nlohmann::json& json, const LoaderState& state);
/// The inverse. A field that is missing or no integer from 0 on raises an environment_error that
/// names it.
void from_json(const nlohmann::json& json, LoaderState& state);

/// An endless stream of training batches.
///
/// In an epoch, block k's windows start at its byte r_k and every S bytes after that, r_k being
/// drawn anew each epoch: so every byte is a target at most once an epoch, and over the epochs at
/// every place of a window. The epoch's windows come in a random order, without replacement; a
/// batch that an epoch's end cuts is filled from the next one. r_k is uniform in 0 … S-1, less
/// where a block has no room for that: a block of n windows gives n or n-1 of them, and always one.
class BatchLoader {
 public:
  /// REQUIRES: sequence ≥ 1, batch ≥ 1. A part without a single window raises a usage_error.
  BatchLoader(TextPart part, std::int64_t sequence, std::int64_t batch, std::uint64_t seed);

  /// Fills the batch and advances by B windows. Allocates nothing. REQUIRES: spans of B·S elements
  /// (a usage_error else).
  void next(const WindowBatch& batch);

  LoaderState state() const { return {seed_, epoch_, position_}; }
  /// Continues where `state` was taken. A position beyond the epoch's windows raises an
  /// environment_error: the text or the sequence is another one.
  void restore(const LoaderState& state);

  /// Windows of the current epoch.
  std::int64_t windows() const { return static_cast<std::int64_t>(starts_.size()); }

 private:
  void start_epoch(std::int64_t epoch);

  TextPart part_;
  std::int64_t sequence_, batch_;
  std::uint64_t seed_;
  std::int64_t epoch_ = 0, position_ = 0;
  std::vector<std::size_t>
      starts_;  // first bytes of the epoch's windows, in the order they are given
};

/// The first bytes of a part's windows of S + 2 bytes: each block's from its beginning and every S
/// bytes, in order. With more than `limit` ≥ 1 of them, `limit` that are evenly spread, so that all
/// kinds of writing stay in.
std::vector<std::size_t> evaluation_windows(const TextPart& part, std::int64_t sequence,
                                            std::int64_t limit);

/// The same windows of a part every time, in order, in batches of one shape.
class EvaluationLoader {
 public:
  /// REQUIRES: sequence ≥ 1, batch ≥ 1, limit ≥ 1. No window raises a usage_error.
  EvaluationLoader(TextPart part, std::int64_t sequence, std::int64_t batch, std::int64_t limit);

  /// Fills the batch with the next windows and returns how many rows hold one, 0 after the last.
  /// The rows left over get token 0 and target -1, which a loss leaves out. Allocates nothing.
  std::int64_t next(const WindowBatch& batch);
  /// Back to the first window.
  void rewind() { position_ = 0; }

  /// The windows that an evaluation covers; its targets are S times as many.
  const std::vector<std::size_t>& windows() const { return starts_; }

 private:
  TextPart part_;
  std::int64_t sequence_, batch_;
  std::vector<std::size_t> starts_;
  std::size_t position_ = 0;
};

}  // namespace triptych
