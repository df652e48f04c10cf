// verdict: offsets[0] is 5, wanted 0
// The prefix sum includes the expert itself: every expert begins where it should end.
#include <vector>

#include "dispatch.h"

void dispatch(std::span<const int> chosen, int choices, int experts, const Plan& plan) {
  const int tokens = static_cast<int>(chosen.size()) / choices;
  for (int e = 0; e < experts; ++e) plan.counts[e] = 0;
  for (int t = 0; t < tokens; ++t) {
    for (int k = 0; k < choices; ++k) ++plan.counts[chosen[t * choices + k]];
  }

  int sum = 0;
  for (int e = 0; e < experts; ++e) plan.offsets[e] = sum += plan.counts[e];
  plan.offsets[experts] = sum;

  std::vector<int> next(plan.offsets.begin(), plan.offsets.end());
  for (int t = 0; t < tokens; ++t) {
    for (int k = 0; k < choices; ++k) {
      const int i = t * choices + k, row = next[chosen[i]]++;
      plan.row_of[i] = row;
      plan.source_of[row] = i;
    }
  }
}
