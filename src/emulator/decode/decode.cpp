#include "emulator/decode/decode.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/decode/bind.h"
#include "emulator/decode/error.h"

namespace triptych::emulator {
namespace {

/// Of a frame's rows: more than any compiler's output needs, and little enough for all warps of an
/// SM.
constexpr std::uint64_t most_frame_bytes = std::uint64_t{32} << 20;
constexpr std::uint32_t most_registers = 255, register_file = 65536;

/// Calls visit(variable) for each variable that has a place in global memory.
template <class F>
void each_placed(const Module& module, const F& visit) {
  const auto placed = [&](const Variable& v) {
    if ((v.space == Space::global || v.space == Space::constant) && v.linkage != Linkage::external)
      visit(v);
  };
  for (const Variable& v : module.variables) placed(v);
  for (const Function& f : module.functions) {
    for (const Variable& v : f.variables) placed(v);
  }
}

/// What the hardware's compiler would spill below: its directives' and the hardware's limits.
std::uint32_t limit_registers(const Directives& d, std::uint32_t wanted) {
  std::uint32_t limit = most_registers;
  const auto& block = d.reqntid[0] != 0 ? d.reqntid : d.maxntid;
  const std::uint64_t threads =
      std::uint64_t{block[0]} * block[1] * block[2] * std::max(1u, d.minnctapersm);
  if (threads != 0)
    limit = static_cast<std::uint32_t>(
        std::clamp<std::uint64_t>(register_file / threads / 8 * 8, 24, limit));
  if (d.maxnreg != 0) limit = std::min(limit, d.maxnreg);
  return std::min(wanted, limit);
}

void decode_function(Context& context, const Function& function, const DecodeOptions& options) {
  FunctionCode& code = *context.places.at(&function).code;
  lay_out_frame(context.module, function, code);
  if (!function.defined) return;
  Lowered lowered{.code = code};
  Binder(context, function, lowered).bind();
  find_blocks(lowered);
  place_registers(lowered, options.share_slots);
  code.registers = limit_registers(function.directives, code.registers);
  if (std::uint64_t{code.frame_bytes} + code.constants.size() > most_frame_bytes) {
    fail(context.module, function.at,
         fmt::format(
             "'{}' has {} bytes of registers a warp and {} of constants; at most {} are possible",
             function.name, code.frame_bytes, code.constants.size(), most_frame_bytes));
  }
}

}  // namespace

std::unique_ptr<ModuleCode> decode(std::unique_ptr<Module> module, const DecodeOptions& options,
                                   const std::function<std::uint64_t(const Variable&)>& place) {
  auto code = std::make_unique<ModuleCode>();
  each_placed(*module, [&](const Variable& v) { code->address_of[&v] = place(v); });
  FunctionPlaces places;
  for (const Function& f : module->functions) {
    places[&f] = {code->functions.emplace_back(std::make_unique<FunctionCode>()).get(),
                  code->functions.size() - 1};
    code->functions.back()->source = &f;
  }
  for (const Function& f : module->functions) code->by_name[f.name] = places.at(target_of(&f)).code;
  SharedLayout shared(*module, places);
  Context context{*module, *code, std::move(places), std::move(shared), {}, {}};
  for (const Function& f : module->functions) decode_function(context, f, options);
  code->source = std::move(module);
  return code;
}

}  // namespace triptych::emulator
