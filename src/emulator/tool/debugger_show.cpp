// What the debugger shows: lanes, registers, memory, barriers.
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

Space space_named(std::string_view name) {
  for (const Space space : {Space::global, Space::shared, Space::local, Space::param, Space::constant, Space::generic}) {
    if (name_of(space) == name) return space;
  }
  throw usage(fmt::format("'{}' is no space; take global, shared, local, param, const or generic", name));
}

/// How a register of this type is shown, if the command does not say.
Type shown_as(Type type) { return type == Type::b128 ? Type::b64 : type == Type::f16x2 || type == Type::bf16x2 ? Type::b32 : type; }

}  // namespace

bool Debugger::lanes(const Words&) {
  Warp& warp = focus();
  const Place p = place();
  if (&warp == at_hand_) {
    say(fmt::format("execute    {} ({})", numbers_text(warp.exec()), std::popcount(warp.exec())));
    if (warp.active() != warp.exec()) say(fmt::format("here       {}, the guard leaves out the others", numbers_text(warp.active())));
  } else {
    say(fmt::format("here       {}", numbers_text(p.lanes)));
  }
  for (const Split& s : warp.splits()) {
    if (s.frame.get() == p.frame && (s.lanes & p.lanes) != 0) continue;
    say(fmt::format("elsewhere  {} at {}{}", numbers_text(s.lanes), place_text(*s.frame->code, s.pc, *session_.code().source),
                    s.wait.kind == Wait::Kind::none ? "" : ", waiting for " + wait_text(s.wait)));
  }
  return false;
}

const Register& Debugger::find_register(std::string_view name) const {
  const Function& f = *place().code->source;
  const Register* found = nullptr;
  // Of several with the name, in blocks of their own, the last that this function uses before here is meant; and
  // names that begin with % may be written without it.
  for (const Register& r : f.registers) {
    if (r.name == name || (r.name.starts_with('%') && r.name.substr(1) == name)) found = &r;
  }
  if (found == nullptr) throw usage(fmt::format("{} has no register {}; `registers` lists them", f.name, name));
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
  if (reg.type == Type::pred) return (p.frame->predicates[slot.predicate_index()] >> lane & 1) != 0 ? "1" : "0";
  const std::size_t bytes = reg.type == Type::b128 ? 16 : bits_of(reg.type) == 64 ? 8 : 4;
  return show_value(type, p.frame->rows + slot.byte_offset() + bytes * static_cast<std::size_t>(lane));
}

int Debugger::lane_of(std::string_view text) const { return static_cast<int>(parse_count(text, "the lane", warp_size - 1)); }

bool Debugger::print(const Words& words) {
  if (words.empty()) throw usage("print: wanted a register, such as print %r1 or print %r1 7 as f32");
  Words rest(words.begin() + 1, words.end());
  std::optional<Type> as;
  if (rest.size() >= 2 && rest[rest.size() - 2] == "as") {
    as = value_type(rest.back(), "print");
    rest.resize(rest.size() - 2);
  }
  const auto value = [&, this](int lane) -> std::string {
    const bool special = words[0].starts_with('%') ? parse_special(words[0].substr(1)).has_value() : false;
    if (special) {
      const auto [which, number] = *parse_special(words[0].substr(1));
      return fmt::format("{}", focus().special(which, number, lane));
    }
    const Register& reg = find_register(words[0]);
    if (as && bits_of(*as) > std::max(32, bits_of(reg.type))) throw usage(fmt::format("{} has {} bits, too few for a {}", reg.name, bits_of(reg.type), name_of(*as)));
    return lane_value(reg, as.value_or(shown_as(reg.type)), lane);
  };
  if (!rest.empty() && rest[0] != "all") {
    const int lane = lane_of(rest[0]);
    say(fmt::format("{} = {} in lane {}", words[0], value(lane), lane));
    return false;
  }
  const Mask lanes = place().lanes, alive = focus().alive();
  std::vector<std::string> all;
  std::size_t width = 1;
  for (int l = 0; l < warp_size; ++l) width = std::max(width, all.emplace_back((alive >> l & 1) != 0 ? value(l) : "-").size());
  const auto here = [&](int l) { return (lanes >> l & 1) != 0; };
  const std::string& sample = all[static_cast<std::size_t>(std::countr_zero(lanes))];
  bool uniform = true;
  for (int l = 0; l < warp_size; ++l) uniform = uniform && (!here(l) || all[static_cast<std::size_t>(l)] == sample);
  if (uniform && rest.empty()) {
    say(fmt::format("{} = {} in lanes {}", words[0], sample, numbers_text(lanes)));
    return false;
  }
  // A row of eight lanes; those that are not here in brackets.
  for (int first = 0; first < warp_size; first += 8) {
    std::string row = fmt::format("lane {:>2}:", first);
    for (int l = first; l < first + 8; ++l) {
      const std::string& text = all[static_cast<std::size_t>(l)];
      row += fmt::format("  {:>{}}", here(l) ? text : fmt::format("({})", text), width + 2);
    }
    say(row);
  }
  return false;
}

