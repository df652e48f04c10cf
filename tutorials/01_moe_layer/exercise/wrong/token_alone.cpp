// verdict: source_of[0] is 0, wanted 1
// A row remembers its token and not which of the token's choices it is: x is gathered rightly, but
// every row gets the gate of the first choice.
#include <vector>

#include "dispatch.h"

void dispatch(std::span<const int> chosen, int choices, int experts, const Plan& plan) {
  const int tokens = static_cast<int>(chosen.size()) / choices;
  for (int e = 0; e < experts; ++e) plan.counts[e] = 0;
  for (int t = 0; t < tokens; ++t) {
    for (int k = 0; k < choices; ++k) ++plan.counts[chosen[t * choices + k]];
  }

  plan.offsets[0] = 0;
  for (int e = 0; e < experts; ++e) plan.offsets[e + 1] = plan.offsets[e] + plan.counts[e];

  std::vector<int> next(plan.offsets.begin(), plan.offsets.end());
  for (int t = 0; t < tokens; ++t) {
    for (int k = 0; k < choices; ++k) {
      const int row = next[chosen[t * choices + k]]++;
      plan.row_of[t * choices + k] = row;
      plan.source_of[row] = t * choices;
    }
  }
}
