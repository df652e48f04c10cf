// The family of conversions, from its parts.
#include "emulator/instruction/convert.h"

#include "emulator/instruction/dispatch.h"

namespace triptych::emulator {

std::span<const Form> convert_forms() {
  static const std::vector<Form> all = join(
      {mov_forms(), convert_integer_forms(), convert_to_integer_forms(), convert_float_forms(), convert_packed_forms(), address_forms()});
  return all;
}

}  // namespace triptych::emulator
