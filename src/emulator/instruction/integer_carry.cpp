// Sums with a carry in and out, of which longer integers are made. A subtraction's carry is the borrow.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/integer.h"

namespace triptych::emulator {
namespace {

using S32 = std::int32_t;
using S64 = std::int64_t;
__extension__ typedef __int128 S128;
__extension__ typedef unsigned __int128 U128;

// What is added up: x + y + carry. `borrows`: the carry is turned round on its way in and out.
struct OfAdd {
  static constexpr int sources = 2;
  static constexpr bool borrows = false;
  template <class T>
  static T x(T a, T) { return a; }
  template <class T>
  static T y(T b, T) { return b; }
};
struct OfSub : OfAdd {
  static constexpr bool borrows = true;
  template <class T>
  static T y(T b, T) { return static_cast<T>(~b); }
};
template <bool high>
struct OfMad {
  static constexpr int sources = 3;
  static constexpr bool borrows = false;
  template <class T>
  static T x(T a, T b) {
    using Signed = std::conditional_t<sizeof(T) == 8, S128, S64>;
    using Unsigned = std::conditional_t<sizeof(T) == 8, U128, std::uint64_t>;
    using Wide = std::conditional_t<std::is_signed_v<T>, Signed, Unsigned>;
    return static_cast<T>(Wide{a} * Wide{b} >> (high ? 8 * sizeof(T) : 0));
  }
  template <class T>
  static T y(T, T c) { return c; }
};

/// op[0] = x + y + carry, over the sources and then the carry flags that are in the opcode.
template <class T, class Op, bool in, bool out>
void sum(Warp& w, const Instr& i) {
  using U = std::make_unsigned_t<T>;
  constexpr int n = Op::sources;
  const auto *a = w.in<Lane<T>>(i.op[1]), *b = w.in<Lane<T>>(i.op[2]);
  const auto* c = w.in<Lane<T>>(i.op[n]);
  Mask carries = 0;
  if constexpr (in) carries = w.predicate(i.op[n + 1]);
  if constexpr (Op::borrows) carries = ~carries;
  const auto x = [=](int l) { return static_cast<U>(Op::x(from_lane<T>(a[l]), from_lane<T>(b[l]))); };
  const auto y = [=](int l) { return static_cast<U>(Op::y(from_lane<T>(b[l]), from_lane<T>(c[l]))); };
  const auto total = [=](int l) { return static_cast<U>(x(l) + y(l) + (carries >> l & 1)); };
  Mask carried = 0;   // found before a source is overwritten
  if constexpr (out) {
    carried = lanes_where([=](int l) { return (carries >> l & 1) != 0 ? total(l) <= x(l) : total(l) < x(l); });
  }
  for_lanes(w, w.out<Lane<U>>(i.op[0]), [=](int l) { return to_lane<U>(total(l)); });
  if constexpr (out) w.set_predicate(i.op[n + 1 + (in ? 1 : 0)], Op::borrows ? ~carried : carried);
}

/// With a carry in, and the sum of signed values clamped. ptxas knows it.
template <class Op>
void saturated_sum(Warp& w, const Instr& i) {
  constexpr int n = Op::sources;
  const auto *a = w.in<S32>(i.op[1]), *b = w.in<S32>(i.op[2]), *c = w.in<S32>(i.op[n]);
  const Mask before = w.predicate(i.op[n + 1]);
  const Mask carries = Op::borrows ? ~before : before;
  for_lanes(w, w.out<S32>(i.op[0]), [=](int l) {
    const S64 total = S64{Op::x(a[l], b[l])} + Op::y(b[l], c[l]) + (carries >> l & 1);
    return static_cast<S32>(
        std::clamp<S64>(total, std::numeric_limits<S32>::min(), std::numeric_limits<S32>::max()));
  });
}

template <class Op, bool in, bool out>
Run pick(Choice& c) {
  return for_integer(c.type("T"), []<class T>() { return Run(sum<T, Op, in, out>); });
}

#define ALL ".<T: u16 u32 u64 s16 s32 s64>"
#define LONG ".cc.<T: u32 u64 s32 s64>"

const Form table[] = {
    {"add" LONG, "=T, T, T, =cc", pick<OfAdd, false, true>, 0, 12, 20, false, "integer_carry"},
    {"addc" ALL, "=T, T, T, cc", pick<OfAdd, true, false>, 0, 12, 20, false, "integer_carry"},
    {"addc" LONG, "=T, T, T, cc, =cc", pick<OfAdd, true, true>, 0, 12, 20, false, "integer_carry"},
    {"addc.sat.s32", "=s32, s32, s32, cc", always<saturated_sum<OfAdd>>, 0, 12, 20, false, "integer_carry"},
    {"sub" LONG, "=T, T, T, =cc", pick<OfSub, false, true>, 0, 12, 20, false, "integer_carry"},
    {"subc" ALL, "=T, T, T, cc", pick<OfSub, true, false>, 0, 12, 20, false, "integer_carry"},
    {"subc" LONG, "=T, T, T, cc, =cc", pick<OfSub, true, true>, 0, 12, 20, false, "integer_carry"},
    {"subc.sat.s32", "=s32, s32, s32, cc", always<saturated_sum<OfSub>>, 0, 12, 20, false, "integer_carry"},
    {"mad.lo" LONG, "=T, T, T, T, =cc", pick<OfMad<false>, false, true>, 0, 30, 20, false, "integer_carry"},
    {"mad.hi" LONG, "=T, T, T, T, =cc", pick<OfMad<true>, false, true>, 0, 30, 20, false, "integer_carry"},
    {"madc.lo" ALL, "=T, T, T, T, cc", pick<OfMad<false>, true, false>, 0, 30, 20, false, "integer_carry"},
    {"madc.hi" ALL, "=T, T, T, T, cc", pick<OfMad<true>, true, false>, 0, 30, 20, false, "integer_carry"},
    {"madc.lo" LONG, "=T, T, T, T, cc, =cc", pick<OfMad<false>, true, true>, 0, 30, 20, false, "integer_carry"},
    {"madc.hi" LONG, "=T, T, T, T, cc, =cc", pick<OfMad<true>, true, true>, 0, 30, 20, false, "integer_carry"},
    {"madc.hi.sat.s32", "=s32, s32, s32, s32, cc", always<saturated_sum<OfMad<true>>>, 0, 30, 20, false, "integer_carry"},
};

}  // namespace

std::span<const Form> carry_forms() { return table; }

}  // namespace triptych::emulator
