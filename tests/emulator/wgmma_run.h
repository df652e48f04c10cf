/// \file
/// Kernels of one wgmma: operands laid out in shared memory by the descriptor's formulas, D and A in registers by
/// the ISA's tables.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/emulator/matrix_model.h"
#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {

/// How an operand lies in shared memory.
struct Layout {
  int width = 16;          ///< bytes of the swizzle's rows; 16: none
  bool turned = false;     ///< MN-major
};

struct Case {
  int n;
  Type a, b, d;
  Layout la, lb;
  bool registers = false, satfinite = false, adds = true;
  int scale_a = 1, scale_b = 1;
  int slice = 0;           ///< which 32 bytes along K of a 128-byte swizzled row
  bool sparse = false;
  int selector = 0;
};

inline int element_bits(Type t) { return t == Type::tf32 ? 32 : bits_of(t); }
/// Elements of a row of A as it is stored, and of a column of B.
inline int stored_of(const Case& c) { return 256 / element_bits(c.a); }
inline int depth_of(const Case& c) { return stored_of(c) * (c.sparse ? 2 : 1); }

inline constexpr int operand_bytes = 64 * 1024, base = 1024;   // each operand's room in shared memory

inline std::uint32_t swizzle(std::uint32_t a, int width) {
  if (width == 128) return a ^ ((a >> 3) & 0x70);
  if (width == 64) return a ^ ((a >> 3) & 0x30);
  return width == 32 ? a ^ ((a >> 3) & 0x10) : a;
}

struct Place {
  std::uint32_t start, leading, stride;
};
/// Offsets for an operand of `extent` rows that begins at `at`, with gaps between its parts.
inline Place place(const Layout& l, int extent, std::uint32_t at, int slice) {
  const auto rows = static_cast<std::uint32_t>(extent);
  if (l.turned) {
    if (l.width == 16) return {at, rows / 8 * 128 + 64, 128};                  // stride: 8 elements along MN
    return {at, 16 * static_cast<std::uint32_t>(l.width) * 2, 8 * static_cast<std::uint32_t>(l.width)};
  }
  if (l.width == 16) return {at, rows / 8 * 128 + 64, 128};
  return {at + 32 * static_cast<std::uint32_t>(slice), 16, 8 * static_cast<std::uint32_t>(l.width)};
}
/// The address of element (mn, k), without sub-byte elements' place in the byte.
inline std::uint32_t address(const Layout& l, const Place& p, int bits, int mn_, int k_) {
  const auto mn = static_cast<std::uint32_t>(mn_), k = static_cast<std::uint32_t>(k_), w = static_cast<std::uint32_t>(l.width);
  std::uint32_t a = 0;
  if (!l.turned) {
    const std::uint32_t byte = k * static_cast<std::uint32_t>(bits) / 8;
    a = p.start + mn % 8 * w + mn / 8 * p.stride + byte / 16 * (w == 16 ? p.leading : 16) + byte % 16;
  } else if (w == 16) {
    a = p.start + mn % 8 * 2 + mn / 8 * p.stride + k % 8 * 16 + k / 8 * p.leading;
  } else {
    const std::uint32_t atom = w / 2;
    a = p.start + mn % atom * 2 + mn / atom * p.leading + k % 8 * w + k / 8 * p.stride;
  }
  return swizzle(a, l.width);
}

inline std::uint64_t descriptor(const Layout& l, const Place& p) {
  const std::uint64_t mode = l.width == 128 ? 1 : l.width == 64 ? 2 : l.width == 32 ? 3 : 0;
  return p.start >> 4 | std::uint64_t{p.leading >> 4} << 16 | std::uint64_t{p.stride >> 4} << 32 | mode << 62;
}

inline std::string list(const std::string& name, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += fmt::format("{}{}{}", i == 0 ? "{" : ", ", name, i);
  return text + "}";
}

