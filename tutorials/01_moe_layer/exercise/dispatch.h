/// \file
/// What the exercise asks for.
#pragma once

#include <span>

/// The maps that dispatch makes. Every element is -1 before.
struct Plan {
  std::span<int> counts;     ///< [E]: rows of each expert
  std::span<int> offsets;    ///< [E+1]: expert e owns rows offsets[e] … offsets[e+1]-1
  std::span<int> row_of;     ///< [T,K]: the row of a token's k-th choice
  std::span<int> source_of;  ///< [R]: t·K + k of the pair that lies in a row; R = T·K
};

/// chosen [T,K] holds the experts that each token chose. Experts own their rows in ascending order,
/// and within an expert the rows are in the order of tokens.
void dispatch(std::span<const int> chosen, int choices, int experts, const Plan& plan);
