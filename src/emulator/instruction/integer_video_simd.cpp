// Video instructions on the two halves or the four bytes of registers: elements are selected from both
// sources, combined, and then added to, or merged with, a third operand.
#include <algorithm>

#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/integer_video.h"

namespace triptych::emulator {
namespace {

using U32 = std::uint32_t;
using S32 = std::int32_t;
using S64 = std::int64_t;
using U64 = std::uint64_t;

/// Elements that a source takes of { b, a }, and which of them the destination gets; as in Instr::extra.
enum class End : U32 { merge, clamp_unsigned, clamp_signed, add };
struct Plan {
  U32 a[4] = {}, b[4] = {};   // element numbers, those of b above those of a
  U32 mask = 0;               // of destination elements
  bool a_signed = false, b_signed = false;
  End end = End::merge;

  U32 pack() const {
    U32 x = mask << 24 | U32{a_signed} << 28 | U32{b_signed} << 29 | static_cast<U32>(end) << 30;
    for (U32 k = 0; k < 4; ++k) x |= a[k] << 3 * k | b[k] << (12 + 3 * k);
    return x;
  }
  static Plan unpack(U32 x) {
    Plan plan;
    for (U32 k = 0; k < 4; ++k) {
      plan.a[k] = x >> 3 * k & 7;
      plan.b[k] = x >> (12 + 3 * k) & 7;
    }
    plan.mask = x >> 24 & 15;
    plan.a_signed = (x >> 28 & 1) != 0;
    plan.b_signed = (x >> 29 & 1) != 0;
    plan.end = static_cast<End>(x >> 30);
    return plan;
  }
};

template <int n>
S64 element(U64 sources, U32 number, bool is_signed) {
  constexpr int bits = 32 / n;
  const auto top = static_cast<U32>(sources >> (bits * number)) << (32 - bits);
  return is_signed ? S64{static_cast<S32>(top) >> (32 - bits)} : S64{top >> (32 - bits)};
}

template <int n, class F>
U32 combine(U32 a, U32 b, U32 c, const Plan& plan) {
  constexpr int bits = 32 / n;
  constexpr U32 one = (U32{1} << bits) - 1;
  const U64 sources = static_cast<U64>(b) << 32 | a;
  const S64 low = plan.end == End::clamp_signed ? -(S64{1} << (bits - 1)) : 0, high = low + one;
  U32 result = c;
  for (int k = 0; k < n; ++k) {
    if ((plan.mask >> k & 1) == 0) continue;
    S64 value = F()(element<n>(sources, plan.a[k], plan.a_signed), element<n>(sources, plan.b[k], plan.b_signed));
    if (plan.end == End::clamp_signed || plan.end == End::clamp_unsigned) value = std::clamp(value, low, high);
    if (plan.end == End::add) {
      result += static_cast<U32>(value);
    } else {
      result = (result & ~(one << bits * k)) | (static_cast<U32>(value) & one) << bits * k;
    }
  }
  return result;
}

template <int n, class F>
void simd(Warp& w, const Instr& i) {
  const Plan plan = Plan::unpack(i.extra);
  const auto *a = w.in<U32>(i.op[1]), *b = w.in<U32>(i.op[2]), *c = w.in<U32>(i.op[3]);
  for_lanes(w, w.out<U32>(i.op[0]), [=](int l) { return combine<n, F>(a[l], b[l], c[l], plan); });
}

/// "h32", "b7654": n digits, the highest element first; without, the elements from `first` on.
template <int n>
bool read_source(std::string_view selector, U32 first, U32 (&elements)[4]) {
  for (U32 k = 0; k < n; ++k) elements[k] = first + k;
  if (selector.empty()) return true;
  if (selector.size() != n + 1 || selector[0] != (n == 2 ? 'h' : 'b')) return false;
  for (U32 k = 0; k < n; ++k) {
    elements[k] = static_cast<U32>(selector[n - k] - '0');
    if (elements[k] >= 2 * n) return false;
  }
  return true;
}

/// "h1", "b20": digits that fall; without, all.
template <int n>
bool read_mask(std::string_view selector, U32& mask) {
  mask = (1 << n) - 1;
  if (selector.empty()) return true;
  if (selector[0] != (n == 2 ? 'h' : 'b')) return false;
  mask = 0;
  for (const char digit : selector.substr(1)) {
    const U32 bit = U32{1} << (digit - '0');
    if (digit >= '0' + n || (mask & (2 * bit - 1)) != 0) return false;
    mask |= bit;
  }
  return mask != 0;
}

template <int n, class F>
Run simd_of(Choice& c) {
  Plan plan;
  plan.a_signed = c["A"] == "s32";
  plan.b_signed = c["B"] == "s32";
  const bool there = !c.selectors.empty();   // else no instruction is at hand
  if (!read_mask<n>(there ? c.selectors[0] : "", plan.mask)) return nullptr;
  if (!read_source<n>(there ? c.selectors[1] : "", 0, plan.a)) return nullptr;
  if (!read_source<n>(there ? c.selectors[2] : "", n, plan.b)) return nullptr;
  if (c.has("sat")) plan.end = c["D"] == "s32" ? End::clamp_signed : End::clamp_unsigned;
  if (c.has("add")) plan.end = End::add;
  c.extra = plan.pack();
  return (c.has("sat") && c.has("add")) || c.negated != 0 ? nullptr : Run(simd<n, F>);
}
template <int n>
Run vset_of(Choice& c) {
  return with_comparison(c["C"], [&]<class F>() { return simd_of<n, F>(c); });
}

#define TYPES ".<D: u32 s32>.<A: u32 s32>.<B: u32 s32>{.sat}{.add}"
#define SIMD(name, F)                                                                      \
  {name "2" TYPES, "=%D, %A, %B, D", simd_of<2, F>, 0, 30, 30, false, "integer_video"},          \
      {name "4" TYPES, "=%D, %A, %B, D", simd_of<4, F>, 0, 30, 30, false, "integer_video"}
#define COMPARE ".<A: u32 s32>.<B: u32 s32>.<C: eq ne lt le gt ge>{.add}"

const Form table[] = {
    SIMD("vadd", video::Add),
    SIMD("vsub", video::Sub),
    SIMD("vavrg", video::Average),
    SIMD("vabsdiff", video::AbsDifference),
    SIMD("vmin", video::Min),
    SIMD("vmax", video::Max),
    {"vset2" COMPARE, "=%u32, %A, %B, u32", vset_of<2>, 0, 30, 30, false, "integer_video"},
    {"vset4" COMPARE, "=%u32, %A, %B, u32", vset_of<4>, 0, 30, 30, false, "integer_video"},
};

}  // namespace

std::span<const Form> video_simd_forms() { return table; }

}  // namespace triptych::emulator
