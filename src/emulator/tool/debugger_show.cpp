// What the debugger shows: lanes, registers, barriers, where warps are.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "emulator/decode/value.h"
#include "emulator/machine/mbarrier.h"
#include "emulator/machine/report.h"
#include "emulator/tool/debugger.h"
#include "emulator/tool/error.h"
#include "emulator/tool/value.h"

namespace triptych::emulator {
namespace {

/// How a register of this type is shown, if the command does not say.
Type shown_as(Type type) {
  return type == Type::b128                            ? Type::b64
         : type == Type::f16x2 || type == Type::bf16x2 ? Type::b32
                                                       : type;
}

}  // namespace

bool Debugger::lanes(const Words&) {
  Warp& warp = focus();
  const Place p = place();
  if (&warp == at_hand_) {
    say(fmt::format("execute    {} ({})", numbers_text(warp.exec()), std::popcount(warp.exec())));
    if (warp.active() != warp.exec())
      say(fmt::format("here       {}, the guard leaves out the others",
                      numbers_text(warp.active())));
  } else {
    say(fmt::format("here       {}", numbers_text(p.lanes)));
  }
  for (const Split& s : warp.splits()) {
    if (s.frame.get() == p.frame && (s.lanes & p.lanes) != 0) continue;
    say(fmt::format("elsewhere  {} at {}{}", numbers_text(s.lanes),
                    place_text(*s.frame->code, s.pc, *session_.code().source),
                    s.wait.kind == Wait::Kind::none ? "" : ", waiting for " + wait_text(s.wait)));
  }
  return false;
}

const Register& Debugger::find_register(std::string_view name) const {
  const Function& f = *place().code->source;
  const Register* found = nullptr;
  // Of several with the name, in blocks of their own, the last that this function uses before here
  // is meant; and names that begin with % may be written without it.
  for (const Register& r : f.registers) {
    if (r.name == name || (r.name.starts_with('%') && r.name.substr(1) == name)) found = &r;
  }
  if (found == nullptr)
    throw usage(fmt::format("{} has no register {}; `registers` lists them", f.name, name));
  return *found;
}

Slot Debugger::slot_of(const Register& reg) const {
  const auto& slots = place().code->slot_of_register;
  const Slot slot = reg.index < slots.size() ? slots[reg.index] : Slot();
  if (slot.absent()) throw usage(fmt::format("{} is never used", reg.name));
  return slot;
}

std::string Debugger::lane_value(const Register& reg, Type type, int lane) const {
  const Place p = place();
  const Slot slot = slot_of(reg);
  if (reg.type == Type::pred)
    return (p.frame->predicates[slot.predicate_index()] >> lane & 1) != 0 ? "1" : "0";
  const std::size_t bytes = reg.type == Type::b128 ? 16 : bits_of(reg.type) == 64 ? 8 : 4;
  return show_value(type,
                    p.frame->rows + slot.byte_offset() + bytes * static_cast<std::size_t>(lane));
}

int Debugger::lane_of(std::string_view text) const {
  return static_cast<int>(parse_count(text, "the lane", warp_size - 1));
}

bool Debugger::print(const Words& words) {
  if (words.empty())
    throw usage("print: wanted a register, such as print %r1 or print %r1 7 as f32");
  Words rest(words.begin() + 1, words.end());
  std::optional<Type> as;
  if (rest.size() >= 2 && rest[rest.size() - 2] == "as") {
    as = value_type(rest.back(), "print");
    rest.resize(rest.size() - 2);
  }
  std::function<std::string(int)> value;  // of a lane
  const auto special = words[0].starts_with('%') ? parse_special(words[0].substr(1)) : std::nullopt;
  if (special) {
    value = [&](int lane) {
      return fmt::format("{}", focus().special(special->first, special->second, lane));
    };
  } else {
    const Register& reg = find_register(words[0]);
    if (as && bits_of(*as) > std::max(32, bits_of(reg.type))) {
      throw usage(fmt::format("{} has {} bits, too few for a {}", reg.name, bits_of(reg.type),
                              name_of(*as)));
    }
    value = [&, type = as.value_or(shown_as(reg.type))](int lane) {
      return lane_value(reg, type, lane);
    };
  }
  if (rest.empty() || rest[0] == "all") {
    print_lanes(words[0], value, rest.empty());
  } else {
    const int lane = lane_of(rest[0]);
    say(fmt::format("{} = {} in lane {}", words[0], value(lane), lane));
  }
  return false;
}

/// One line if `briefly` and all lanes here have one value; else a row of eight lanes, those that
/// are not here in brackets.
void Debugger::print_lanes(std::string_view name, const std::function<std::string(int)>& value,
                           bool briefly) const {
  const Mask lanes = place().lanes, alive = focus().alive();
  std::vector<std::string> all;
  std::set<std::string> here;
  std::size_t width = 1;
  for (int l = 0; l < warp_size; ++l) {
    all.push_back((alive >> l & 1) != 0 ? value(l) : "none");
    width = std::max(width, all.back().size());
    if ((lanes >> l & 1) != 0) here.insert(all.back());
  }
  if (here.size() == 1 && briefly) {
    say(fmt::format("{} = {} in lanes {}", name, *here.begin(), numbers_text(lanes)));
    return;
  }
  for (int first = 0; first < warp_size; first += 8) {
    std::string row = fmt::format("lane {:>2}:", first);
    for (int l = first; l < first + 8; ++l) {
      const std::string& text = all[static_cast<std::size_t>(l)];
      row += fmt::format("  {:>{}}", (lanes >> l & 1) != 0 ? text : fmt::format("({})", text),
                         width + 2);
    }
    say(row);
  }
}

bool Debugger::registers(const Words& words) {
  const Place p = place();
  const int lane = words.empty() ? std::countr_zero(p.lanes) : lane_of(words[0]);
  say(fmt::format("lane {}", lane));
  for (const Register& r : p.code->source->registers) {
    if (r.index >= p.code->slot_of_register.size() || p.code->slot_of_register[r.index].absent())
      continue;
    say(fmt::format("  {:<12} {:<5} {}", r.name, name_of(r.type),
                    lane_value(r, shown_as(r.type), lane)));
  }
  return false;
}

bool Debugger::barriers(const Words&) {
  Cta& cta = focus().cta();
  bool any = false;
  for (std::size_t b = 0; b < cta.barriers.size(); ++b) {
    const NamedBarrier& barrier = cta.barriers[b];
    if (barrier.generation == 1 && barrier.arrived == 0) continue;
    any = true;
    say(fmt::format(
        "barrier {}: {} threads have arrived{}, completed {} times", b, barrier.arrived,
        barrier.arrived != 0
            ? fmt::format(" of {}", barrier.expected != 0 ? barrier.expected : cta.alive_threads)
            : "",
        barrier.generation - 1));
  }
  for (const auto& [at, owner] : mbarriers_) {
    if (owner != &cta) continue;
    std::uint64_t bits = 0;
    std::memcpy(&bits, at, sizeof bits);
    const auto s = mbarrier::State::unpack(bits);
    any = true;
    say(fmt::format("mbarrier {:#x}: phase {}, {} of {} arrivals pending, {} bytes outstanding",
                    at - cta.shared(), s.phase ? 1 : 0, s.pending, s.expected, s.tx));
  }
  if (!any) say("none of this CTA's barriers was used yet");
  return false;
}

bool Debugger::where(const Words&) {
  constexpr std::size_t most = 60;
  std::vector<std::pair<std::string, Mask>>
      groups;  // what is said of warps of one CTA, and which they are
  std::size_t lines = 0;
  for (Cta* cta : ctas_) {
    groups.clear();
    const auto add = [&](const Warp& warp, const std::string& text) {
      const auto same = std::find_if(groups.begin(), groups.end(),
                                     [&](const auto& g) { return g.first == text; });
      (same != groups.end() ? *same : groups.emplace_back(text, 0)).second |= Mask{1}
                                                                              << warp.index();
    };
    for (const auto& warp : cta->warps()) {
      if (warp->done()) add(*warp, "ended");
      for (std::size_t i = 0; i < warp->splits().size(); ++i) {
        const Split& s = warp->splits()[i];
        const bool now = warp.get() == at_hand_ && i == warp->current();
        add(*warp, fmt::format(
                       "lanes {} at {}{}", numbers_text(s.lanes),
                       place_text(*s.frame->code, now ? warp->pc() : s.pc, *session_.code().source),
                       s.wait.kind == Wait::Kind::none ? (now ? ", in focus" : "")
                                                       : ", waiting for " + wait_text(s.wait)));
      }
    }
    for (const auto& [text, warps] : groups) {
      if (++lines <= most)
        say(fmt::format("CTA {} on SM {}, warp{} {}: {}", cta->index(), cta->sm().index(),
                        std::has_single_bit(warps) ? "" : "s", numbers_text(warps), text));
    }
  }
  if (ctas_.empty()) say("no CTA runs");
  if (lines > most) say(fmt::format("and {} more", lines - most));
  return false;
}

}  // namespace triptych::emulator
