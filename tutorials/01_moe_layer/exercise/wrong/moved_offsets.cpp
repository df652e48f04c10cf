// verdict: offsets[0] is 5, wanted 0
// The offsets themselves count up as slots are taken: row_of and source_of come out right, and the
// experts then work on rows that are not theirs.
#include "dispatch.h"

void dispatch(std::span<const int> chosen, int choices, int experts, const Plan& plan) {
  const int tokens = static_cast<int>(chosen.size()) / choices;
  for (int e = 0; e < experts; ++e) plan.counts[e] = 0;
  for (int t = 0; t < tokens; ++t) {
    for (int k = 0; k < choices; ++k) ++plan.counts[chosen[t * choices + k]];
  }

  plan.offsets[0] = 0;
  for (int e = 0; e < experts; ++e) plan.offsets[e + 1] = plan.offsets[e] + plan.counts[e];

  for (int t = 0; t < tokens; ++t) {
    for (int k = 0; k < choices; ++k) {
      const int i = t * choices + k, row = plan.offsets[chosen[i]]++;
      plan.row_of[i] = row;
      plan.source_of[row] = i;
    }
  }
}
