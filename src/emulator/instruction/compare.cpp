// Comparisons, and selections by what they found.
#include <type_traits>

#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/float.h"
#include "emulator/instruction/logic.h"
#include "emulator/instruction/small_float.h"

namespace triptych::emulator {
namespace {

using U16 = std::uint16_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;

// Comparisons. Those of floats are false with a NaN, the ones with a u true.
struct Eq {
  template <class T>
  bool operator()(T a, T b) const { return a == b; }
};
struct Ne {
  template <class T>
  bool operator()(T a, T b) const { return std::is_integral_v<T> ? a != b : (a < b) | (a > b); }
};
struct Lt {
  template <class T>
  bool operator()(T a, T b) const { return a < b; }
};
struct Le {
  template <class T>
  bool operator()(T a, T b) const { return a <= b; }
};
struct Gt {
  template <class T>
  bool operator()(T a, T b) const { return a > b; }
};
struct Ge {
  template <class T>
  bool operator()(T a, T b) const { return a >= b; }
};
struct Num {
  template <class T>
  bool operator()(T a, T b) const { return (a == a) & (b == b); }
};
template <class F>
struct Not {
  template <class T>
  bool operator()(T a, T b) const { return !F()(a, b); }
};

// What is compared: how a lane of a source is read.
template <class T>
struct Whole {
  using Row = Lane<T>;
  static T get(Row lane) { return from_lane<T>(lane); }
};
struct Flushing {
  using Row = U32;
  static float get(U32 lane) { return flushed(from_lane<float>(lane)); }
};
/// The lower or upper half of a register as an f32.
template <class F, bool ftz, int half>
struct Part {
  using Row = U32;
  static float get(U32 lane) {
    U32 bits = lane >> (16 * half) & 0xFFFF;
    if constexpr (ftz) bits = (bits & F::infinity) == 0 ? bits & F::sign : bits;
    return std::bit_cast<float>(widen<F>(bits));
  }
};

/// f.operator()<Source>() for the type that the pattern calls T.
template <class F>
Run for_source(const Choice& c, F f) {
  const bool ftz = c.has("ftz");
  switch (c.type("T")) {
    case Type::f32: return ftz ? f.template operator()<Flushing>() : f.template operator()<Whole<float>>();
    case Type::f64: return f.template operator()<Whole<double>>();
    case Type::f16:
      return ftz ? f.template operator()<Part<Float16, true, 0>>() : f.template operator()<Part<Float16, false, 0>>();
    case Type::bf16: return f.template operator()<Part<BFloat16, false, 0>>();
    default: return for_integer(c.type("T"), [&]<class T>() { return f.template operator()<Whole<T>>(); });
  }
}
/// f.operator()<Lower, Upper>() for f16x2 and bf16x2.
template <class F>
Run for_pair(const Choice& c, F f) {
  if (c.has("bf16x2")) return f.template operator()<Part<BFloat16, false, 0>, Part<BFloat16, false, 1>>();
  if (c.has("ftz")) return f.template operator()<Part<Float16, true, 0>, Part<Float16, true, 1>>();
  return f.template operator()<Part<Float16, false, 0>, Part<Float16, false, 1>>();
}

/// f.operator()<Comparison>() for what the pattern calls C, of values of type T.
template <class T, class F>
Run for_comparison(const Choice& c, F f) {
  const std::string_view name = c["C"];
  if (name == "eq") return f.template operator()<Eq>();
  if (name == "ne") return f.template operator()<Ne>();
  if (name == "lt" || name == "lo") return f.template operator()<Lt>();
  if (name == "le" || name == "ls") return f.template operator()<Le>();
  if (name == "gt" || name == "hi") return f.template operator()<Gt>();
  if (name == "ge" || name == "hs") return f.template operator()<Ge>();
  if constexpr (!std::is_integral_v<T>) {
    if (name == "equ") return f.template operator()<Not<Ne>>();
    if (name == "neu") return f.template operator()<Not<Eq>>();
    if (name == "ltu") return f.template operator()<Not<Ge>>();
    if (name == "leu") return f.template operator()<Not<Gt>>();
    if (name == "gtu") return f.template operator()<Not<Le>>();
    if (name == "geu") return f.template operator()<Not<Lt>>();
    if (name == "num") return f.template operator()<Num>();
    if (name == "nan") return f.template operator()<Not<Num>>();
  }
  return nullptr;
}

template <class Source, class Comparison>
Mask compare(const Warp& w, Slot first, Slot second) {
  const auto *a = w.in<typename Source::Row>(first), *b = w.in<typename Source::Row>(second);
  return lanes_where([=](int l) { return Comparison()(Source::get(a[l]), Source::get(b[l])); });
}

// Instr::extra: how the comparison is combined with a predicate, and of set, which value stands for true.
enum class Boolean : U32 { none, conjunction, disjunction, exclusive };
constexpr U32 boolean_mask = 3;
constexpr U32 true_shift = 2;
constexpr U32 true_values[] = {0xFFFFFFFF, 0xFFFF, 0x3F800000, 0x3C00, 0x3F80};

U32 boolean_of(const Choice& c) {
  const std::string_view name = c["B"];
  const Boolean b = name.empty()   ? Boolean::none
                    : name == "and" ? Boolean::conjunction
                    : name == "or"  ? Boolean::disjunction
                                    : Boolean::exclusive;
  return static_cast<U32>(b);
}
Mask combine(const Warp& w, const Instr& i, Mask found, Slot with) {
  switch (static_cast<Boolean>(i.extra & boolean_mask)) {
    case Boolean::conjunction: return found & w.predicate(with);
    case Boolean::disjunction: return found | w.predicate(with);
    case Boolean::exclusive: return found ^ w.predicate(with);
    default: return found;
  }
}

/// Where p, or p and q, are written and the sources begin.
constexpr int single = 1, dual = 2;

/// q is made of the opposite of what p is made of.
template <class Source, class Comparison, int sources>
void setp(Warp& w, const Instr& i) {
  const Mask found = compare<Source, Comparison>(w, i.op[sources], i.op[sources + 1]);
  const Mask p = combine(w, i, found, i.op[sources + 2]), q = combine(w, i, ~found, i.op[sources + 2]);
  w.set_predicate(i.op[0], p);
  if (sources == dual && !i.op[1].absent()) w.set_predicate(i.op[1], q);
}
/// p is the lower half's result, q the upper half's.
template <class Low, class High, class Comparison>
void setp_pair(Warp& w, const Instr& i) {
  const Mask p = combine(w, i, compare<Low, Comparison>(w, i.op[2], i.op[3]), i.op[4]);
  const Mask q = combine(w, i, compare<High, Comparison>(w, i.op[2], i.op[3]), i.op[4]);
  w.set_predicate(i.op[0], p);
  if (!i.op[1].absent()) w.set_predicate(i.op[1], q);
}
template <class Source, class Comparison>
void set(Warp& w, const Instr& i) {
  const U32 yes = true_values[i.extra >> true_shift];
  const Mask found = combine(w, i, compare<Source, Comparison>(w, i.op[1], i.op[2]), i.op[3]);
  for_lanes(w, w.out<U32>(i.op[0]), [=](int l) { return (found >> l & 1) != 0 ? yes : 0; });
}
template <class Low, class High, class Comparison>
void set_pair(Warp& w, const Instr& i) {
  const U32 yes = true_values[i.extra >> true_shift];
  const Mask low = combine(w, i, compare<Low, Comparison>(w, i.op[1], i.op[2]), i.op[3]);
  const Mask high = combine(w, i, compare<High, Comparison>(w, i.op[1], i.op[2]), i.op[3]);
  for_lanes(w, w.out<U32>(i.op[0]), [=](int l) {
    return ((low >> l & 1) != 0 ? yes : 0) | ((high >> l & 1) != 0 ? yes << 16 : 0);
  });
}

template <int sources>
Run setp_of(Choice& c) {
  c.extra = boolean_of(c);
  return for_source(c, [&]<class S>() {
    return for_comparison<decltype(S::get({}))>(c, []<class C>() { return Run(setp<S, C, sources>); });
  });
}
Run setp_pair_of(Choice& c) {
  c.extra = boolean_of(c);
  return for_pair(c, [&]<class L, class H>() {
    return for_comparison<float>(c, []<class C>() { return Run(setp_pair<L, H, C>); });
  });
}
/// What set writes for true: all ones, or 1.0 in each number of the destination.
U32 truth_of(const Choice& c, bool pair) {
  switch (c.type("D")) {
    case Type::f32: return 2u << true_shift;
    case Type::f16:
    case Type::f16x2: return 3u << true_shift;
    case Type::bf16:
    case Type::bf16x2: return 4u << true_shift;
    default: return pair || bits_of(c.type("D")) == 16 ? 1u << true_shift : 0;
  }
}
Run set_of(Choice& c) {
  c.extra = boolean_of(c) | truth_of(c, false);
  return for_source(c, [&]<class S>() {
    return for_comparison<decltype(S::get({}))>(c, []<class C>() { return Run(set<S, C>); });
  });
}
Run set_pair_of(Choice& c) {
  c.extra = boolean_of(c) | truth_of(c, true);
  return for_pair(c, [&]<class L, class H>() {
    return for_comparison<float>(c, []<class C>() { return Run(set_pair<L, H, C>); });
  });
}

template <class L>
void selp(Warp& w, const Instr& i) {
  const auto *a = w.in<L>(i.op[1]), *b = w.in<L>(i.op[2]);
  const Mask c = w.predicate(i.op[3]);
  for_lanes(w, w.out<L>(i.op[0]), [=](int l) { return (c >> l & 1) != 0 ? a[l] : b[l]; });
}
/// a where c >= 0. A NaN is not.
template <class L, class Source>
void slct(Warp& w, const Instr& i) {
  const auto *a = w.in<L>(i.op[1]), *b = w.in<L>(i.op[2]);
  const auto* c = w.in<U32>(i.op[3]);
  for_lanes(w, w.out<L>(i.op[0]), [=](int l) { return Source::get(c[l]) >= 0 ? a[l] : b[l]; });
}
Run selp_of(Choice& c) { return bits_of(c.type("T")) == 64 ? selp<U64> : selp<U32>; }
template <class Source>
Run slct_by(const Choice& c) {
  return bits_of(c.type("T")) == 64 ? slct<U64, Source> : slct<U32, Source>;
}
Run slct_of(Choice& c) {
  if (c["C"] == "s32") return slct_by<Whole<std::int32_t>>(c);
  return c.has("ftz") ? slct_by<Flushing>(c) : slct_by<Whole<float>>(c);
}

#define ANY ".<T: b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64>"
#define FLOATS ".<C: eq ne lt le gt ge equ neu ltu leu gtu geu num nan>"
#define UNSIGNED ".<C: eq ne lt le gt ge lo ls hi hs>"
#define BOOLEAN ".<B: and or xor>"
/// A form without and one with a predicate that the result is combined with.
#define BOTH(compare, types, operands, select, version, target)                                    \
  {compare types, operands, select, 0, version, target, false, "compare"},                           \
      {compare BOOLEAN types, operands ", pred", select, 0, version, target, false, "compare"}

const Form table[] = {
    BOTH("setp" UNSIGNED, ".<T: u16 u32 u64>", "=pred|pred, T, T", setp_of<dual>, 10, 10),
    BOTH("setp.<C: eq ne lt le gt ge>", ".<T: s16 s32 s64>", "=pred|pred, T, T", setp_of<dual>, 10, 10),
    BOTH("setp.<C: eq ne>", ".<T: b16 b32 b64>", "=pred|pred, T, T", setp_of<dual>, 10, 10),
    BOTH("setp" FLOATS, "{.ftz}.<T: f32>", "=pred|pred, T, T", setp_of<dual>, 10, 10),
    BOTH("setp" FLOATS, ".<T: f64>", "=pred|pred, T, T", setp_of<dual>, 10, 10),
    BOTH("setp" FLOATS, "{.ftz}.<T: f16>", "=pred, T, T", setp_of<single>, 42, 53),
    BOTH("setp" FLOATS, ".<T: bf16>", "=pred, T, T", setp_of<single>, 78, 90),
    BOTH("setp" FLOATS, "{.ftz}.<T: f16x2>", "=pred|pred, b32, b32", setp_pair_of, 42, 53),
    BOTH("setp" FLOATS, ".<T: bf16x2>", "=pred|pred, b32, b32", setp_pair_of, 78, 90),
    BOTH("set" UNSIGNED, ".<D: u32 s32 f32 f16 bf16>.<T: u16 u32 u64>", "=D, T, T", set_of, 10, 10),
    BOTH("set.<C: eq ne lt le gt ge>", ".<D: u32 s32 f32 f16 bf16>.<T: s16 s32 s64>", "=D, T, T", set_of, 10, 10),
    BOTH("set.<C: eq ne>", ".<D: u32 s32 f32 f16 bf16>.<T: b16 b32 b64>", "=D, T, T", set_of, 10, 10),
    BOTH("set" FLOATS, ".<D: u32 s32 f32 f16 bf16>.<T: f32 f64>", "=D, T, T", set_of, 10, 10),
    BOTH("set" FLOATS, ".ftz.<D: u32 s32 f32 f16>.<T: f32>", "=D, T, T", set_of, 10, 10),
    BOTH("set" FLOATS, ".<D: u16 u32 s16 s32 f16 bf16>.<T: f16>", "=D, T, T", set_of, 42, 53),
    BOTH("set" FLOATS, ".ftz.<D: u16 u32 s16 s32 f16>.<T: f16>", "=D, T, T", set_of, 42, 53),
    BOTH("set" FLOATS, ".<D: u16 u32 s16 s32 bf16>.<T: bf16>", "=D, T, T", set_of, 78, 90),
    BOTH("set" FLOATS, "{.ftz}.<D: u32 s32 f16x2>.<T: f16x2>", "=b32, b32, b32", set_pair_of, 42, 53),
    BOTH("set" FLOATS, ".<D: u32 s32 bf16x2>.<T: bf16x2>", "=b32, b32, b32", set_pair_of, 78, 90),
    {"selp" ANY, "=T, T, T, pred", selp_of, 0, 10, 10, false, "compare"},
    {"slct" ANY ".<C: s32>", "=T, T, T, C", slct_of, 0, 10, 10, false, "compare"},
    {"slct{.ftz}" ANY ".<C: f32>", "=T, T, T, C", slct_of, 0, 10, 10, false, "compare"},
};

}  // namespace

std::span<const Form> compare_forms() { return table; }

}  // namespace triptych::emulator
