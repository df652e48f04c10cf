// A module's variables in the memory of a device.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emulator/decode/decode.h"
#include "emulator/decode/error.h"

namespace triptych::emulator {
namespace {

/// Host memory that devices use: what the driver calls managed.
constexpr int host_memory = -1;

/// Memory of the variables of one module, given back unless it is kept.
class Variables {
 public:
  Variables(Machine& machine, const Module& module, int device)
      : machine_(machine), module_(module), device_(device) {}
  Variables(const Variables&) = delete;
  Variables& operator=(const Variables&) = delete;
  ~Variables() {
    for (const std::uint64_t begin : made_) machine_.memory().release(begin);
  }

  std::uint64_t place(const Variable& v) {
    constexpr std::uint64_t least_align = 256;
    const std::uint64_t begin = machine_.memory().allocate(
        std::max<std::uint64_t>(1, v.bytes), std::max<std::uint64_t>(least_align, v.align),
        v.managed ? host_memory : device_);
    if (begin == 0)
      fail(module_, v.at, fmt::format("no memory for the {} bytes of '{}'", v.bytes, v.name));
    made_.push_back(begin);
    auto* bytes = reinterpret_cast<std::uint8_t*>(begin);
    std::memset(bytes, 0, v.bytes);
    if (!v.initial.empty())
      std::memcpy(bytes, v.initial.data(), std::min<std::uint64_t>(v.initial.size(), v.bytes));
    return begin;
  }
  void keep() { made_.clear(); }

 private:
  Machine& machine_;
  const Module& module_;
  int device_;
  std::vector<std::uint64_t> made_;
};

std::uint64_t address_of(const ModuleCode& code, const Variable& owner, const Relocation& r) {
  if (r.function != nullptr) {
    const auto found = std::find_if(code.functions.begin(), code.functions.end(),
                                    [&](const auto& f) { return f->source == r.function; });
    return function_addresses + static_cast<std::uint64_t>(found - code.functions.begin());
  }
  const auto found = code.address_of.find(r.variable);
  if (found == code.address_of.end()) {
    fail(*code.source, owner.at,
         fmt::format("'{}' is initialised with the address of '{}', which has none when the module "
                     "is loaded",
                     owner.name, r.variable->name));
  }
  return found->second;
}

/// Fills in the addresses among a variable's initial values.
void relocate(const ModuleCode& code, const Variable& v, std::uint64_t begin) {
  for (const Relocation& r : v.relocations) {
    const std::uint64_t value =
        (address_of(code, v, r) + static_cast<std::uint64_t>(r.addend)) >> 8 * r.shift;
    const std::uint64_t bytes = static_cast<std::uint64_t>(std::min(r.bytes, 8));
    if (r.at <= v.bytes && bytes <= v.bytes - r.at)
      std::memcpy(reinterpret_cast<std::uint8_t*>(begin) + r.at, &value, bytes);
  }
}

}  // namespace

std::unique_ptr<ModuleCode> load_module(Machine& machine, std::unique_ptr<Module> source,
                                        int device, const DecodeOptions& options) {
  Variables variables(machine, *source, device);
  auto code =
      decode(std::move(source), options, [&](const Variable& v) { return variables.place(v); });
  for (const auto& [variable, begin] : code->address_of) {
    relocate(*code, *variable, begin);
    if (variable->space == Space::constant) machine.memory().set_constant(begin);
  }
  variables.keep();
  return code;
}

void unload_module(Machine& machine, ModuleCode& module) {
  for (const auto& [variable, begin] : module.address_of) machine.memory().release(begin);
  module.address_of.clear();
}

}  // namespace triptych::emulator
