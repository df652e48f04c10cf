/// \file
/// A of which half is zero and left out: its metadata, and the elements of B that it meets.
///
/// A row of K elements is stored as K / 2. Four bits of metadata, two indices of two bits, belong to
///
///     two elements of f16, bf16, s8, u8, e4m3, e5m2     which of four they are
///     four elements of s4, u4                           which pairs of four pairs they are
///     one element of tf32                               0b0100: the first of two, 0b1110: the second
///
/// The lanes 4g … 4g + 3 hold those of the rows g and g + 8, c counting groups of four bits along K:
///
///     16 bits and more   lane 4g + selector · n + c / 4, bits 4 (c % 4) for row g, 16 more for row g + 8, where
///                        n lanes are enough for all of K
///     8 bits and less    lane 4g + 2 (selector + c / 8) for row g, the next for row g + 8, bits 4 (c % 8)
#pragma once

#include <cstdint>

#include "emulator/instruction/tensor_core.h"

namespace triptych::emulator {

/// Where the elements of eight rows belong: at[k][row] is the place along K of the k-th that is stored.
struct SparsePlaces {
  std::uint8_t at[most_depth][8];
};

/// How many values a selector may have where a row of A stores `depth` elements.
int sparse_selectors(Type a, int depth);

/// The places of the rows 8 · half … 8 · half + 7 of 16. Throws KernelFault for indices without a meaning:
/// equal ones, or if `ordered` the greater one first.
SparsePlaces sparse_places(const std::uint32_t* lanes, Type a, int depth, int selector, bool ordered, int half);

/// What each row meets: to[k][l] = b[places[k][l / 4]][l % 8].
template <class T>
void select(const Columns<T>& b, const SparsePlaces& places, int depth, Rows<T>& to) {
  for (int k = 0; k < depth; ++k) {
    for (int l = 0; l < warp_size; ++l) to.at[k][l] = b.at[places.at[k][l / 4]][l % 8];
  }
}

}  // namespace triptych::emulator
