// wmma: loads and stores of whole matrices, and their product, for one warp. How elements lie in the registers
// is the device's own affair; here element e = row · columns + column (of B: column · rows + row) is
// number e % per of the word e / per, and word w lies in register w / 32 of lane w % 32. A fragment with more
// registers than words holds them several times.
#include <cstring>

#include "emulator/instruction/access.h"
#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/float.h"
#include "emulator/instruction/fragment.h"
#include "emulator/instruction/matrix.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator {
namespace {

struct Shape {
  std::string_view name;
  int m, n, k;
};
constexpr Shape shapes[] = {{"m16n16k16", 16, 16, 16}, {"m8n32k16", 8, 32, 16}, {"m32n8k16", 32, 8, 16}, {"m16n16k8", 16, 16, 8},
                            {"m8n8k4", 8, 8, 4},       {"m8n8k32", 8, 8, 32},   {"m8n8k128", 8, 8, 128}};
std::uint32_t shape_number(std::string_view name) {
  std::uint32_t number = 0;
  while (shapes[number].name != name) ++number;
  return number;
}

enum class Part : std::uint8_t { a, b, c };

/// A matrix in registers.
struct Fragment {
  int rows, columns;   ///< as numbered: B's are the columns of the product
  Type type;

  Fragment(const Shape& s, Part part, Type t)
      : rows(part == Part::b ? s.n : s.m), columns(part == Part::c ? s.n : s.k), type(t) {}
  int bits() const { return type == Type::tf32 ? 32 : bits_of(type); }
  int per() const { return bits() >= 32 ? 1 : 32 / bits(); }
  int words() const { return rows * columns / per(); }
  /// f16 operands take eight registers in every shape.
  int registers(Part part) const { return type == Type::f16 && part != Part::c ? 8 : words() / warp_size; }
};

// Instr::extra of a load or store, above the AccessCode.
constexpr std::uint32_t turned = 1 << 16;   // neighbours in memory are neighbours of a column
constexpr int part_shift = 17, shape_shift = 19, type_shift = 22;

/// Calls f(word, lane's host address) for the words of a fragment, 32 at a time, or for the elements of words
/// whose elements do not lie together: f(word, element, host addresses).
template <class F>
void each_place(Warp& w, const Instr& i, Access access, F&& f) {
  const Shape& shape = shapes[i.extra >> shape_shift & 7];
  const auto part = static_cast<Part>(i.extra >> part_shift & 3);
  const Fragment fragment(shape, part, static_cast<Type>(i.extra >> type_shift));
  const AccessCode code(i.extra);
  // B is numbered by its columns, so that its neighbours in a column follow each other.
  const bool along = ((i.extra & turned) != 0) == (part == Part::b);
  const int bits = fragment.bits(), per = fragment.per(), together = bits < 8 ? per : 1;
  Lanes<std::uint64_t> base, addresses;
  Lanes<std::uint8_t*> hosts;
  w.addresses(i.op[0], code.wide(), i.imm, base);
  const auto* stride = i.op[1].absent() ? nullptr : w.in<std::uint32_t>(i.op[1]);
  for (int r = 0; r < fragment.words() / warp_size; ++r) {
    for (int element = 0; element < per; element += together) {
      for (int l = 0; l < warp_size; ++l) {
        const int e = (r * warp_size + l) * per + element, row = e / fragment.columns, column = e % fragment.columns;
        const std::uint64_t step = stride != nullptr ? stride[l] : static_cast<std::uint64_t>(along ? fragment.columns : fragment.rows);
        const std::uint64_t place = along ? static_cast<std::uint64_t>(row) * step + static_cast<std::uint64_t>(column)
                                          : static_cast<std::uint64_t>(column) * step + static_cast<std::uint64_t>(row);
        addresses[l] = base[l] + place * static_cast<std::uint64_t>(bits) / 8;
      }
      const auto bytes = static_cast<std::uint32_t>(bits * together / 8);
      w.resolve(code.space(), addresses, bytes, access, code.semantics(), i, hosts);
      f(r, element * bits / 8, bytes, hosts);
    }
  }
}

/// The bytes of a lane's register; a lane of 32 bits or of 64.
std::uint8_t* lane_bytes(void* row, bool wide, int lane) { return static_cast<std::uint8_t*>(row) + lane * (wide ? 8 : 4); }

void load(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  const bool wide = static_cast<Type>(i.extra >> type_shift) == Type::f64;
  alignas(8) std::uint8_t words[8][warp_size * 8];
  int count = 0;
  each_place(w, i, Access::read, [&](int r, int at, std::uint32_t bytes, const Lanes<std::uint8_t*>& hosts) {
    for (int l = 0; l < warp_size; ++l) std::memcpy(lane_bytes(words[r], wide, l) + at, hosts[l], bytes);
    count = r + 1;
  });
  for (std::uint32_t r = 0; r < i.list_count; ++r) {
    const auto& from = words[static_cast<int>(r) % count];
    if (wide) {
      std::memcpy(w.out<std::uint64_t>(w.list(i, r)), from, warp_size * 8);
    } else {
      std::memcpy(w.out<std::uint32_t>(w.list(i, r)), from, warp_size * 4);
    }
  }
}

void store(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  const bool wide = static_cast<Type>(i.extra >> type_shift) == Type::f64;
  each_place(w, i, Access::write, [&](int r, int at, std::uint32_t bytes, const Lanes<std::uint8_t*>& hosts) {
    alignas(8) std::uint8_t words[warp_size * 8];
    if (wide) {
      std::memcpy(words, w.in<std::uint64_t>(w.list(i, static_cast<std::uint32_t>(r))), warp_size * 8);
    } else {
      std::memcpy(words, w.in<std::uint32_t>(w.list(i, static_cast<std::uint32_t>(r))), warp_size * 4);
    }
    for (int l = 0; l < warp_size; ++l) std::memcpy(hosts[l], lane_bytes(words, wide, l) + at, bytes);
  });
  w.note_effect();
}

template <Part part, Run run>
Run choose_move(Choice& c) {
  const Part which = part == Part::a && c["F"] == "b" ? Part::b : part;
  const Type type = c.type("T");
  const std::uint32_t shape = shape_number(c["P"]);
  c.extra = AccessCode::of(c).bits() | (c["L"] == "col" ? turned : 0u) | static_cast<std::uint32_t>(which) << part_shift |
            shape << shape_shift | static_cast<std::uint32_t>(type) << type_shift;
  c.vector_length = {Fragment(shapes[shape], which, type).registers(which)};
  c.ticks = 16;
  return run;
}

/// What Instr::extra says of a product. Registers of D, A, B and C are in the list, in this order.
struct Product {
  Shape shape;
  Type a, b, c, d;
  bool saturate;
  IntegerProduct product;

