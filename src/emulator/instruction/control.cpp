// Branches, calls, and the end of a kernel. Barriers are in barrier.cpp, the system's functions in
// builtin.cpp.
#include <algorithm>
#include <bit>

#include "emulator/instruction/barrier.h"
#include "emulator/instruction/builtin.h"
#include "emulator/instruction/lanes.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator {
namespace {

void bra(Warp& w, const Instr& i) { w.branch(w.exec(), static_cast<std::uint32_t>(i.imm)); }

/// brx.idx: op[0] is an index in the list of targets.
void brx(Warp& w, const Instr& i) {
  const auto* index = w.in<std::uint32_t>(i.op[0]);
  Lanes<std::uint32_t> targets{};
  for (int l = 0; l < warp_size; ++l) {
    if ((w.exec() >> l & 1) == 0) continue;
    if (index[l] >= i.list_count) {
      throw KernelFault{FaultKind::invalid_pc,
                        "index " + std::to_string(index[l]) + " of " + std::to_string(i.list_count) + " branch targets",
                        Mask{1} << l};
    }
    targets[l] = w.code().targets[i.list + index[l]];
  }
  w.branch_each(targets);
}

/// Copies values between a caller's frame and a callee's, for some lanes. `read` gives a source's row.
class Passing {
 public:
  Passing(Warp& warp, Mask lanes) : warp_(warp), lanes_(lanes) {}

  void copy(Frame& from, const std::vector<CallValue>& sources, Frame& to, const std::vector<CallValue>& targets) {
    for (std::size_t i = 0; i < std::min(sources.size(), targets.size()); ++i) {
      const std::uint32_t bytes = std::min(sources[i].bytes, targets[i].bytes);
      if (targets[i].bytes == 0) {
        Mask& old = to.predicates[targets[i].slot.predicate_index()];
        old = (old & ~lanes_) | (mask_of(from, sources[i].slot) & lanes_);
        continue;
      }
      for (Mask left = lanes_; left != 0; left &= left - 1) {
        const int l = std::countr_zero(left);
        std::uint8_t value[16] = {};
        // Local memory may move when it grows: one pointer at a time.
        if (sources[i].slot.absent()) {
          for (std::uint32_t b = 0; b < bytes; b += 16) {
            const std::uint32_t part = std::min(16u, bytes - b);
            std::memcpy(value, warp_.local(l, from.local_base + sources[i].local + b, part), part);
            put(to, targets[i], l, b, value, part);
          }
        } else {
          const std::uint8_t* row = row_of(from, sources[i].slot);
          std::memcpy(value, row + lane_bytes(sources[i].bytes) * static_cast<std::uint32_t>(l), bytes);
          put(to, targets[i], l, 0, value, bytes);
        }
      }
    }
  }

 private:
  static std::uint32_t lane_bytes(std::uint32_t bytes) { return std::max(4u, bytes); }
  static Mask mask_of(const Frame& frame, Slot slot) {
    const Mask value = frame.predicates[slot.predicate_index()];
    return slot.negated() ? ~value : value;
  }
  std::uint8_t* row_of(Frame& frame, Slot slot) const {
    std::uint8_t* base = slot.bank() == Slot::frame ? frame.rows
                         : slot.bank() == Slot::constants ? const_cast<std::uint8_t*>(frame.code->constants.data())
                                                          : warp_.bank_[Slot::specials];
    return base + slot.byte_offset();
  }
  void put(Frame& to, const CallValue& target, int l, std::uint32_t at, const std::uint8_t* value, std::uint32_t bytes) {
    std::uint8_t* host = target.slot.absent()
                             ? warp_.local(l, to.local_base + target.local + at, bytes)
                             : row_of(to, target.slot) + lane_bytes(target.bytes) * static_cast<std::uint32_t>(l);
    std::memcpy(host, value, bytes);
  }

