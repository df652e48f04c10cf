/// \file
/// The check of a routing rule, which the router and the MoE layer share.
#pragma once

#include "contract/check.h"
#include "triptych/router.h"

namespace triptych {

/// The rule fits the experts, and the sequences the tokens.
inline void check_rule(const Check& check, const RouterRule& rule, std::int64_t experts,
                std::int64_t tokens, std::int64_t sequence) {
  const int k = rule.experts_per_token, g = rule.groups, kept = rule.groups_per_token;
  check.that(k >= 1 && k <= experts, "{} experts a token of {}; wanted 1 … E", k, experts);
  check.that(g >= 1 && experts % g == 0, "{} groups do not divide {} experts", g, experts);
  check.that(kept >= 1 && kept <= g, "{} groups a token of {}; wanted 1 … G", kept, g);
  check.that(k <= kept * (experts / g),
             "{} experts a token do not fit in {} groups of {}; keep more groups", k, kept,
             experts / g);
  check.that(sequence >= 1 && tokens % sequence == 0,
             "sequences of {} tokens do not divide {} tokens", sequence, tokens);
}

}  // namespace triptych
