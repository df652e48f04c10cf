#include "train/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "train/random.h"
#include "triptych/error.h"

namespace triptych {

namespace {

/// Windows in a block whose first one starts `offset` bytes in.
std::size_t windows_in(const TextBlock& block, std::size_t offset, std::size_t sequence) {
  const std::size_t used = offset + 2;
  return block.size() < used + sequence ? 0 : (block.size() - used) / sequence;
}

void check_sizes(std::int64_t sequence, std::int64_t batch) {
  if (sequence < 1) {
    throw usage_error(fmt::format("loader: sequence length {}; it must be at least 1", sequence));
  }
  if (batch < 1) {
    throw usage_error(fmt::format("loader: {} sequences a batch; take at least 1", batch));
  }
}

void check_batch(const WindowBatch& batch, std::int64_t sequence, std::int64_t rows) {
  const auto wanted = static_cast<std::size_t>(sequence * rows);
  for (const auto& span : {batch.tokens, batch.targets, batch.targets2}) {
    if (span.size() != wanted) {
      throw usage_error(
          fmt::format("loader: a batch buffer has {} elements; B·S = {}·{} are needed", span.size(),
                      rows, sequence));
    }
  }
}

/// Row `row` of the batch from the window that starts at byte `start`.
void fill_row(const WindowBatch& batch, std::size_t row, const std::string& bytes,
              std::size_t start, std::size_t sequence) {
  const auto* window = reinterpret_cast<const unsigned char*>(bytes.data()) + start;
  const std::size_t first = row * sequence;
  std::copy_n(window, sequence, batch.tokens.begin() + static_cast<std::ptrdiff_t>(first));
  std::copy_n(window + 1, sequence, batch.targets.begin() + static_cast<std::ptrdiff_t>(first));
  std::copy_n(window + 2, sequence, batch.targets2.begin() + static_cast<std::ptrdiff_t>(first));
}

std::size_t most_windows(const TextPart& part, std::int64_t sequence) {
  std::size_t count = 0;
  for (const TextBlock& block : part.blocks) {
    count += windows_in(block, 0, static_cast<std::size_t>(sequence));
  }
  if (count == 0) {
    throw usage_error(
        fmt::format("loader: no block of the text holds a window of {} bytes (sequence "
                    "length {} + 2); give a longer text or a shorter sequence",
                    window_bytes(sequence), sequence));
  }
  return count;
}

}  // namespace

void to_json(nlohmann::json& json, const LoaderState& state) {
  json = {{"seed", state.seed}, {"epoch", state.epoch}, {"position", state.position}};
}

void from_json(const nlohmann::json& json, LoaderState& state) {
  const auto field = [&](const char* name, std::uint64_t most) {
    if (!json.is_object() || !json.contains(name) || !json[name].is_number_integer() ||
        (!json[name].is_number_unsigned() && json[name].get<std::int64_t>() < 0) ||
        json[name].get<std::uint64_t>() > most) {
      throw environment_error(
          fmt::format("loader state: '{}' is missing or not an integer from 0 to {}; "
                      "resume from an intact checkpoint",
                      name, most));
    }
    return json[name].get<std::uint64_t>();
  };
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  state.seed = field("seed", std::numeric_limits<std::uint64_t>::max());
  state.epoch = static_cast<std::int64_t>(field("epoch", most));
  state.position = static_cast<std::int64_t>(field("position", most));
}

BatchLoader::BatchLoader(TextPart part, std::int64_t sequence, std::int64_t batch,
                         std::uint64_t seed)
    : part_(std::move(part)), sequence_(sequence), batch_(batch), seed_(seed) {
  check_sizes(sequence, batch);
  starts_.reserve(most_windows(part_, sequence));
  start_epoch(0);
}

void BatchLoader::start_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  position_ = 0;
  Random random(seed_, static_cast<std::uint64_t>(epoch));
  const auto step = static_cast<std::size_t>(sequence_);
  starts_.clear();
  for (const TextBlock& block : part_.blocks) {
    if (windows_in(block, 0, step) == 0) continue;
    const std::size_t room = block.size() - window_bytes(sequence_);
    const std::size_t offset = random.below(std::min(step - 1, room) + 1);
    const std::size_t count = windows_in(block, offset, step);
    for (std::size_t i = 0; i < count; ++i) starts_.push_back(block.begin + offset + i * step);
  }
  shuffle(std::span(starts_), random);
}

void BatchLoader::next(const WindowBatch& batch) {
  check_batch(batch, sequence_, batch_);
  for (std::int64_t row = 0; row < batch_; ++row) {
    if (position_ == windows()) start_epoch(epoch_ + 1);
    fill_row(batch, static_cast<std::size_t>(row), *part_.bytes,
             starts_[static_cast<std::size_t>(position_++)], static_cast<std::size_t>(sequence_));
  }
}

void BatchLoader::restore(const LoaderState& state) {
  seed_ = state.seed;
  start_epoch(std::max<std::int64_t>(state.epoch, 0));
  if (state.epoch < 0 || state.position < 0 || state.position > windows()) {
    throw environment_error(fmt::format(
        "loader state: position {} of epoch {} does not exist (it has {} windows); resume with the "
        "text and the sequence length of the checkpoint",
        state.position, state.epoch, windows()));
  }
  position_ = state.position;
}

std::vector<std::size_t> evaluation_windows(const TextPart& part, std::int64_t sequence,
                                            std::int64_t limit) {
  const auto step = static_cast<std::size_t>(sequence);
  std::vector<std::size_t> all;
  for (const TextBlock& block : part.blocks) {
    const std::size_t count = windows_in(block, 0, step);
    for (std::size_t i = 0; i < count; ++i) all.push_back(block.begin + i * step);
  }
  const auto kept = static_cast<std::size_t>(limit);
  if (all.size() <= kept) return all;
  std::vector<std::size_t> spread(kept);
  for (std::size_t i = 0; i < kept; ++i) spread[i] = all[i * all.size() / kept];
  return spread;
}

EvaluationLoader::EvaluationLoader(TextPart part, std::int64_t sequence, std::int64_t batch,
                                   std::int64_t limit)
    : part_(std::move(part)), sequence_(sequence), batch_(batch) {
  check_sizes(sequence, batch);
  if (limit < 1) {
    throw usage_error(fmt::format("loader: {} windows to evaluate on; take at least 1", limit));
  }
  most_windows(part_, sequence);  // refuses a part without windows
  starts_ = evaluation_windows(part_, sequence, limit);
}

std::int64_t EvaluationLoader::next(const WindowBatch& batch) {
  check_batch(batch, sequence_, batch_);
  const auto rows = static_cast<std::size_t>(batch_), step = static_cast<std::size_t>(sequence_);
  const std::size_t filled = std::min(rows, starts_.size() - position_);
  for (std::size_t row = 0; row < filled; ++row) {
    fill_row(batch, row, *part_.bytes, starts_[position_ + row], step);
  }
  position_ += filled;
  std::ranges::fill(batch.tokens.subspan(filled * step), 0);
  std::ranges::fill(batch.targets.subspan(filled * step), -1);
  std::ranges::fill(batch.targets2.subspan(filled * step), -1);
  return static_cast<std::int64_t>(filled);
}

}  // namespace triptych
