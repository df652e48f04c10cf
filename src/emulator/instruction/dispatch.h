/// \file
/// From the type that an opcode names to the handler for its C++ type.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "emulator/instruction/lanes.h"

namespace triptych::emulator {

/// f.operator()<T>() for the unsigned T as wide as the type; nullptr if there is none.
template <class F>
Run for_width(Type type, F f) {
  switch (bits_of(type)) {
    case 16: return f.template operator()<std::uint16_t>();
    case 32: return f.template operator()<std::uint32_t>();
    case 64: return f.template operator()<std::uint64_t>();
    default: return nullptr;
  }
}

/// f.operator()<T>() for an integer type of 16 bits or more; untyped ones count as unsigned.
template <class F>
Run for_integer(Type type, F f) {
  switch (type) {
    case Type::s16: return f.template operator()<std::int16_t>();
    case Type::s32: return f.template operator()<std::int32_t>();
    case Type::s64: return f.template operator()<std::int64_t>();
    default: return for_width(type, f);
  }
}

/// For a form that has a single handler.
template <Run run>
Run always(Choice&) {
  return run;
}

/// Handlers of an operation on values of the type that the pattern calls T, for the table of forms.
/// `_bits`: the operation does not ask for a sign, so that it is the same for u32, s32 and b32.
template <class F>
Run unary_bits(Choice& c) {
  return for_width(c.type("T"), []<class T>() { return Run(unary<T, F>); });
}
template <class F>
Run binary_bits(Choice& c) {
  return for_width(c.type("T"), []<class T>() { return Run(binary<T, F>); });
}
template <class F>
Run ternary_bits(Choice& c) {
  return for_width(c.type("T"), []<class T>() { return Run(ternary<T, F>); });
}
template <class F>
Run unary_integer(Choice& c) {
  return for_integer(c.type("T"), []<class T>() { return Run(unary<T, F>); });
}
template <class F>
Run binary_integer(Choice& c) {
  return for_integer(c.type("T"), []<class T>() { return Run(binary<T, F>); });
}
template <class F>
Run ternary_integer(Choice& c) {
  return for_integer(c.type("T"), []<class T>() { return Run(ternary<T, F>); });
}

/// The table of a family that is spread over several files.
inline std::vector<Form> join(std::initializer_list<std::span<const Form>> parts) {
  std::vector<Form> all;
  for (const auto part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace triptych::emulator
