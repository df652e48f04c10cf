#include "emulator/decode/moves.h"

#include "emulator/instruction/lanes.h"

namespace triptych::emulator::moves {
namespace {

/// A row of 128 bits is 32 pairs of 64-bit halves, the lower one first.
struct Quad {
  std::uint64_t low, high;
};

template <class To, class From, class F>
void convert(Warp& w, const Instr& i, F f) {
  const auto* from = w.in<From>(i.op[1]);
  for_lanes(w, w.out<To>(i.op[0]), [=](int l) { return f(from[l]); });
}

template <class T>
void read_special(Warp& w, const Instr& i) {
  const auto special = static_cast<Special>(i.extra);
  w.note_clock();
  auto* out = w.out<T>(i.op[0]);
  for (int l = 0; l < warp_size; ++l) {
    if ((w.exec() >> l & 1) != 0)
      out[l] = static_cast<T>(w.special(special, static_cast<int>(i.imm), l));
  }
}

}  // namespace

void cut_64_to_32(Warp& w, const Instr& i) {
  convert<std::uint32_t, std::uint64_t>(
      w, i, [](std::uint64_t v) { return static_cast<std::uint32_t>(v); });
}

void cut_128_to_64(Warp& w, const Instr& i) {
  convert<std::uint64_t, Quad>(w, i, [](Quad v) { return v.low; });
}

void zero_extend_16_to_32(Warp& w, const Instr& i) {
  convert<std::uint32_t, std::uint32_t>(w, i, [](std::uint32_t v) { return v & 0xFFFF; });
}

void zero_extend_32_to_64(Warp& w, const Instr& i) {
  convert<std::uint64_t, std::uint32_t>(w, i, [](std::uint32_t v) { return std::uint64_t{v}; });
}

void sign_extend_32_to_64(Warp& w, const Instr& i) {
  convert<std::uint64_t, std::uint32_t>(w, i, [](std::uint32_t v) {
    return static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(v)});
  });
}

void zero_extend_64_to_128(Warp& w, const Instr& i) {
  convert<Quad, std::uint64_t>(w, i, [](std::uint64_t v) { return Quad{v, 0}; });
}

void add_32(Warp& w, const Instr& i) {
  const auto imm = static_cast<std::uint32_t>(i.imm);
  convert<std::uint32_t, std::uint32_t>(w, i, [=](std::uint32_t v) { return v + imm; });
}

void add_64(Warp& w, const Instr& i) {
  const auto imm = static_cast<std::uint64_t>(i.imm);
  convert<std::uint64_t, std::uint64_t>(w, i, [=](std::uint64_t v) { return v + imm; });
}

void frame_base(Warp& w, const Instr& i) {
  const std::uint64_t base = w.frame().local_base;
  for_lanes(w, w.out<std::uint64_t>(i.op[0]), [=](int) { return base; });
}

void read_special_32(Warp& w, const Instr& i) { read_special<std::uint32_t>(w, i); }
void read_special_64(Warp& w, const Instr& i) { read_special<std::uint64_t>(w, i); }

}  // namespace triptych::emulator::moves
