// Addresses as a person writes them, and the memory there.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "emulator/tool/debugger.h"
#include "emulator/tool/error.h"
#include "emulator/tool/value.h"

namespace triptych::emulator {
namespace {

Space space_named(std::string_view name) {
  for (const Space space : {Space::global, Space::shared, Space::local, Space::param,
                            Space::constant, Space::generic}) {
    if (name_of(space) == name) return space;
  }
  throw usage(
      fmt::format("'{}' is no space; take global, shared, local, param, const or generic", name));
}

}  // namespace

std::uint64_t Debugger::evaluate(std::string_view text, Space space) const {
  const std::size_t plus = text.find('+');
  const std::string_view base = text.substr(0, plus);
  const std::uint64_t offset =
      plus == std::string_view::npos ? 0 : parse_count(text.substr(plus + 1), "the offset");
  if (base.empty() || base.find_first_not_of("0123456789xabcdefABCDEF") == std::string_view::npos)
    return parse_count(base, "the address") + offset;
  if (const Buffer* b = session_.arguments().buffer(base); b != nullptr && space != Space::param)
    return b->address + offset;
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
  if (bits_of(reg.type) < 32)
    throw usage(
        fmt::format("{} has {} bits; an address has 32 or 64", reg.name, bits_of(reg.type)));
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
    space = base == 0                ? Space::global
            : base == window::shared ? Space::shared
            : base == window::local  ? Space::local
                                     : Space::param;
    if (base != 0) address = window::offset(address);
  }
  if (space == Space::global || space == Space::constant) {
    if (session_.machine().memory().find(address, bytes).end == 0)
      throw usage(session_.machine().memory().describe(address));
    return reinterpret_cast<const std::uint8_t*>(address);
  }
  if (space == Space::param) {
    const auto& parameters = session_.launch().parameters;
    if (address + bytes > parameters.size())
      throw usage(fmt::format("the parameters have {} bytes", parameters.size()));
    return parameters.data() + address;
  }
  Warp& warp = focus();
  if (space == Space::local)
    return warp.local(std::countr_zero(place().lanes), address, static_cast<std::uint32_t>(bytes));
  Cta& cta = address >> 24 == 0 ? warp.cta() : warp.cta_of(address, 0);
  if ((address & 0xFFFFFF) + bytes > cta.shared_bytes())
    throw usage(fmt::format("the CTA has shared memory up to {:#x}", cta.shared_bytes()));
  return cta.shared() + (address & 0xFFFFFF);
}

bool Debugger::memory(const Words& words) {
  if (words.size() < 2)
    throw usage("memory: wanted a space and an address, such as memory shared tile 16 f32");
  const Space space = space_named(words[0]);
  const std::uint64_t address = evaluate(words[1], space);
  const std::uint64_t count =
      words.size() > 2 ? parse_count(words[2], "memory: the number of elements", 4096) : 8;
  const Buffer* buffer = session_.arguments().buffer(words[1].substr(0, words[1].find('+')));
  const Type type = words.size() > 3    ? value_type(words[3], "memory")
                    : buffer != nullptr ? buffer->type
                                        : Type::b32;
  const auto bytes = static_cast<std::uint64_t>(bytes_of(type));
  const std::uint8_t* from = host(space, address, count * bytes);
  // Rows are named as the address was, with the bytes beyond it.
  const std::size_t plus = words[1].find('+');
  const std::string_view base = words[1].substr(0, plus);
  const bool number = base.find_first_not_of("0123456789xabcdefABCDEF") == std::string_view::npos;
  const std::uint64_t beyond =
      plus == std::string_view::npos ? 0 : parse_count(words[1].substr(plus + 1), "the offset");
  for (std::uint64_t i = 0; i < count; i += 8) {
    std::string row = number ? fmt::format("{:#x}:", address + i * bytes)
                             : fmt::format("{}+{}:", base, beyond + i * bytes);
    for (std::uint64_t j = i; j < std::min(count, i + 8); ++j)
      row += fmt::format("  {}", show_value(type, from + j * bytes));
    say(row);
  }
  return false;
}

bool Debugger::watch(const Words& words) {
  if (words.size() < 2)
    throw usage("watch: wanted a space and an address, such as watch global y+16 f32");
  const Space space = space_named(words[0]);
  const Buffer* buffer = session_.arguments().buffer(words[1].substr(0, words[1].find('+')));
  const Type type = words.size() > 2    ? value_type(words[2], "watch")
                    : buffer != nullptr ? buffer->type
                                        : Type::b32;
  const auto bytes = static_cast<std::size_t>(bytes_of(type));
  const std::uint8_t* at = host(space, evaluate(words[1], space), bytes);
  watches_.push_back(
      {next_id_, fmt::format("{} {}", words[0], words[1]), type, at, {at, at + bytes}, ""});
  say(fmt::format("{}: {} {} holds {}", next_id_++, words[0], words[1], show_value(type, at)));
  return false;
}

}  // namespace triptych::emulator
