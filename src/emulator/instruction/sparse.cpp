#include "emulator/instruction/sparse.h"

#include <fmt/format.h>

#include "emulator/machine/fault.h"

namespace triptych::emulator {
namespace {

/// Bits of an element of A.
int width_of(Type a) { return a == Type::tf32 ? 32 : bits_of(a); }

/// Elements that four bits of metadata place.
int placed(Type a) {
  const int bits = width_of(a);
  return bits == 32 ? 1 : bits == 4 ? 4 : 2;
}

[[noreturn]] void refuse(std::uint32_t indices, int lane) {
  throw KernelFault{FaultKind::protocol, fmt::format("sparsity metadata has the indices 0b{:04b}, which mean nothing here", indices),
                    Mask{1} << lane};
}

}  // namespace

int sparse_selectors(Type a, int depth) {
  return 16 * placed(a) / depth;
}

SparsePlaces sparse_places(const std::uint32_t* lanes, Type a, int depth, int selector, bool ordered, int half) {
  const bool wide = width_of(a) >= 16;
  const int each = placed(a), groups = depth / each;
  SparsePlaces places{};
  for (int row = 0; row < 8; ++row) {
    for (int c = 0; c < groups; ++c) {
      const int lane = 4 * row + (wide ? selector * (groups / 4) + c / 4 : 2 * (selector + c / 8) + half);
      const std::uint32_t indices = lanes[lane] >> (wide ? 4 * (c % 4) + 16 * half : 4 * (c % 8)) & 15;
      const std::uint32_t index[] = {indices & 3, indices >> 2};
      if (index[0] == index[1] || (ordered && index[0] > index[1])) refuse(indices, lane);
      if (each == 1 && indices != 0b0100 && indices != 0b1110) refuse(indices, lane);
      for (int i = 0; i < each; ++i) {
        // In units of what an index counts: elements, pairs (two to an index), halves of elements.
        const std::uint32_t place = each == 1   ? 2 * static_cast<std::uint32_t>(c) + index[0] / 2
                                    : each == 2 ? 4 * static_cast<std::uint32_t>(c) + index[i]
                                                : 8 * static_cast<std::uint32_t>(c) + 2 * index[i / 2] + static_cast<std::uint32_t>(i % 2);
        places.at[each * c + i][row] = static_cast<std::uint8_t>(place);
      }
    }
  }
  return places;
}

}  // namespace triptych::emulator