  static std::uint32_t pack(std::uint32_t shape, Type a, Type b, bool half_c, bool half_d, bool saturate, IntegerProduct product) {
    return shape | static_cast<std::uint32_t>(a) << 3 | static_cast<std::uint32_t>(b) << 11 | (half_c ? 1u << 19 : 0u) |
           (half_d ? 1u << 20 : 0u) | (saturate ? 1u << 21 : 0u) | static_cast<std::uint32_t>(product) << 22;
  }
  explicit Product(std::uint32_t extra)
      : shape(shapes[extra & 7]), a(static_cast<Type>(extra >> 3 & 0xFF)), b(static_cast<Type>(extra >> 11 & 0xFF)),
        c(result(a, (extra >> 19 & 1) != 0)), d(result(a, (extra >> 20 & 1) != 0)), saturate((extra >> 21 & 1) != 0),
        product(static_cast<IntegerProduct>(extra >> 22)) {}
  static Type result(Type operand, bool half) {
    if (operand == Type::f64) return Type::f64;
    return half ? Type::f16 : is_float(operand) ? Type::f32 : Type::s32;
  }
  std::vector<int> registers() const {
    return {Fragment(shape, Part::c, d).registers(Part::c), Fragment(shape, Part::a, a).registers(Part::a),
            Fragment(shape, Part::b, b).registers(Part::b), Fragment(shape, Part::c, c).registers(Part::c)};
  }
};

/// Calls f(row, column, value) for the elements of an operand. Bits come in words of 32 along K.
template <class Value, class F>
void each_element(Warp& w, const Instr& i, std::uint32_t first, const Fragment& fragment, F&& f) {
  with_codec<Value>(fragment.type, [&]<class Codec>() {
    const int columns = fragment.type == Type::b1 ? fragment.columns / 32 : fragment.columns;
    for (int word = 0; word < fragment.words(); ++word) {
      const auto bits = w.in<typename Codec::Word>(w.list(i, first + static_cast<std::uint32_t>(word / warp_size)))[word % warp_size];
      for (int k = 0; k < Codec::per; ++k) f((word * Codec::per + k) / columns, (word * Codec::per + k) % columns, Codec::get(bits, k));
    }
  });
}

/// C to f32 or as it is, and D back.
template <class Value>
Value get_result(Warp& w, const Instr& i, std::uint32_t first, Type type, int e) {
  const int word = type == Type::f16 ? e / 2 : e;
  const Slot slot = w.list(i, first + static_cast<std::uint32_t>(word / warp_size));
  if constexpr (std::is_same_v<Value, float>) {
    if (type == Type::f16) return f16_value(static_cast<std::uint16_t>(w.in<std::uint32_t>(slot)[word % warp_size] >> 16 * (e % 2)));
  }
  return w.in<Value>(slot)[word % warp_size];
}
template <class Value>
void put_result(Warp& w, const Instr& i, Type type, int e, Value value) {
  const int word = type == Type::f16 ? e / 2 : e;
  const Slot slot = w.list(i, static_cast<std::uint32_t>(word / warp_size));
  if constexpr (std::is_same_v<Value, float>) {
    if (type == Type::f16) {
      auto& lane = w.out<std::uint32_t>(slot)[word % warp_size];
      lane = (lane & (0xFFFF0000u >> 16 * (e % 2))) | static_cast<std::uint32_t>(f16_bits(value)) << 16 * (e % 2);
      return;
    }
  }
  w.out<Value>(slot)[word % warp_size] = value;
}

/// One block of eight rows and columns: d[odd][lane] += A · B.
template <class Value>
void multiply_block(Warp& w, const Product& p, const Rows<Value>& a, const std::array<Columns<Value>, 2>& b, int depth, Value (&d)[2][warp_size]) {
  for (std::size_t odd = 0; odd < 2; ++odd) {
    if constexpr (std::is_same_v<Value, float>) {
      multiply_once(a, b[odd], p.a, p.b, depth, w.machine().options().exact_tensor,
                    {.half = p.d == Type::f16, .least_c = least_exponent(p.c)}, d[odd]);
    } else if constexpr (std::is_same_v<Value, double>) {
      multiply_double(a, b[odd], depth, d[odd]);
    } else {
      multiply_integer(a, b[odd], depth, p.product, p.saturate, d[odd]);
    }
  }
}

template <class Value>
void multiply(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  const Product p(i.extra);
  const auto count = p.registers();
  const auto at_a = static_cast<std::uint32_t>(count[0]), at_b = at_a + static_cast<std::uint32_t>(count[1]);
  const auto at_c = at_b + static_cast<std::uint32_t>(count[2]);
  const int depth = p.a == Type::b1 ? p.shape.k / 32 : p.shape.k;
  std::array<Rows<Value>, 4> a;
  std::array<std::array<Columns<Value>, 2>, 4> b;
  each_element<Value>(w, i, at_a, {p.shape, Part::a, p.a}, [&](int row, int k, Value x) {
    a[static_cast<std::size_t>(row / 8)].set(row % 8, k, x);
  });
  each_element<Value>(w, i, at_b, {p.shape, Part::b, p.b}, [&](int n, int k, Value x) {
    b[static_cast<std::size_t>(n / 8)][static_cast<std::size_t>(n % 2)].set(n % 8 / 2, k, x);
  });
  // D is written when all of C has been read: they may share registers.
  std::array<Value, 256> all;
  for (int row = 0; row < p.shape.m; row += 8) {
    for (int column = 0; column < p.shape.n; column += 8) {
      Value d[2][warp_size];
      const auto element = [&](int odd, int l) { return (row + l / 4) * p.shape.n + column + 2 * (l % 4) + odd; };
      for (int odd = 0; odd < 2; ++odd) {
        for (int l = 0; l < warp_size; ++l) d[odd][l] = get_result<Value>(w, i, at_c, p.c, element(odd, l));
      }
      multiply_block(w, p, a[static_cast<std::size_t>(row / 8)], b[static_cast<std::size_t>(column / 8)], depth, d);
      for (int odd = 0; odd < 2; ++odd) {
        for (int l = 0; l < warp_size; ++l) all[static_cast<std::size_t>(element(odd, l))] = d[odd][l];
      }
    }
  }
  for (int e = 0; e < p.shape.m * p.shape.n; ++e) put_result(w, i, p.d, e, all[static_cast<std::size_t>(e)]);
}

template <class Value>
Run choose_product(Choice& c) {
  const Type a = c["A"].empty() ? Type::f16 : c.type("A"), b = c["B"].empty() ? a : c.type("B");
  const auto product = a != Type::b1 ? IntegerProduct::multiply : c.has("xor") ? IntegerProduct::bits_xor : IntegerProduct::bits_and;
  c.extra = Product::pack(shape_number(c["P"]), a, b, c["C"] == "f16", c["D"] == "f16", c.has("satfinite"), product);
  c.vector_length = Product(c.extra).registers();
  c.ticks = 16;
  return with_rounding<multiply<Value>>(c["R"]);
}

constexpr std::uint8_t p = Instr::control | Instr::aligned | Instr::tensor, m = Instr::control | Instr::aligned | Instr::memory;
#define HALVES "m16n16k16 m8n32k16 m32n8k16"
#define LOAD(parts, layouts, shapes, types) "wmma.load.<F: " parts ">.sync.aligned.<L: " layouts ">.<P: " shapes ">{.<S: global shared shared::cta>}.<T: " types ">"
#define LOAD_C(shapes, type) "wmma.load.c.sync.aligned.<L: row col>.<P: " shapes ">{.<S: global shared shared::cta>}.<T: " type ">"
#define STORE_D(shapes, type) "wmma.store.d.sync.aligned.<L: row col>.<P: " shapes ">{.<S: global shared shared::cta>}.<T: " type ">"
#define WMMA(shapes) "wmma.mma.sync.aligned.<X: row col>.<Y: row col>.<P: " shapes ">"
#define OPERAND choose_move<Part::a, load>, m
#define RESULT choose_move<Part::c, load>, m
#define STORED choose_move<Part::c, store>, m
const Form table[] = {
    {LOAD("a b", "row col", HALVES, "f16"), "=?*f16x2, [S], u32?", OPERAND, 60, 70, false, "wmma"},
    {LOAD("a b", "row col", HALVES, "s8 u8"), "=?*b32, [S], u32?", OPERAND, 63, 72, false, "wmma"},
    {LOAD("a b", "row col", HALVES, "bf16"), "=?*bf16x2, [S], u32?", OPERAND, 70, 80, false, "wmma"},
    {LOAD("a b", "row col", "m16n16k8", "tf32"), "=?*tf32, [S], u32?", OPERAND, 70, 80, false, "wmma"},
    {LOAD("a b", "row col", "m8n8k4", "f64"), "=?*f64, [S], u32?", OPERAND, 70, 80, false, "wmma"},
    {LOAD("a", "row", "m8n8k32", "s4 u4"), "=?*b32, [S], u32?", OPERAND, 63, 75, false, "wmma"},
    {LOAD("b", "col", "m8n8k32", "s4 u4"), "=?*b32, [S], u32?", OPERAND, 63, 75, false, "wmma"},
    {LOAD("a", "row", "m8n8k128", "b1"), "=?*b32, [S], u32?", OPERAND, 63, 75, false, "wmma"},
    {LOAD("b", "col", "m8n8k128", "b1"), "=?*b32, [S], u32?", OPERAND, 63, 75, false, "wmma"},
    {LOAD_C(HALVES, "f16"), "=?*f16x2, [S], u32?", RESULT, 60, 70, false, "wmma"},
    {LOAD_C(HALVES " m16n16k8", "f32"), "=?*f32, [S], u32?", RESULT, 60, 70, false, "wmma"},
    {LOAD_C(HALVES " m8n8k32 m8n8k128", "s32"), "=?*s32, [S], u32?", RESULT, 63, 72, false, "wmma"},
    {LOAD_C("m8n8k4", "f64"), "=?*f64, [S], u32?", RESULT, 70, 80, false, "wmma"},
    {STORE_D(HALVES, "f16"), "[S], ?*f16x2, u32?", STORED, 60, 70, false, "wmma"},
    {STORE_D(HALVES " m16n16k8", "f32"), "[S], ?*f32, u32?", STORED, 60, 70, false, "wmma"},
    {STORE_D(HALVES " m8n8k32 m8n8k128", "s32"), "[S], ?*s32, u32?", STORED, 63, 72, false, "wmma"},
    {STORE_D("m8n8k4", "f64"), "[S], ?*f64, u32?", STORED, 70, 80, false, "wmma"},
    {WMMA(HALVES) ".<D: f32>.<C: f32>", "=?*f32, ?*f16x2, ?*f16x2, ?*f32", choose_product<float>, p, 60, 70, false, "wmma"},
    {WMMA(HALVES) ".<D: f16>.<C: f16>", "=?*f16x2, ?*f16x2, ?*f16x2, ?*f16x2", choose_product<float>, p, 60, 70, false, "wmma"},
    {WMMA(HALVES) ".<D: f32>.<C: f16>", "=?*f32, ?*f16x2, ?*f16x2, ?*f16x2", choose_product<float>, p, 60, 70, false, "wmma"},
    {WMMA(HALVES) ".<D: f16>.<C: f32>", "=?*f16x2, ?*f16x2, ?*f16x2, ?*f32", choose_product<float>, p, 60, 70, false, "wmma"},
    {WMMA(HALVES) ".<D: f32>.<A: bf16>.<B: bf16>.<C: f32>", "=?*f32, ?*bf16x2, ?*bf16x2, ?*f32", choose_product<float>, p, 70, 80, false, "wmma"},
    {WMMA("m16n16k8") ".<D: f32>.<A: tf32>.<B: tf32>.<C: f32>", "=?*f32, ?*tf32, ?*tf32, ?*f32", choose_product<float>, p, 70, 80, false, "wmma"},
    {WMMA("m8n8k4") "{.<R: rn rz rm rp>}.<D: f64>.<A: f64>.<B: f64>.<C: f64>", "=?*f64, ?*f64, ?*f64, ?*f64", choose_product<double>, p, 70, 80, false, "wmma"},
    {WMMA(HALVES) ".<D: s32>.<A: s8>.<B: s8>.<C: s32>{.satfinite}", "=?*s32, ?*b32, ?*b32, ?*s32", choose_product<std::int32_t>, p, 63, 72, false, "wmma"},
    {WMMA(HALVES) ".<D: s32>.<A: u8>.<B: u8>.<C: s32>{.satfinite}", "=?*s32, ?*b32, ?*b32, ?*s32", choose_product<std::int32_t>, p, 63, 72, false, "wmma"},
    {"wmma.mma.sync.aligned.row.col.<P: m8n8k32>.<D: s32>.<A: s4>.<B: s4>.<C: s32>{.satfinite}", "=?*s32, ?*b32, ?*b32, ?*s32", choose_product<std::int32_t>, p, 63, 75, false, "wmma"},
    {"wmma.mma.sync.aligned.row.col.<P: m8n8k32>.<D: s32>.<A: u4>.<B: u4>.<C: s32>{.satfinite}", "=?*s32, ?*b32, ?*b32, ?*s32", choose_product<std::int32_t>, p, 63, 75, false, "wmma"},
    {"wmma.mma.xor.popc.sync.aligned.row.col.<P: m8n8k128>.<D: s32>.<A: b1>.<B: b1>.<C: s32>", "=?*s32, ?*b32, ?*b32, ?*s32", choose_product<std::int32_t>, p, 63, 75, false, "wmma"},
    {"wmma.mma.and.popc.sync.aligned.row.col.<P: m8n8k128>.<D: s32>.<A: b1>.<B: b1>.<C: s32>", "=?*s32, ?*b32, ?*b32, ?*s32", choose_product<std::int32_t>, p, 71, 80, false, "wmma"},
};

}  // namespace

std::span<const Form> wmma_forms() { return table; }

}  // namespace triptych::emulator
