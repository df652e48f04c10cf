// verdict: row_of[0,1] is 2, wanted 0
// All first choices take their slots before all second ones: the rows of an expert are no longer in
// the order of tokens.
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
  for (int k = 0; k < choices; ++k) {
    for (int t = 0; t < tokens; ++t) {
      const int i = t * choices + k, row = next[chosen[i]]++;
      plan.row_of[i] = row;
      plan.source_of[row] = i;
    }
  }
}