  Warp& warp_;
  Mask lanes_;
};

void call_one(Warp& w, const Instr& i, const CallSite& site, const FunctionCode& callee, Mask lanes, bool others_again) {
  Frame& own = w.frame();
  if (callee.instrs.empty()) return call_builtin(w, own, callee, site, lanes);
  const std::shared_ptr<Frame> keep = w.splits()[w.current()].frame;   // the call moves the split
  Frame& inside = w.call(callee, i, lanes, others_again);
  Passing(w, lanes).copy(*keep, site.arguments, inside, callee.parameters);
}

void call(Warp& w, const Instr& i) {
  const CallSite& site = w.code().calls[i.list];
  if (site.callee != nullptr) return call_one(w, i, site, *site.callee, w.exec(), false);
  // Through registers: the lanes with the first lane's callee enter it, the others try again.
  const auto* address = w.in<std::uint64_t>(i.op[0]);
  const std::uint64_t wanted = address[std::countr_zero(w.exec())];
  const auto& functions = w.cta().launch().module->functions;
  const std::uint64_t index = wanted - function_addresses;
  if (wanted < function_addresses || index >= functions.size()) {
    throw KernelFault{FaultKind::invalid_pc, "the register of an indirect call holds no function's address"};
  }
  if (functions[index]->instrs.empty()) {
    throw KernelFault{FaultKind::invalid_pc, "an indirect call of the system's function " +
                                                 std::string(functions[index]->source->name) + "; call it by name"};
  }
  const Mask same = w.exec() & lanes_where([&](int l) { return address[l] == wanted; });
  call_one(w, i, site, *functions[index], same, same != w.exec());
}

void ret(Warp& w, const Instr&) {
  Frame& own = w.frame();
  if (own.caller != nullptr) {
    const CallSite& site = own.caller->code->calls[own.call->list];
    Passing(w, w.exec()).copy(own, own.code->results, *own.caller, site.results);
  }
  w.leave();
}

void exit_(Warp& w, const Instr&) { w.exit_lanes(w.exec()); }

void trap(Warp&, const Instr&) { throw KernelFault{FaultKind::trap, "the kernel executed trap"}; }

void brkpt(Warp&, const Instr&) { throw KernelFault{FaultKind::trap, "the kernel executed brkpt"}; }

void nanosleep(Warp& w, const Instr& i) {
  if (w.ticket() != 0) {
    w.ticket() = 0;
    return;
  }
  const auto* wanted = w.in<std::uint32_t>(i.op[0]);
  std::uint32_t longest = 0;
  for (int l = 0; l < warp_size; ++l) longest = std::max(longest, (w.exec() >> l & 1) != 0 ? wanted[l] : 0);
  w.note_clock();
  w.suspend({.kind = Wait::Kind::time, .deadline = w.sm().clock() + std::min(longest, 1000000u) + 1});
  w.ticket() = 1;
}

void pmevent(Warp&, const Instr&) {}

constexpr std::uint8_t c = Instr::control;
const Form table[] = {
    {"bra{.uni}", "label", [](Choice&) { return Run(bra); }, c, 10, 20, false, "control"},
    {"brx.idx{.uni}", "u32, label", [](Choice&) { return Run(brx); }, c, 60, 30, false, "control"},
    {"call{.uni}", "list?, function, list?, label?", [](Choice&) { return Run(call); }, c, 10, 20, false, "control"},
    {"ret{.uni}", "", [](Choice&) { return Run(ret); }, c, 10, 20, false, "control"},
    {"exit", "", [](Choice&) { return Run(exit_); }, c, 10, 20, false, "control"},
    {"trap", "", [](Choice&) { return Run(trap); }, c, 10, 20, false, "control"},
    {"brkpt", "", [](Choice&) { return Run(brkpt); }, c, 10, 20, false, "control"},
    {"nanosleep.u32", "u32", [](Choice&) { return Run(nanosleep); }, c, 63, 70, false, "control"},
    {"pmevent{.mask}", "imm", [](Choice&) { return Run(pmevent); }, 0, 14, 20, false, "control"},
};

}  // namespace

std::span<const Form> control_forms() {
  static const std::vector<Form> all = [] {
    std::vector<Form> both(std::begin(table), std::end(table));
    const auto barriers = barrier_forms();
    both.insert(both.end(), barriers.begin(), barriers.end());
    return both;
  }();
  return all;
}

}  // namespace triptych::emulator
