// mma.sync and mma.sp: D = A · B + C for one warp, all four in registers.
#include <charconv>
#include <cstring>
#include <memory>

#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/float.h"
#include "emulator/instruction/fragment.h"
#include "emulator/instruction/matrix.h"
#include "emulator/instruction/sparse.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator {
namespace {

/// What Instr::extra says. Registers of D, A, B and C are in the list, in this order; a sparse A's metadata
/// is in op[0].
struct Product {
  Type a = Type::none, b = Type::none;
  bool tall = true;          ///< 16 rows, else 8
  bool half = false;         ///< C and D are f16, two in a register
  bool saturate = false;
  IntegerProduct product = IntegerProduct::multiply;
  bool sparse = false, ordered = false;
  int selector = 0;

  explicit Product(std::uint32_t extra)
      : a(static_cast<Type>(extra & 0xFF)), b(static_cast<Type>(extra >> 8 & 0xFF)), tall((extra >> 16 & 1) != 0),
        half((extra >> 17 & 1) != 0), saturate((extra >> 18 & 1) != 0), product(static_cast<IntegerProduct>(extra >> 20 & 3)),
        sparse((extra >> 22 & 1) != 0), ordered((extra >> 23 & 1) != 0), selector(static_cast<int>(extra >> 24)) {}
  Product() = default;
  std::uint32_t pack() const {
    return static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b) << 8 | (tall ? 1u << 16 : 0u) |
           (half ? 1u << 17 : 0u) | (saturate ? 1u << 18 : 0u) | static_cast<std::uint32_t>(product) << 20 |
           (sparse ? 1u << 22 : 0u) | (ordered ? 1u << 23 : 0u) | static_cast<std::uint32_t>(selector) << 24;
  }
  std::uint32_t strips() const { return tall ? 2 : 1; }
  std::uint32_t results() const { return half ? strips() : 2 * strips(); }
};

/// Operands of one warp, unpacked.
template <class Value>
struct Operands {
  int depth;   ///< of A as it is stored
  std::array<Rows<Value>, 2> a;
  std::array<Columns<Value>, 2> b;

  Operands(Warp& w, const Instr& i, const Product& p) {
    const std::uint32_t deeper = p.sparse ? 2 : 1;
    const std::uint32_t first = p.results(), groups = (i.list_count - 2 * first) / (p.strips() + deeper);
    depth = static_cast<int>(groups) * 4 * per_word(p.a);
    with_codec<Value>(p.a, [&]<class Codec>() {
      for (std::uint32_t r = 0; r < groups * p.strips(); ++r) {
        unpack_rows<Codec>(w.in<typename Codec::Word>(w.list(i, first + r)), static_cast<int>(r / p.strips()), a[r % p.strips()]);
      }
    });
    with_codec<Value>(p.b, [&]<class Codec>() {
      for (std::uint32_t r = 0; r < deeper * groups; ++r) {
        unpack_columns<Codec>(w.in<typename Codec::Word>(w.list(i, first + groups * p.strips() + r)), static_cast<int>(r), b);
      }
    });
  }
};

/// The B that the rows of strip s meet, for the even or the odd columns.
template <class Value>
std::unique_ptr<Rows<Value>> met_by(Warp& w, const Instr& i, const Product& p, const Operands<Value>& o, std::uint32_t s, std::uint32_t odd) {
  auto met = std::make_unique<Rows<Value>>();
  select(o.b[odd], sparse_places(w.in<std::uint32_t>(i.op[0]), p.a, o.depth, p.selector, p.ordered, static_cast<int>(s)), o.depth, *met);
  return met;
}

/// multiply(s, odd, d) adds the product of A's strip s with the even or the odd columns to d.
template <class Multiply>
void each_strip_of_floats(Warp& w, const Instr& i, const Product& p, Multiply&& multiply) {
  for (std::uint32_t s = 0; s < p.strips(); ++s) {
    float d[2][warp_size];
    const std::uint32_t first = p.half ? s : 2 * s, c = i.list_count - p.results() + first;
    for (std::uint32_t odd = 0; odd < 2; ++odd) {
      if (p.half) {
        const auto* from = w.in<std::uint32_t>(w.list(i, c));
        for (int l = 0; l < warp_size; ++l) d[odd][l] = f16_value(static_cast<std::uint16_t>(from[l] >> 16 * odd));
      } else {
        std::memcpy(d[odd], w.in<float>(w.list(i, c + odd)), sizeof d[odd]);
      }
      multiply(s, odd, d[odd]);
    }
    if (p.half) {
      auto* to = w.out<std::uint32_t>(w.list(i, first));
      for (int l = 0; l < warp_size; ++l) to[l] = f16_bits(d[0][l]) | static_cast<std::uint32_t>(f16_bits(d[1][l])) << 16;
    } else {
      for (std::uint32_t odd = 0; odd < 2; ++odd) std::memcpy(w.out<float>(w.list(i, first + odd)), d[odd], sizeof d[odd]);
    }
  }
}

