// Logic on bits, shifts, and permutations of bytes. Comparisons are in compare.cpp.
#include "emulator/instruction/logic.h"

#include "emulator/instruction/dispatch.h"

namespace triptych::emulator {
namespace {

using U16 = std::uint16_t;
using U32 = std::uint32_t;
using S32 = std::int32_t;
using U64 = std::uint64_t;

struct And {
  template <class T>
  T operator()(T a, T b) const { return a & b; }
};
struct Or {
  template <class T>
  T operator()(T a, T b) const { return a | b; }
};
struct Xor {
  template <class T>
  T operator()(T a, T b) const { return a ^ b; }
};
struct Not {
  template <class T>
  T operator()(T a) const { return static_cast<T>(~a); }
};
struct Cnot {
  template <class T>
  T operator()(T a) const { return a == 0 ? 1 : 0; }
};

template <class F>
void on_predicates(Warp& w, const Instr& i) {
  w.set_predicate(i.op[0], F()(w.predicate(i.op[1]), w.predicate(i.op[2])));
}
void not_predicate(Warp& w, const Instr& i) { w.set_predicate(i.op[0], ~w.predicate(i.op[1])); }

// Shifts by more than the width give what a shift by the width gives.
struct Left {
  template <class T>
  static T of(T a, U32 n) {
    constexpr U32 bits = 8 * sizeof(T);
    return n < bits ? static_cast<T>(a << (n % bits)) : T{0};
  }
};
struct Right {
  template <class T>
  static T of(T a, U32 n) {
    constexpr U32 bits = 8 * sizeof(T);
    const T beyond = a < 0 ? static_cast<T>(-1) : T{0};
    return n < bits ? static_cast<T>(a >> (n % bits)) : beyond;
  }
};
template <class T, class F>
void shift(Warp& w, const Instr& i) {
  const auto* a = w.in<Lane<T>>(i.op[1]);
  const auto* n = w.in<U32>(i.op[2]);
  for_lanes(w, w.out<Lane<T>>(i.op[0]), [=](int l) { return to_lane<T>(F::of(from_lane<T>(a[l]), n[l])); });
}
template <class F>
Run shift_of(Choice& c) {
  return for_integer(c.type("T"), []<class T>() { return Run(shift<T, F>); });
}

/// Of the 64 bits b:a, the upper word of a shift to the left or the lower word of one to the right.
template <bool left, bool wrap>
struct Funnel {
  U32 operator()(U32 a, U32 b, U32 c) const {
    const U64 both = static_cast<U64>(b) << 32 | a;
    const U32 n = wrap ? c & 31 : c < 32 ? c : 32;
    return static_cast<U32>(left ? both << n >> 32 : both >> n);
  }
};
template <bool left>
Run funnel(Choice& c) {
  return c.has("wrap") ? Run(ternary<U32, Funnel<left, true>>) : ternary<U32, Funnel<left, false>>;
}

/// Bit 4·a + 2·b + c of the table, for each bit of three sources from op[at] on.
void look_up(Warp& w, const Instr& i, Slot to, std::size_t at) {
  const auto *a = w.in<U32>(i.op[at]), *b = w.in<U32>(i.op[at + 1]), *c = w.in<U32>(i.op[at + 2]);
  // The choice by c of two neighbouring entries is (c & differ) ^ even.
  U32 even[4], differ[4];
  for (U32 k = 0; k < 4; ++k) {
    even[k] = U32{0} - (i.extra >> 2 * k & 1);
    differ[k] = even[k] ^ (U32{0} - (i.extra >> (2 * k + 1) & 1));
  }
  for_lanes(w, w.out<U32>(to), [=](int l) {
    const U32 x = a[l], y = b[l], z = c[l];
    const U32 low = (y & ((z & differ[1]) ^ even[1])) | (~y & ((z & differ[0]) ^ even[0]));
    const U32 high = (y & ((z & differ[3]) ^ even[3])) | (~y & ((z & differ[2]) ^ even[2]));
    return (x & high) | (~x & low);
  });
}
void lop3(Warp& w, const Instr& i) { look_up(w, i, i.op[0], 1); }
/// op[1]: whether the result is not zero, combined with op[5].
template <class F>
void lop3_boolean(Warp& w, const Instr& i) {
  const Mask q = w.predicate(i.op[5]);
  look_up(w, i, i.op[0], 2);
  if (i.op[1].absent()) return;
  const auto* d = w.in<U32>(i.op[0]);
  w.set_predicate(i.op[1], F()(lanes_where([=](int l) { return d[l] != 0; }), q));
}
Run lop3_of(Choice& c) {
  if (!c.imm.empty()) c.extra = static_cast<U32>(c.imm[0]) & 0xFF;
  if (c["B"].empty()) return lop3;
  return c["B"] == "and" ? Run(lop3_boolean<And>) : lop3_boolean<Or>;
}

// Modes of prmt: the control nibbles that stand for each value of c's lowest two bits.
constexpr U16 f4e[] = {0x3210, 0x4321, 0x5432, 0x6543}, b4e[] = {0x5670, 0x6701, 0x7012, 0x0123},
              rc8[] = {0x0000, 0x1111, 0x2222, 0x3333}, ecl[] = {0x3210, 0x3211, 0x3222, 0x3333},
              ecr[] = {0x0000, 0x1110, 0x2210, 0x3210}, rc16[] = {0x1010, 0x3232, 0x1010, 0x3232};

/// Each nibble of the control picks a byte of b:a, or with its top bit set the sign of that byte.
U32 permute(U32 a, U32 b, U32 control) {
  U32 result = 0;
  for (U32 k = 0; k < 4; ++k) {
    const U32 pick = control >> 4 * k;
    const U32 byte = ((pick & 4) != 0 ? b : a) >> 8 * (pick & 3) & 0xFF;
    const U32 sign = U32{0} - (byte >> 7);
    result |= ((pick & 8) != 0 ? sign & 0xFF : byte) << 8 * k;
  }
  return result;
}
struct Permute {
  U32 operator()(U32 a, U32 b, U32 c) const { return permute(a, b, c); }
};
template <const U16 (&mode)[4]>
struct PermuteBy {
  U32 operator()(U32 a, U32 b, U32 c) const {
    const U32 low = (c & 1) != 0 ? mode[1] : mode[0], high = (c & 1) != 0 ? mode[3] : mode[2];
    return permute(a, b, (c & 2) != 0 ? high : low);
  }
};
Run prmt_of(Choice& c) {
  const std::string_view mode = c["M"];
  if (mode == "f4e") return ternary<U32, PermuteBy<f4e>>;
  if (mode == "b4e") return ternary<U32, PermuteBy<b4e>>;
  if (mode == "rc8") return ternary<U32, PermuteBy<rc8>>;
  if (mode == "ecl") return ternary<U32, PermuteBy<ecl>>;
  if (mode == "ecr") return ternary<U32, PermuteBy<ecr>>;
  return mode == "rc16" ? ternary<U32, PermuteBy<rc16>> : Run(ternary<U32, Permute>);
}

#define BITS ".<T: b16 b32 b64>"

const Form table[] = {
    {"and" BITS, "=T, T, T", binary_bits<And>, 0, 10, 10, false, "logic"},
    {"or" BITS, "=T, T, T", binary_bits<Or>, 0, 10, 10, false, "logic"},
    {"xor" BITS, "=T, T, T", binary_bits<Xor>, 0, 10, 10, false, "logic"},
    {"not" BITS, "=T, T", unary_bits<Not>, 0, 10, 10, false, "logic"},
    {"cnot" BITS, "=T, T", unary_bits<Cnot>, 0, 10, 10, false, "logic"},
    {"and.pred", "=pred, pred, pred", always<on_predicates<And>>, 0, 10, 10, false, "logic"},
    {"or.pred", "=pred, pred, pred", always<on_predicates<Or>>, 0, 10, 10, false, "logic"},
    {"xor.pred", "=pred, pred, pred", always<on_predicates<Xor>>, 0, 10, 10, false, "logic"},
    {"not.pred", "=pred, pred", always<not_predicate>, 0, 10, 10, false, "logic"},
    {"shl" BITS, "=T, T, u32", shift_of<Left>, 0, 10, 10, false, "logic"},
    {"shr.<T: b16 b32 b64 u16 u32 u64 s16 s32 s64>", "=T, T, u32", shift_of<Right>, 0, 10, 10, false, "logic"},
    {"shf.l.<M: clamp wrap>.b32", "=b32, b32, b32, u32", funnel<true>, 0, 31, 32, false, "logic"},
    {"shf.r.<M: clamp wrap>.b32", "=b32, b32, b32, u32", funnel<false>, 0, 31, 32, false, "logic"},
    {"lop3.b32", "=b32, b32, b32, b32, imm", lop3_of, 0, 43, 50, false, "logic"},
    {"lop3.<B: and or>.b32", "=b32|pred, b32, b32, b32, imm, pred", lop3_of, 0, 82, 70, false, "logic"},
    {"prmt.b32{.<M: f4e b4e rc8 ecl ecr rc16>}", "=b32, b32, b32, b32", prmt_of, 0, 20, 20, false, "logic"},
};

}  // namespace

std::span<const Form> logic_forms() {
  static const std::vector<Form> all = join({table, compare_forms()});
  return all;
}

}  // namespace triptych::emulator