inline std::string opcode(const Case& c) {
  const std::string tail = c.a == Type::b1 ? ".and.popc" : "";
  return fmt::format("wgmma.mma_async{}.sync.aligned.m64n{}k{}{}.{}.{}.{}{}", c.sparse ? ".sp" : "", c.n, depth_of(c), c.satfinite ? ".satfinite" : "",
                     name_of(c.d), name_of(c.a), name_of(c.b), tail);
}

/// A kernel of one warpgroup: copies `image` to shared memory, loads D (and A), multiplies, stores D.
inline std::string kernel(const Case& c, int registers, const std::string& after = "") {
  std::string tail = c.sparse ? fmt::format(", e, {}", c.selector) : "";
  tail += c.adds ? ", 1" : ", p";
  if (is_float(c.a)) {
    tail += fmt::format(", {}, {}", c.scale_a, c.scale_b);
    if (element_bits(c.a) == 16) tail += fmt::format("{}, {}", c.registers ? "" : c.la.turned ? ", 1" : ", 0", c.lb.turned ? 1 : 0);
  }
  std::string loads, stores;
  for (int i = 0; i < registers; ++i) {
    loads += fmt::format("ld.global.b32 d{}, [l+{}];\n", i, i * 512);
    stores += fmt::format("st.global.b32 [l+{}], d{};\n", i * 512, i);
  }
  const std::string product = fmt::format("{} {}, {}, bd, {};\n", opcode(c), list("d", registers), c.registers ? "{a0, a1, a2, a3}" : "ad", tail.substr(2));
  return fmt::format(R"(
.extern .shared .align 1024 .b8 room[];
.visible .entry k(.param .u64 image, .param .u64 pa, .param .u64 pe, .param .u64 pd, .param .u64 da, .param .u64 db)
{{
.reg .b32 t, s, v, n, e, d<{0}>, a<4>; .reg .b64 g, l, ad, bd; .reg .pred p, q;
mov.u32 t, %tid.x;
mov.u32 n, 0;
ld.param.u64 g, [image];
mad.wide.u32 g, t, 4, g;
mad.lo.u32 s, t, 4, 1024;
Lcopy:
ld.global.u32 v, [g];
st.shared.u32 [s], v;
add.u64 g, g, 512;
add.u32 s, s, 512;
add.u32 n, n, 512;
setp.lt.u32 q, n, {1};
@q bra Lcopy;
fence.proxy.async;
bar.sync 0;
ld.param.u64 g, [pa];
mad.wide.u32 g, t, 4, g;
ld.global.b32 a0, [g];
ld.global.b32 a1, [g+512];
ld.global.b32 a2, [g+1024];
ld.global.b32 a3, [g+1536];
ld.param.u64 g, [pe];
mad.wide.u32 g, t, 4, g;
ld.global.b32 e, [g];
ld.param.u64 l, [pd];
mad.wide.u32 l, t, 4, l;
{2}
ld.param.u64 ad, [da];
ld.param.u64 bd, [db];
setp.ne.u32 p, t, t;
wgmma.fence.sync.aligned;
{3}wgmma.commit_group.sync.aligned;
{5}
wgmma.wait_group.sync.aligned 0;
{4}
ret;
}}
)", registers, 2 * operand_bytes, loads, product, stores, after);
}

struct Matrices {
  std::vector<std::uint32_t> a, b, c, d;   ///< 64 × K (stored), N × K, 64 × N, 64 × N
  SparseRows sparse;
};

/// Where element i of D or A that thread t holds lies.
inline std::pair<int, int> d_at(int t, int i) { return {16 * (t / 32) + t % 32 / 4 + 8 * (i >> 1 & 1), 8 * (i / 4) + 2 * (t % 4) + (i & 1)}; }
inline std::pair<int, int> a_at(int bits, int t, int i) {
  const int row = 16 * (t / 32) + t % 32 / 4, q = t % 4;
  if (bits == 16) return {row + 8 * (i >> 1 & 1), 8 * (i / 4) + 2 * q + (i & 1)};
  if (bits == 8) return {row + 8 * (i >> 2 & 1), 16 * (i / 8) + 4 * q + (i & 3)};
  if (bits == 32) return {row + 8 * (i & 1), 4 * (i / 2) + q};
  return {row + 8 * (i >> 5 & 1), 128 * (i / 64) + 32 * q + (i & 31)};   // single bits
}

