/// \file
/// Kernels that copy elements of every type between spaces.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {

inline constexpr std::uint32_t lane_bytes = 64, warp_bytes = lane_bytes * warp_size;

/// One access: so many elements of a type, through registers of so many bits, at a displacement.
struct Element {
  Type type;
  int count, container, at;
};

/// All types, vectors up to 128 bits, and registers as wide as the type and wider.
inline std::vector<Element> elements(bool vectors) {
  std::vector<Element> all;
  for (const Type t : {Type::b8, Type::u8, Type::s8, Type::b16, Type::u16, Type::s16, Type::b32, Type::u32, Type::s32,
                       Type::b64, Type::u64, Type::s64, Type::f32, Type::f64, Type::b128}) {
    for (const int count : {1, 2, 4}) {
      if (count * bits_of(t) > 128 || (count > 1 && !vectors)) continue;
      for (int container = std::max(16, bits_of(t)); container <= std::max(64, bits_of(t)); container *= 2) {
        if (is_float(t) && container != bits_of(t)) break;
        const int bytes = count * bytes_of(t);
        all.push_back({t, count, container, static_cast<int>(all.size()) * bytes % static_cast<int>(lane_bytes)});
      }
    }
  }
  return all;
}

inline std::string register_of(const Element& e, int i) {
  return fmt::format("%{}_{}", is_float(e.type) ? std::string(name_of(e.type)) : fmt::format("b{}", e.container), i);
}
inline std::string registers_of(const Element& e) {
  std::string list;
  for (int i = 0; i < e.count; ++i) list += (i > 0 ? ", " : "") + register_of(e, i);
  return e.count > 1 ? "{" + list + "}" : list;
}
/// ".v2.u8"
inline std::string suffix(const Element& e) {
  return (e.count > 1 ? fmt::format(".v{}.", e.count) : ".") + std::string(name_of(e.type));
}

/// Where a test's accesses go: how %a (or %s, 32 bits) comes to point at the lane's 64 bytes.
struct Place {
  std::string space;      ///< as opcodes name it: ".shared"
  std::string module;     ///< declarations
  std::string own;        ///< declarations and instructions of the kernel
  std::string base = "%a";
  bool filled = true;     ///< the lane's bytes have to be copied there from global memory
  bool alike = false;     ///< all lanes see the first lane's bytes
};

inline const std::string to_own = "mad.lo.u32 %s, %lane, 64, %s;\n";
inline Place global_place() { return {".global", "", "mov.b64 %a, %g;\n", "%a", false}; }
inline Place generic_place() { return {"", "", "mov.b64 %a, %g;\n", "%a", false}; }
inline Place shared_place(const std::string& space) {
  return {space, "", ".shared .align 16 .b8 space[2048];\nmov.u32 %s, space;\n" + to_own, "%s"};
}
inline Place local_place() { return {".local", "", ".local .align 16 .b8 space[64];\nmov.u64 %a, space;\n"}; }
/// A parameter of the kernel: `image`, the last one.
inline Place parameter_place(const std::string& space) { return {space, "", "", "image", false, true}; }
/// A generic address in shared memory.
inline Place window_place() {
  return {"", "", fmt::format(".shared .align 16 .b8 space[2048];\nmov.u32 %s, space;\n{}mov.u32 %t0, 0;\nmov.b64 %a, {{%s, %t0}};\nor.b64 %a, %a, {};\n", to_own, window::shared)};
}
inline Place constant_place(const std::vector<std::uint8_t>& bytes) {
  return {".const", fmt::format(".const .align 16 .b8 table[{}] = {{{}}};\n", warp_bytes, fmt::join(bytes, ", ")),
          "mov.u64 %a, table;\nmad.wide.u32 %a, %lane, 64, %a;\n", "%a", false};
}

inline const std::string registers =
    ".reg .b16 %b16_<4>; .reg .b32 %b32_<4>, %lane, %s, %t<4>; .reg .b64 %b64_<4>, %a, %g, %o, %x, %policy; .reg .b128 %b128_0;\n"
    ".reg .f32 %f32_<4>; .reg .f64 %f64_<4>; .reg .pred p;\n";
/// Each lane's place among the bytes at `from`, its place at `to`, and whether it takes part.
inline const std::string beginning =
    "mov.u32 %lane, %laneid;\nld.param.u64 %g, [from];\nmad.wide.u32 %g, %lane, 64, %g;\n"
    "ld.param.u64 %o, [to];\nmad.wide.u32 %o, %lane, 64, %o;\n"
    "ld.param.u32 %t0, [lanes];\nshr.b32 %t0, %t0, %lane;\nand.b32 %t0, %t0, 1;\nsetp.ne.b32 p, %t0, 0;\n"
    "createpolicy.fractional.L2::evict_last.b64 %policy, 0f3F800000;\n";
inline const std::string parameters = ".param .u64 from, .param .u64 to, .param .u32 lanes";

/// Copies the lane's 64 bytes.
inline std::string copy(const std::string& from_space, const std::string& from, const std::string& to_space, const std::string& to) {
  std::string text;
  for (int b = 0; b < 64; b += 16) {
    text += fmt::format("ld{}.v4.b32 {{%t0, %t1, %t2, %t3}}, [{}+{}];\nst{}.v4.b32 [{}+{}], {{%t0, %t1, %t2, %t3}};\n",
                        from_space, from, b, to_space, to, b);
  }
  return text;
}

inline std::vector<std::uint8_t> random_bytes(std::size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> bytes(count);
  for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
  return bytes;
}

/// What a register of `container` bits holds of the element: sign-extended for signed types.
inline std::vector<std::uint8_t> widened(const std::uint8_t* memory, const Element& e) {
  const auto own = static_cast<std::size_t>(bytes_of(e.type));
  std::vector<std::uint8_t> value(memory, memory + own);
  value.resize(static_cast<std::size_t>(e.container / 8), is_signed(e.type) && (memory[own - 1] & 0x80) != 0 ? 0xFF : 0);
  return value;
}

}  // namespace triptych::emulator::test
