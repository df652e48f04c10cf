#include "train/memory_plan.h"

#include <algorithm>
#include <thread>

#include "train/trainer.h"

namespace triptych {
namespace {

/// The program with its libraries, its text and a checkpoint's buffers, as measured on x86-64 Linux.
constexpr std::size_t program_bytes = std::size_t{24} << 20;
/// A thread of the reference tier with its packing buffers, as measured there.
constexpr std::size_t thread_bytes = std::size_t{4} << 20;

}  // namespace

std::size_t predicted_memory(const ModelConfig& config, const TrainOptions& options, int threads) {
  const std::size_t workers =
      threads > 0 ? static_cast<std::size_t>(threads) : std::max(1u, std::thread::hardware_concurrency());
  return Trainer::planned_bytes(config, options) + program_bytes + workers * thread_bytes;
}

}  // namespace triptych
