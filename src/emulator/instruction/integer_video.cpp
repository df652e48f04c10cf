// Video instructions on one value: parts of registers are selected, combined, clamped, and then combined or
// merged with a third operand. Those on two and four values are in integer_video_simd.cpp.
#include <algorithm>
#include <cstdlib>
#include <limits>

#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/integer_video.h"

namespace triptych::emulator {
namespace {

using U32 = std::uint32_t;
using S32 = std::int32_t;
using S64 = std::int64_t;
__extension__ typedef __int128 S128;

/// A part of a register: b0 … b3, h0, h1, or all of it.
struct Part {
  U32 shift = 0, bits = 32;

  /// False if the selector names none.
  bool read(std::string_view selector) {
    if (selector.empty()) return true;
    if (selector.size() != 2 || selector[1] < '0') return false;
    const auto number = static_cast<U32>(selector[1] - '0');
    bits = selector[0] == 'b' ? 8 : 16;
    shift = bits * number;
    return (selector[0] == 'b' && number < 4) || (selector[0] == 'h' && number < 2);
  }
  U32 mask() const { return (bits == 32 ? ~U32{0} : (U32{1} << bits) - 1) << shift; }
  S64 get(U32 value, bool is_signed) const {
    const U32 top = value << (32 - shift - bits);
    return is_signed ? S64{static_cast<S32>(top) >> (32 - bits)} : S64{top >> (32 - bits)};
  }
};

enum class Second : U32 { none, add, min, max };

/// What the opcode and its selectors say, as it stands in Instr::extra.
struct Plan {
  Part d, a, b;
  bool d_signed = false, a_signed = false, b_signed = false, saturate = false, wrap = false;
  Second second = Second::none;
  bool negate_product = false, negate_c = false, plus_one = false;   // vmad
  U32 scale = 0;