bool Debugger::registers(const Words& words) {
  const Place p = place();
  const int lane = words.empty() ? std::countr_zero(p.lanes) : lane_of(words[0]);
  say(fmt::format("lane {}", lane));
  for (const Register& r : p.code->source->registers) {
    if (r.index >= p.code->slot_of_register.size() || p.code->slot_of_register[r.index].absent()) continue;
    say(fmt::format("  {:<12} {:<5} {}", r.name, name_of(r.type), lane_value(r, shown_as(r.type), lane)));
  }
  return false;
}

std::uint64_t Debugger::evaluate(std::string_view text, Space space) const {
  const std::size_t plus = text.find('+');
  const std::string_view base = text.substr(0, plus);
  const std::uint64_t offset = plus == std::string_view::npos ? 0 : parse_count(text.substr(plus + 1), "the offset");
  if (base.empty() || base.find_first_not_of("0123456789xabcdefABCDEF") == std::string_view::npos) return parse_count(base, "the address") + offset;
  if (const Buffer* b = session_.arguments().buffer(base); b != nullptr && space != Space::param) return b->address + offset;
  for (const auto& [variable, at] : session_.code().address_of) {
    if (variable->name == base) return at + offset;
  }
  const FunctionCode& code = focus_ != nullptr ? *place().code : session_.kernel();
  for (const auto* table : {&code.shared_at, &code.local_at, &code.parameter_at}) {
    for (const auto& [variable, at] : *table) {
      if (variable->name == base && variable->space == space) return at + offset;
    }
  }
  const Register& reg = find_register(base);
  if (bits_of(reg.type) < 32) throw usage(fmt::format("{} has {} bits; an address has 32 or 64", reg.name, bits_of(reg.type)));
  const Place p = place();
  const auto lane = static_cast<std::size_t>(std::countr_zero(p.lanes));
  const std::size_t bytes = bits_of(reg.type) == 64 ? 8 : 4;
  std::uint64_t value = 0;
  std::memcpy(&value, p.frame->rows + slot_of(reg).byte_offset() + bytes * lane, bytes);
  return value + offset;
}

const std::uint8_t* Debugger::host(Space space, std::uint64_t address, std::uint64_t bytes) const {
  if (space == Space::generic) {
    const std::uint64_t base = window::of(address);
    space = base == 0 ? Space::global : base == window::shared ? Space::shared : base == window::local ? Space::local : Space::param;
    if (base != 0) address = window::offset(address);
  }
  if (space == Space::global || space == Space::constant) {
    if (session_.machine().memory().find(address, bytes).end == 0) throw usage(session_.machine().memory().describe(address));
    return reinterpret_cast<const std::uint8_t*>(address);
  }
  if (space == Space::param) {
    const auto& parameters = session_.launch().parameters;
    if (address + bytes > parameters.size()) throw usage(fmt::format("the parameters have {} bytes", parameters.size()));
    return parameters.data() + address;
  }
  Warp& warp = focus();
  if (space == Space::local) return warp.local(std::countr_zero(place().lanes), address, static_cast<std::uint32_t>(bytes));
  Cta& cta = address >> 24 == 0 ? warp.cta() : warp.cta_of(address, 0);
  if ((address & 0xFFFFFF) + bytes > cta.shared_bytes()) throw usage(fmt::format("the CTA has shared memory up to {:#x}", cta.shared_bytes()));
  return cta.shared() + (address & 0xFFFFFF);
}

