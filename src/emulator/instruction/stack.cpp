// alloca, stacksave, stackrestore: local memory that a function takes while it runs. Each lane has its own end of
// the frame; what it took is given back by stackrestore or when the function returns.
#include "emulator/instruction/stack.h"

#include <algorithm>
#include <bit>
#include <string>

#include "emulator/instruction/lanes.h"

namespace triptych::emulator {
namespace {

constexpr std::uint64_t least_alignment = 8;

/// ptr, size; the alignment is in extra.
template <class T>
void take(Warp& w, const Instr& i) {
  const T* size = w.in<T>(i.op[1]);
  T* d = w.out<T>(i.op[0]);
  Frame& frame = w.frame();
  const std::uint64_t align = std::uint64_t{1} << i.extra;
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    const std::uint64_t at = (frame.end_of(l) + align - 1) & ~(align - 1);
    if (at > most_local || size[l] > most_local - at) {
      throw KernelFault{FaultKind::hardware_stack,
                        "alloca of " + std::to_string(size[l]) + " bytes by lane " + std::to_string(l) +
                            ": a thread has 512 KiB of local memory",
                        Mask{1} << l};
    }
    d[l] = static_cast<T>(at);
    frame.set_end(l, static_cast<std::uint32_t>(at + size[l]));
  }
  w.note_effect();
}

template <class T>
void save(Warp& w, const Instr& i) {
  const Frame& frame = w.frame();
  for_lanes(w, w.out<T>(i.op[0]), [&](int l) { return static_cast<T>(frame.end_of(l)); });
}

template <class T>
void restore(Warp& w, const Instr& i) {
  const T* end = w.in<T>(i.op[0]);
  Frame& frame = w.frame();
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    if (end[l] < frame.local_base + frame.code->local_bytes || end[l] > frame.end_of(l)) {
      throw KernelFault{FaultKind::hardware_stack,
                        "stackrestore to " + std::to_string(end[l]) + ", which no stacksave of this function gave",
                        Mask{1} << l};
    }
    frame.set_end(l, static_cast<std::uint32_t>(end[l]));
  }
  w.note_effect();
}

template <Run narrow, Run wide>
Run of_width(Choice& c) {
  return bits_of(c.type("T")) == 64 ? wide : narrow;
}

/// The alignment is a power of two of 2^23 at most.
Run choose_take(Choice& c) {
  const std::int64_t align = c.imm.empty() ? 1 : c.imm[0];
  if (align < 1 || align > 1 << 23 || !std::has_single_bit(static_cast<std::uint64_t>(align))) return nullptr;
  c.extra = static_cast<std::uint32_t>(std::countr_zero(std::max(static_cast<std::uint64_t>(align), least_alignment)));
  return of_width<take<std::uint32_t>, take<std::uint64_t>>(c);
}

#define TYPE ".<T: u32 u64>"
const Form table[] = {
    {"alloca" TYPE, "=T, T", choose_take, 0, 73, 52, false, "stack"},
    {"alloca" TYPE, "=T, T, imm", choose_take, 0, 73, 52, false, "stack"},
    {"stacksave" TYPE, "=T", of_width<save<std::uint32_t>, save<std::uint64_t>>, 0, 73, 52, false, "stack"},
    {"stackrestore" TYPE, "!T", of_width<restore<std::uint32_t>, restore<std::uint64_t>>, 0, 73, 52, false, "stack"},
};

}  // namespace

std::span<const Form> stack_forms() { return table; }

}  // namespace triptych::emulator
