// cvt from floats to integers.
#include "emulator/instruction/conversion.h"
#include "emulator/instruction/convert.h"

namespace triptych::emulator {
namespace {

using namespace conversion;

/// .sat changes nothing: integers are always clamped. Subnormal numbers are flushed where it shows.
Run to_integer(Choice& c) {
  const std::string_view r = c["R"];
  const bool ftz = c.has("ftz") && (r == "rmi" || r == "rpi");
  return for_any_integer(c.type("D"), [&]<class D>() {
    return for_float(c.type("S"), ftz, [&]<class From>() {
      return for_rounding(r, []<Rounding rounding>() { return Run(convert<From, RoundedInteger<D, rounding>>); });
    });
  });
}

#define ROUND "cvt.<R: rni rzi rmi rpi>"
#define INTEGERS ".<D: u8 u16 u32 u64 s8 s16 s32 s64>"

const Form table[] = {
    {ROUND "{.sat}" INTEGERS ".<S: f16 f64>", "=~D, &~S", to_integer, 0, 10, 10, false, "convert_integer"},
    {ROUND "{.ftz}{.sat}" INTEGERS ".<S: f32>", "=~D, &~S", to_integer, 0, 10, 10, false, "convert_integer"},
    {ROUND ".<D: u16 u32 u64 s16 s32 s64>.<S: bf16>", "=~D, &~S", to_integer, 0, 78, 90, false, "convert_integer"},
};

}  // namespace

std::span<const Form> convert_to_integer_forms() { return table; }

}  // namespace triptych::emulator
