#include <vector>

#include "dispatch.h"

void dispatch(std::span<const int> chosen, int choices, int experts, const Plan& plan) {
  const int tokens = static_cast<int>(chosen.size()) / choices;

  // 1. Count: how many rows does each expert get?
  for (int e = 0; e < experts; ++e) plan.counts[e] = 0;
  for (int t = 0; t < tokens; ++t) {
    for (int k = 0; k < choices; ++k) ++plan.counts[chosen[t * choices + k]];
  }

  // 2. Offsets: the sum of the counts before, so that the last offset is the number of rows.
  plan.offsets[0] = 0;
  for (int e = 0; e < experts; ++e) plan.offsets[e + 1] = plan.offsets[e] + plan.counts[e];

  // 3. Slots: each expert's next free row. It is a copy: offsets must stay as they are.
  std::vector<int> next(plan.offsets.begin(), plan.offsets.end());
  for (int t = 0; t < tokens; ++t) {
    for (int k = 0; k < choices; ++k) {
      const int i = t * choices + k, row = next[chosen[i]]++;
      plan.row_of[i] = row;
      plan.source_of[row] = i;
    }
  }
}