/// Fills A, B and C, runs the kernel, and takes D. Returns the report of a fault.
inline std::string multiply(const Case& c, Matrices& m, MachineOptions options, bool wild, unsigned seed) {
  std::mt19937_64 random(seed);
  const int stored = stored_of(c), depth = depth_of(c), bits = element_bits(c.a);
  const auto fill = [&](std::vector<std::uint32_t>& to, int count, Type type) {
    to.resize(static_cast<std::size_t>(count));
    for (auto& value : to) {
      value = random_element(type, random, wild);
      if (type == Type::s32 && c.satfinite) value = random() % 2 != 0 ? 0x7FFFFF00 : 0x80000100;
    }
  };
  fill(m.a, 64 * stored, c.a);
  fill(m.b, c.n * depth, c.b);
  fill(m.c, 64 * c.n, c.d);
  std::vector<std::uint8_t> image(2 * operand_bytes);
  // Of a sparse A's B a slice has 64 bytes, that begin at 64 at most.
  const Place pa = place(c.la, 64, base, c.slice), pb = place(c.lb, c.n, base + operand_bytes, c.sparse ? std::min(c.slice, 2) : c.slice);
  const auto lay = [&](const Layout& l, const Place& p, const std::vector<std::uint32_t>& values, int extent, int columns) {
    for (int mn = 0; mn < extent; ++mn) {
      for (int k = 0; k < columns; ++k) {
        const std::uint32_t at = address(l, p, bits, mn, k) - base, value = values[static_cast<std::size_t>(mn * columns + k)];
        if (bits == 1) image[at] |= static_cast<std::uint8_t>(value << k % 8);
        else std::memcpy(&image[at], &value, static_cast<std::size_t>(bits / 8));
      }
    }
  };
  lay(c.la, pa, m.a, 64, stored);
  lay(c.lb, pb, m.b, c.n, depth);
  m.sparse.metadata.resize(128);
  if (c.sparse) m.sparse = random_places(64, stored, bits, c.selector, false, random);
  const int per = 32 / element_bits(c.d), registers = c.n / 2 / per;
  std::vector<std::uint32_t> ra(4 * 128), rd(static_cast<std::size_t>(registers) * 128);
  for (int t = 0; t < 128; ++t) {
    for (int i = 0; i < 64 * stored / 128; ++i) {
      const auto [row, k] = a_at(bits, t, i);
      ra[static_cast<std::size_t>(i * bits / 32 * 128 + t)] |= m.a[static_cast<std::size_t>(row * stored + k)] << i * bits % 32;
    }
    for (int i = 0; i < c.n / 2; ++i) {
      const auto [row, column] = d_at(t, i);
      rd[static_cast<std::size_t>(i / per * 128 + t)] |= m.c[static_cast<std::size_t>(row * c.n + column)] << i % per * 16;
    }
  }
  Program program(kernel(c, registers), options);
  const std::uint64_t d = program.buffer(rd);
  const std::string fault = program.run("k", {program.buffer(image), program.buffer(ra), program.buffer(std::vector<std::uint32_t>(m.sparse.metadata.begin(), m.sparse.metadata.end())), d, descriptor(c.la, pa), descriptor(c.lb, pb)},
                                        {.block = {128, 1, 1}, .dynamic_shared = 2 * operand_bytes});
  const auto after = program.read<std::uint32_t>(d, rd.size());
  m.d.resize(m.c.size());
  for (int t = 0; t < 128; ++t) {
    for (int i = 0; i < c.n / 2; ++i) {
      const auto [row, column] = d_at(t, i);
      const std::uint32_t word = after[static_cast<std::size_t>(i / per * 128 + t)];
      m.d[static_cast<std::size_t>(row * c.n + column)] = per == 1 ? word : word >> i % 2 * 16 & 0xFFFF;
    }
  }
  return fault;
}

}  // namespace triptych::emulator::test