void floats(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  const Product p(i.extra);
  const Operands<float> o(w, i, p);
  const bool exact = w.machine().options().exact_tensor;
  const TensorNumerics numerics{.half = p.half, .least_c = least_exponent(p.half ? Type::f16 : Type::f32)};
  if (p.sparse) {
    return each_strip_of_floats(w, i, p, [&](std::uint32_t s, std::uint32_t odd, float* d) {
      multiply_once(o.a[s], *met_by(w, i, p, o, s, odd), p.a, p.b, o.depth, exact, numerics, d);
    });
  }
  std::array<Significands<Rows<float>>, 2> sa;
  std::array<Significands<Columns<float>>, 2> sb;
  if (exact) {
    for (std::size_t s = 0; s < p.strips(); ++s) split(o.a[s], o.depth, least_exponent(p.a), sa[s]);
    for (std::size_t s = 0; s < 2; ++s) split(o.b[s], o.depth, least_exponent(p.b), sb[s]);
  }
  each_strip_of_floats(w, i, p, [&](std::uint32_t s, std::uint32_t odd, float* d) {
    if (exact) {
      multiply_exact(o.a[s], o.b[odd], sa[s], sb[odd], o.depth, numerics, d);
    } else {
      multiply_fast(o.a[s], o.b[odd], o.depth, d);
    }
  });
}

template <class Value>
void whole_numbers(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  const Product p(i.extra);
  const Operands<Value> o(w, i, p);
  for (std::uint32_t r = 0; r < p.results(); ++r) {
    Value d[warp_size];
    std::memcpy(d, w.in<Value>(w.list(i, i.list_count - p.results() + r)), sizeof d);
    if constexpr (std::is_same_v<Value, double>) {
      multiply_double(o.a[r / 2], o.b[r % 2], o.depth, d);
    } else if (p.sparse) {
      multiply_integer(o.a[r / 2], *met_by(w, i, p, o, r / 2, r % 2), o.depth, p.product, p.saturate, d);
    } else {
      multiply_integer(o.a[r / 2], o.b[r % 2], o.depth, p.product, p.saturate, d);
    }
    std::memcpy(w.out<Value>(w.list(i, r)), d, sizeof d);
  }
}

/// The number after `letter` in a shape such as m16n8k32.
int extent(std::string_view shape, char letter) {
  const std::size_t at = shape.find(letter) + 1;
  int value = 0;
  std::from_chars(shape.data() + at, shape.data() + shape.size(), value);
  return value;
}

template <Run run>
Run choose(Choice& c) {
  Product p;
  p.a = c.type("A");
  p.b = c["B"].empty() ? p.a : c.type("B");
  p.tall = extent(c["P"], 'm') == 16;
  p.half = c["D"] == "f16";
  p.saturate = c.has("satfinite");
  if (p.a == Type::b1) p.product = c.has("xor") ? IntegerProduct::bits_xor : IntegerProduct::bits_and;
  p.ordered = c.has("sp::ordered_metadata");
  p.sparse = p.ordered || c.has("sp");
  const int depth = extent(c["P"], 'k') / (p.sparse ? 2 : 1);   // of A as it is stored
  if (!c.imm.empty()) {
    if (c.imm[0] < 0 || c.imm[0] >= sparse_selectors(p.a, depth)) return nullptr;
    p.selector = static_cast<int>(c.imm[0]);
  }
  c.extra = p.pack();
  const int groups = depth / (p.a == Type::b1 ? 32 : per_word(p.a)) / 4;
  const int strips = static_cast<int>(p.strips()), results = static_cast<int>(p.results());
  c.vector_length = {results, groups * strips, p.sparse ? 2 * groups : groups, results};
  c.ticks = 16;
  return with_rounding<run>(c["R"]);
}

constexpr std::uint8_t f = Instr::control | Instr::aligned | Instr::tensor;
#define MMA(shapes) "mma.sync.aligned.<P: " shapes ">.row.col"
// The types of registers are ptxas' own: of bf16x2 and tf32 untyped ones alone.
#define F32(ab) "=?*f32, ?*" ab ", ?*" ab ", ?*f32"
#define F16(ab) "=?*f16x2, ?*" ab ", ?*" ab ", ?*f16x2"
#define S32 "=?*s32, ?*b32, ?*b32, ?*s32"
#define F64 "=?*f64, ?*f64, ?*f64, ?*f64"
#define SPARSE_OF(kind, shapes, types, operands, run, version, target) \
    {"mma.<S: " kind ">.sync.aligned.<P: " shapes ">.row.col" types, operands ", !b32, imm", choose<run>, f, version, target, false, "mma_sparse"}
#define SPARSE(shapes, types, operands, run, version, target)        \
    SPARSE_OF("sp", shapes, types, operands, run, version, target), \
        SPARSE_OF("sp::ordered_metadata", shapes, types, operands, run, 85, target)
