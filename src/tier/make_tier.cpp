#include <fmt/format.h>

#include "reference/reference.h"
#include "triptych/tier.h"

namespace triptych {
namespace {

constexpr int most_threads = 4096;

}  // namespace

std::unique_ptr<Tier> make_tier(const TierOptions& options) {
  if (options.threads < 0 || options.threads > most_threads) {
    throw usage_error(fmt::format("threads: {}; wanted 1 to {}, or 0 for all processors", options.threads,
                                  most_threads));
  }
  if (options.name == "reference") {
    return std::make_unique<reference::ReferenceTier>(options.threads);
  }
  throw usage_error(fmt::format("tier: no tier is called '{}'; there is: reference", options.name));
}

}  // namespace triptych
