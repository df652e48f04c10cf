// cvt between integers, and cvt.pack.
#include <algorithm>

#include "emulator/instruction/conversion.h"
#include "emulator/instruction/convert.h"

namespace triptych::emulator {
namespace {

using namespace conversion;
using U32 = std::uint32_t;
using S32 = std::int32_t;

template <class D, class S>
Run between(bool sat) {
  if (!sat) return convert<Integer<S>, Wrapped<D>>;
  if constexpr (exceeds<D, S>) return convert<Integer<S>, Clamped<D>>;
  return nullptr;
}
Run integers(Choice& c) {
  return for_any_integer(c.type("D"), [&]<class D>() {
    return for_any_integer(c.type("S"), [&]<class S>() { return between<D, S>(c.has("sat")); });
  });
}

/// Instr::extra: bits of the type that a and b are clamped to, and whether it is signed.
constexpr U32 with_sign = 1 << 8;

/// a above b; above both c, as far as it fits.
void pack(Warp& w, const Instr& i) {
  const U32 bits = i.extra & 0xFF;
  const S32 low = (i.extra & with_sign) != 0 ? -(1 << (bits - 1)) : 0;
  const S32 high = low + static_cast<S32>((1u << bits) - 1);
  const U32 mask = (1u << bits) - 1;
  const auto *a = w.in<S32>(i.op[1]), *b = w.in<S32>(i.op[2]);
  const auto* c = i.op[3].absent() ? nullptr : w.in<U32>(i.op[3]);
  for_lanes(w, w.out<U32>(i.op[0]), [=](int l) {
    const auto part = [=](S32 value) { return static_cast<U32>(std::clamp(value, low, high)) & mask; };
    const U32 both = part(a[l]) << bits | part(b[l]);
    return c == nullptr ? both : both | c[l] << (2 * bits);
  });
}
Run pack_of(Choice& c) {
  const std::string_view type = c["D"];
  const U32 bits = type.size() == 3 ? 16 : static_cast<U32>(type[1] - '0');
  c.extra = bits | (type[0] == 's' ? with_sign : 0);
  return pack;
}

const Form table[] = {
    {"cvt{.sat}.<D: u8 u16 u32 u64 s8 s16 s32 s64>.<S: u8 u16 u32 u64 s8 s16 s32 s64>", "=~D, &~S", integers, 0, 10, 10, false, "convert_integer"},
    {"cvt.pack.sat.<D: u16 s16>.s32", "=b32, s32, s32", pack_of, 0, 65, 72, false, "convert_integer"},
    {"cvt.pack.sat.<D: u8 s8 u4 s4 u2 s2>.s32.b32", "=b32, s32, s32, b32", pack_of, 0, 65, 72, false, "convert_integer"},
};

}  // namespace

std::span<const Form> convert_integer_forms() { return table; }

}  // namespace triptych::emulator
