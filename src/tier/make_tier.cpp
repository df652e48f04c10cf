#include <fmt/format.h>

#include "reference/reference.h"
#include "triptych/tier.h"

namespace triptych {

std::unique_ptr<Tier> make_tier(const TierOptions& options) {
  if (options.threads < 0) {
    throw usage_error(fmt::format("threads: {} is negative; 0 takes all processors", options.threads));
  }
  if (options.name == "reference") {
    return std::make_unique<reference::ReferenceTier>(options.threads);
  }
  throw usage_error(fmt::format("tier: no tier is called '{}'; there is: reference", options.name));
}

}  // namespace triptych
