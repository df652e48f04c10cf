/// \file
/// The sum of a token's rows, in an order that expert parallelism does not change.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// Arguments of Combine::combine. T tokens of width D, K rows each, E experts in C equal blocks.
struct CombineArgs {
  ConstTensor rows;     ///< [R,D] S
  ConstTensor row_of;   ///< [T,K] i32: a dispatch plan's
  ConstTensor experts;  ///< [T,K] i32
  int expert_count = 1; ///< E
  int blocks = 1;       ///< C: divides E
  Tensor y;             ///< [T,D] S, overwritten
};

/// y[t,:] = round_S( Σ_c round_S( Σ_{k: experts[t,k] in block c} rows[row_of[t,k],:] ) ).
///
/// Within a block the rows are summed in A in the order of their experts; the partial is rounded to
/// S (it is what a rank sends back); the partials of the blocks that the token reaches are summed in
/// A in block order and rounded once. So the bits are the same for every number of ranks that hold
/// whole blocks. DeepSeek's combine rounds twice in the same way (DeepEP, forwarder and receiver).
class Combine {
 public:
  virtual ~Combine() = default;

  /// REQUIRES: blocks divides expert_count. Error: tolerance::combine.
  void combine(const CombineArgs& args);

 protected:
  virtual void do_combine(const CombineArgs& args) = 0;
};

/// How many blocks the experts are cut in: the routing groups, or 8 where there are none (the
/// largest divisor of E up to 8).
constexpr int combine_blocks(int experts, int groups) {
  if (groups > 1) return groups;
  int blocks = experts < 8 ? experts : 8;
  while (experts % blocks != 0) --blocks;
  return blocks;
}

}  // namespace triptych
