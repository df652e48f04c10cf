#include "train/memory_plan.h"

#include <algorithm>
#include <thread>

#include "train/trainer.h"

namespace triptych {
namespace {

/// The program with its libraries and its text, as measured on x86-64 Linux.
constexpr std::size_t program_bytes = std::size_t{8} << 20;
/// A thread of the reference tier with its packing buffers, as measured there.
constexpr std::size_t thread_bytes = std::size_t{1} << 20;

/// The largest parameter as the initialisation draws it: a host buffer in f32 of its size.
std::size_t initial_values_bytes(const ModelConfig& c) {
  const std::int64_t largest = std::max({2 * c.n_routed_experts * c.moe_intermediate_size,
                                         2 * c.intermediate_size, c.vocab_size});
  return static_cast<std::size_t>(largest * c.hidden_size) * sizeof(float);
}

}  // namespace

std::size_t predicted_memory(const ModelConfig& config, const TrainOptions& options, int threads) {
  const std::size_t workers =
      threads > 0 ? static_cast<std::size_t>(threads) : std::max(1u, std::thread::hardware_concurrency());
  return Trainer::planned_bytes(config, options) + program_bytes + workers * thread_bytes +
         initial_values_bytes(config);
}

}  // namespace triptych
