/// \file
/// A kernel's arguments as the command line gives them: `name=value`, or values in the order of the
/// parameters.
///
///     5   u32:5   f32:1.5        a scalar, of the parameter's type or of the one that is named
///     u32:1,2,3                  several, one after the other: a structure by value
///     f32[1024]                  a pointer to a buffer of so many elements that nobody has written
///     f32[1024]=random           the same, filled: see fill.h
///     f32[]=1,2,3                as many elements as values
///     @x   @x+16                 the address of another argument's buffer, and bytes beyond it
///     @x:64x32/64x8              a tensor map over that buffer: extents and box, innermost first;
///     :swizzle=128
///                                (32, 64) and :nan (instead of zeros outside) may follow
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/machine/code.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/tensor_map.h"

namespace triptych::emulator {

/// Memory that an argument points to.
struct Buffer {
  std::string name;  ///< the parameter's
  Type type = Type::none;
  std::uint64_t count = 0;  ///< elements
  bool written = false;     ///< whether the host writes `initial` to it
  std::vector<std::uint8_t> initial;
  std::uint64_t address = 0;  ///< once it is placed
  std::uint64_t bytes() const { return count * static_cast<std::uint64_t>(bytes_of(type)); }
};

/// One parameter's value, or what it will be made of.
struct Argument {
  const Variable* parameter = nullptr;
  bool given = false;
  std::vector<std::uint8_t> bytes;  ///< a scalar's
  std::string pointee;              ///< the buffer whose address is the value; empty: a scalar
  std::uint64_t offset = 0;         ///< added to the address
  std::optional<TensorMap> map;     ///< the value is this, made for that address
};

struct Arguments {
  std::vector<Argument> values;  ///< one a parameter, in their order
  std::vector<Buffer> buffers;
  /// The buffer of a parameter; null if it has none.
  Buffer* buffer(std::string_view name);
  const Buffer* buffer(std::string_view name) const;
};

/// Reads them. `seed` is of random fills. Throws ToolError, whose message names the argument.
Arguments parse_arguments(const Function& kernel, const std::vector<std::string>& texts,
                          std::uint64_t seed);

/// Allocates the buffers on a device, and fills them.
void place(Arguments& arguments, Machine& machine, int device);
/// The parameters' bytes of a launch. REQUIRES: placed.
std::vector<std::uint8_t> parameter_bytes(const Arguments& arguments, const FunctionCode& kernel);

}  // namespace triptych::emulator