bool Debugger::memory(const Words& words) {
  if (words.size() < 2) throw usage("memory: wanted a space and an address, such as memory shared tile 16 f32");
  const Space space = space_named(words[0]);
  const std::uint64_t address = evaluate(words[1], space);
  const std::uint64_t count = words.size() > 2 ? parse_count(words[2], "memory: the number of elements", 4096) : 8;
  const Buffer* buffer = session_.arguments().buffer(words[1].substr(0, words[1].find('+')));
  const Type type = words.size() > 3 ? value_type(words[3], "memory") : buffer != nullptr ? buffer->type : Type::b32;
  const auto bytes = static_cast<std::uint64_t>(bytes_of(type));
  const std::uint8_t* from = host(space, address, count * bytes);
  // Rows are named as the address was, with the bytes beyond it.
  const std::size_t plus = words[1].find('+');
  const std::string_view base = words[1].substr(0, plus);
  const bool number = base.find_first_not_of("0123456789xabcdefABCDEF") == std::string_view::npos;
  const std::uint64_t beyond = plus == std::string_view::npos ? 0 : parse_count(words[1].substr(plus + 1), "the offset");
  for (std::uint64_t i = 0; i < count; i += 8) {
    std::string row = number ? fmt::format("{:#x}:", address + i * bytes) : fmt::format("{}+{}:", base, beyond + i * bytes);
    for (std::uint64_t j = i; j < std::min(count, i + 8); ++j) row += fmt::format("  {}", show_value(type, from + j * bytes));
    say(row);
  }
  return false;
}

bool Debugger::watch(const Words& words) {
  if (words.size() < 2) throw usage("watch: wanted a space and an address, such as watch global y+16 f32");
  const Space space = space_named(words[0]);
  const Buffer* buffer = session_.arguments().buffer(words[1].substr(0, words[1].find('+')));
  const Type type = words.size() > 2 ? value_type(words[2], "watch") : buffer != nullptr ? buffer->type : Type::b32;
  const auto bytes = static_cast<std::size_t>(bytes_of(type));
  const std::uint8_t* at = host(space, evaluate(words[1], space), bytes);
  watches_.push_back({next_id_, fmt::format("{} {}", words[0], words[1]), type, at, {at, at + bytes}, ""});
  say(fmt::format("{}: {} {} holds {}", next_id_++, words[0], words[1], show_value(type, at)));
  return false;
}

bool Debugger::barriers(const Words&) {
  Cta& cta = focus().cta();
  bool any = false;
  for (std::size_t b = 0; b < cta.barriers.size(); ++b) {
    const NamedBarrier& barrier = cta.barriers[b];
    if (barrier.generation == 1 && barrier.arrived == 0) continue;
    any = true;
    say(fmt::format("barrier {}: {} threads have arrived{}, completed {} times", b, barrier.arrived,
                    barrier.arrived != 0 ? fmt::format(" of {}", barrier.expected != 0 ? barrier.expected : cta.alive_threads) : "", barrier.generation - 1));
  }
  for (const auto& [at, owner] : mbarriers_) {
    if (owner != &cta) continue;
    std::uint64_t bits = 0;
    std::memcpy(&bits, at, sizeof bits);
    const auto s = mbarrier::State::unpack(bits);
    any = true;
    say(fmt::format("mbarrier {:#x}: phase {}, {} of {} arrivals pending, {} bytes outstanding", at - cta.shared(), s.phase ? 1 : 0, s.pending, s.expected, s.tx));
  }
  if (!any) say("none of this CTA's barriers was used yet");
  return false;
}

bool Debugger::where(const Words&) {
  constexpr std::size_t most = 60;
  std::vector<std::pair<std::string, Mask>> groups;   // what is said of warps of one CTA, and which they are
  std::size_t lines = 0;
  for (Cta* cta : ctas_) {
    groups.clear();
    const auto add = [&](const Warp& warp, const std::string& text) {
      const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == text; });
      (same != groups.end() ? *same : groups.emplace_back(text, 0)).second |= Mask{1} << warp.index();
    };
    for (const auto& warp : cta->warps()) {
      if (warp->done()) add(*warp, "ended");
      for (std::size_t i = 0; i < warp->splits().size(); ++i) {
        const Split& s = warp->splits()[i];
        const bool now = warp.get() == at_hand_ && i == warp->current();
        add(*warp, fmt::format("lanes {} at {}{}", numbers_text(s.lanes), place_text(*s.frame->code, now ? warp->pc() : s.pc, *session_.code().source),
                               s.wait.kind == Wait::Kind::none ? (now ? ", in focus" : "") : ", waiting for " + wait_text(s.wait)));
      }
    }
    for (const auto& [text, warps] : groups) {
      if (++lines <= most) say(fmt::format("CTA {} on SM {}, warp{} {}: {}", cta->index(), cta->sm().index(), std::has_single_bit(warps) ? "" : "s", numbers_text(warps), text));
    }
  }
  if (ctas_.empty()) say("no CTA runs");
  if (lines > most) say(fmt::format("and {} more", lines - most));
  return false;
}

}  // namespace triptych::emulator