  static U32 code(const Part& p) { return (p.bits == 8 ? 1 : p.bits == 16 ? 2 : 0) | p.shift / 8 << 2; }
  static Part part(U32 code) {
    return {.shift = (code >> 2 & 3) * 8, .bits = (code & 3) == 1 ? 8u : (code & 3) == 2 ? 16u : 32u};
  }
  U32 pack() const {
    return code(d) | code(a) << 4 | code(b) << 8 | U32{d_signed} << 12 | U32{a_signed} << 13 | U32{b_signed} << 14 |
           U32{saturate} << 15 | U32{wrap} << 16 | static_cast<U32>(second) << 17 | U32{negate_product} << 19 |
           U32{negate_c} << 20 | U32{plus_one} << 21 | scale << 22;
  }
  static Plan unpack(U32 x) {
    const auto bit = [x](U32 n) { return (x >> n & 1) != 0; };
    return {part(x), part(x >> 4), part(x >> 8), bit(12), bit(13), bit(14), bit(15), bit(16),
            static_cast<Second>(x >> 17 & 3), bit(19), bit(20), bit(21), x >> 22 & 15};
  }
};

S64 clamp_to(S128 value, U32 bits, bool is_signed) {
  const S128 one = 1;
  const S128 low = is_signed ? -(one << (bits - 1)) : 0, high = (one << (is_signed ? bits - 1 : bits)) - 1;
  return static_cast<S64>(std::clamp(value, low, high));
}

/// The end of each scalar instruction: saturation, then the second operation or the merge.
U32 finish(S128 value, U32 c, const Plan& plan) {
  if (plan.saturate) value = clamp_to(value, plan.d.bits, plan.d_signed);
  const auto result = static_cast<U32>(value);
  const bool less = plan.d_signed ? static_cast<S32>(result) < static_cast<S32>(c) : result < c;
  switch (plan.second) {
    case Second::add: return result + c;
    case Second::min: return less ? result : c;
    case Second::max: return less ? c : result;
    case Second::none: break;
  }
  return (result << plan.d.shift & plan.d.mask()) | (c & ~plan.d.mask());
}

template <class F>
void scalar(Warp& w, const Instr& i) {
  const Plan plan = Plan::unpack(i.extra);
  const auto *a = w.in<U32>(i.op[1]), *b = w.in<U32>(i.op[2]);
  const auto* c = i.op[3].absent() ? a : w.in<U32>(i.op[3]);   // without c nothing of it is taken
  for_lanes(w, w.out<U32>(i.op[0]), [=](int l) {
    return finish(F()(plan.a.get(a[l], plan.a_signed), plan.b.get(b[l], plan.b_signed), plan), c[l], plan);
  });
}

struct Shift {
  static S64 amount(S64 b, const Plan& plan) { return plan.wrap ? b & 31 : std::min<S64>(b, 32); }
};
struct Vshl : Shift {
  S128 operator()(S64 a, S64 b, const Plan& plan) const { return S128{a} << amount(b, plan); }
};
struct Vshr : Shift {
  S128 operator()(S64 a, S64 b, const Plan& plan) const { return a >> amount(b, plan); }
};
template <class F>
struct Plain {
  S128 operator()(S64 a, S64 b, const Plan&) const { return F()(a, b); }
};

/// ±a·b ± c, or a·b + c + 1, shifted right. The result is signed unless nothing in it is.
void vmad(Warp& w, const Instr& i) {
  const Plan plan = Plan::unpack(i.extra);
  const auto *a = w.in<U32>(i.op[1]), *b = w.in<U32>(i.op[2]), *c = w.in<U32>(i.op[3]);
  const bool product_signed = plan.a_signed || plan.b_signed || plan.negate_product;
  const bool result_signed = product_signed || plan.negate_c;
  for_lanes(w, w.out<U32>(i.op[0]), [=](int l) {
    const S128 product = S128{plan.a.get(a[l], plan.a_signed)} * plan.b.get(b[l], plan.b_signed);
    const S128 term = product_signed ? S128{static_cast<S32>(c[l])} : S128{c[l]};
    S128 sum = (plan.negate_product ? -product : product) + (plan.negate_c ? -term : term) + (plan.plus_one ? 1 : 0);
    sum >>= plan.scale;
    return static_cast<U32>(plan.saturate ? clamp_to(sum, 32, result_signed) : static_cast<S64>(sum));
  });
}

/// Reads types and selectors. `destination`: d may have a selector.
bool read(Choice& c, bool destination, Plan& plan) {
  plan.d_signed = c["D"] == "s32";
  plan.a_signed = c["A"] == "s32";
  plan.b_signed = c["B"] == "s32";
  plan.saturate = c.has("sat");
  plan.wrap = c.has("wrap");
  if (c.selectors.empty()) return true;   // no instruction is at hand
  const std::size_t first = destination ? 1 : 0;
  return (!destination || plan.d.read(c.selectors[0])) && plan.a.read(c.selectors[first]) &&
         plan.b.read(c.selectors[first + 1]);
}

template <class F, bool destination>
Run scalar_of(Choice& c) {
  Plan plan;
  const std::string_view second = c["O"];
  plan.second = second == "add" ? Second::add : second == "min" ? Second::min : second == "max" ? Second::max : Second::none;
  if (!read(c, destination, plan) || c.negated != 0) return nullptr;
  c.extra = plan.pack();
  return scalar<F>;
}
template <bool destination>
Run vset_of(Choice& c) {
  return with_comparison(c["C"], [&]<class F>() { return scalar_of<Plain<F>, destination>(c); });
}
Run vmad_of(Choice& c) {
  Plan plan;
  plan.plus_one = c.has("po");
  plan.scale = c.has("shr7") ? 7 : c.has("shr15") ? 15 : 0;
  if (!read(c, false, plan)) return nullptr;
  // The product or c may be negated, not both; of a and b both is none.
  plan.negate_product = (c.negated & 1) != (c.negated >> 1 & 1);
  plan.negate_c = (c.negated & 4) != 0;
  if (plan.negate_product && plan.negate_c) return nullptr;
  if (plan.plus_one && c.negated != 0) return nullptr;
  if (c.selectors.size() == 3 && !c.selectors[2].empty()) return nullptr;
  c.extra = plan.pack();
  return vmad;
}

#define TYPES ".<D: u32 s32>.<A: u32 s32>.<B: u32 s32>"
#define SECOND ".<O: add min max>"
#define SCALAR(name, F)                                                                                    \
  {name TYPES "{.sat}", "=D, %A, %B", scalar_of<Plain<F>, false>, 0, 20, 20, false, "integer_video"},            \
      {name TYPES "{.sat}", "=%D, %A, %B, D", scalar_of<Plain<F>, true>, 0, 20, 20, false, "integer_video"},     \
      {name TYPES "{.sat}" SECOND, "=D, %A, %B, D", scalar_of<Plain<F>, false>, 0, 20, 20, false, "integer_video"}
#define SHIFT ".<D: u32 s32>.<A: u32 s32>.u32{.sat}.<M: clamp wrap>"
#define SHIFTS(name, F)                                                                                    \
  {name SHIFT, "=D, %A, %u32", scalar_of<F, false>, 0, 20, 20, false, "integer_video"},                          \
      {name SHIFT, "=%D, %A, %u32, D", scalar_of<F, true>, 0, 20, 20, false, "integer_video"},                   \
      {name SHIFT SECOND, "=D, %A, %u32, D", scalar_of<F, false>, 0, 20, 20, false, "integer_video"}
#define COMPARE "vset.<A: u32 s32>.<B: u32 s32>.<C: eq ne lt le gt ge>"

const Form table[] = {
    SCALAR("vadd", video::Add),
    SCALAR("vsub", video::Sub),
    SCALAR("vabsdiff", video::AbsDifference),
    SCALAR("vmin", video::Min),
    SCALAR("vmax", video::Max),
    SHIFTS("vshl", Vshl),
    SHIFTS("vshr", Vshr),
    {COMPARE, "=u32, %A, %B", vset_of<false>, 0, 20, 20, false, "integer_video"},
    {COMPARE, "=%u32, %A, %B, u32", vset_of<true>, 0, 20, 20, false, "integer_video"},
    {COMPARE SECOND, "=u32, %A, %B, u32", vset_of<false>, 0, 20, 20, false, "integer_video"},
    {"vmad" TYPES "{.po}{.sat}{.<S: shr7 shr15>}", "=D, %A, %B, %D", vmad_of, 0, 20, 20, false, "integer_video"},
};

}  // namespace

std::span<const Form> video_forms() {
  static const std::vector<Form> all = join({table, video_simd_forms()});
  return all;
}

}  // namespace triptych::emulator