const Form table[] = {
    {MMA("m16n8k8") ".f32.<A: f16>.<B: f16>.f32", F32("f16x2"), choose<floats>, f, 65, 75, false, "mma"},
    {MMA("m16n8k16") ".f32.<A: f16>.<B: f16>.f32", F32("f16x2"), choose<floats>, f, 70, 80, false, "mma"},
    {MMA("m16n8k8") ".<D: f16>.<A: f16>.<B: f16>.<C: f16>", F16("f16x2"), choose<floats>, f, 65, 75, false, "mma"},
    {MMA("m16n8k16") ".<D: f16>.<A: f16>.<B: f16>.<C: f16>", F16("f16x2"), choose<floats>, f, 70, 80, false, "mma"},
    {MMA("m16n8k8 m16n8k16") ".f32.<A: bf16>.<B: bf16>.f32", F32("bf16x2"), choose<floats>, f, 70, 80, false, "mma"},
    {MMA("m16n8k4 m16n8k8") ".f32.<A: tf32>.<B: tf32>.f32", F32("tf32"), choose<floats>, f, 70, 80, false, "mma"},
    {MMA("m16n8k32") ".f32.<A: e4m3 e5m2>.<B: e4m3 e5m2>.f32", F32("b32"), choose<floats>, f, 84, 89, false, "mma"},
    {MMA("m16n8k16") ".f32.<A: e4m3 e5m2>.<B: e4m3 e5m2>.f32", F32("b32"), choose<floats>, f, 87, 89, false, "mma"},
    {MMA("m16n8k16 m16n8k32") ".<D: f16>.<A: e4m3 e5m2>.<B: e4m3 e5m2>.<C: f16>", F16("b32"), choose<floats>, f, 87, 89, false, "mma"},
    {MMA("m8n8k16") "{.satfinite}.s32.<A: s8 u8>.<B: s8 u8>.s32", S32, choose<whole_numbers<std::int32_t>>, f, 65, 75, false, "mma"},
    {MMA("m16n8k16 m16n8k32") "{.satfinite}.s32.<A: s8 u8>.<B: s8 u8>.s32", S32, choose<whole_numbers<std::int32_t>>, f, 70, 80, false, "mma"},
    {MMA("m8n8k32") "{.satfinite}.s32.<A: s4 u4>.<B: s4 u4>.s32", S32, choose<whole_numbers<std::int32_t>>, f, 65, 75, false, "mma"},
    {MMA("m16n8k32 m16n8k64") "{.satfinite}.s32.<A: s4 u4>.<B: s4 u4>.s32", S32, choose<whole_numbers<std::int32_t>>, f, 70, 80, false, "mma"},
    {MMA("m8n8k128") ".s32.<A: b1>.<B: b1>.s32.<O: xor>.popc", S32, choose<whole_numbers<std::int32_t>>, f, 70, 75, false, "mma"},
    {MMA("m16n8k128 m16n8k256") ".s32.<A: b1>.<B: b1>.s32.<O: xor>.popc", S32, choose<whole_numbers<std::int32_t>>, f, 70, 80, false, "mma"},
    {MMA("m8n8k128 m16n8k128 m16n8k256") ".s32.<A: b1>.<B: b1>.s32.<O: and>.popc", S32, choose<whole_numbers<std::int32_t>>, f, 71, 80, false, "mma"},
    {MMA("m8n8k4") "{.<R: rn rz rm rp>}.f64.<A: f64>.<B: f64>.f64", F64, choose<whole_numbers<double>>, f, 70, 80, false, "mma"},
    {MMA("m16n8k4 m16n8k8 m16n8k16") "{.<R: rn rz rm rp>}.f64.<A: f64>.<B: f64>.f64", F64, choose<whole_numbers<double>>, f, 78, 90, false, "mma"},
    SPARSE("m16n8k16 m16n8k32", ".f32.<A: f16>.<B: f16>.f32", F32("f16x2"), floats, 71, 80),
    SPARSE("m16n8k16 m16n8k32", ".<D: f16>.<A: f16>.<B: f16>.<C: f16>", F16("f16x2"), floats, 71, 80),
    SPARSE("m16n8k16 m16n8k32", ".f32.<A: bf16>.<B: bf16>.f32", F32("bf16x2"), floats, 71, 80),
    SPARSE("m16n8k8 m16n8k16", ".f32.<A: tf32>.<B: tf32>.f32", F32("tf32"), floats, 71, 80),
    SPARSE("m16n8k64", ".f32.<A: e4m3 e5m2>.<B: e4m3 e5m2>.f32", F32("b32"), floats, 84, 89),
    SPARSE("m16n8k32 m16n8k64", "{.satfinite}.s32.<A: s8 u8>.<B: s8 u8>.s32", S32, whole_numbers<std::int32_t>, 71, 80),
    SPARSE("m16n8k64 m16n8k128", "{.satfinite}.s32.<A: s4 u4>.<B: s4 u4>.s32", S32, whole_numbers<std::int32_t>, 71, 80),
};

}  // namespace

std::span<const Form> mma_forms() { return table; }

}  // namespace triptych::emulator
