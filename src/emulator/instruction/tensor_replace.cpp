// Tensor maps that are edited on the device: tensormap.replace changes a field, tensormap.cp_fenceproxy
// publishes a map that was made in shared memory.
#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "emulator/instruction/access.h"
#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/matrix.h"
#include "emulator/instruction/tensor.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

// Instr::extra above the AccessCode: the field, its ordinal, and of fields with named values the value.
constexpr std::string_view fields[] = {"global_address", "rank",           "box_dim",  "global_dim",        "global_stride",
                                       "element_stride", "elemtype", "interleave_layout", "swizzle_mode", "swizzle_atomicity", "fill_mode"};
enum class Field : std::uint8_t {
  global_address, rank, box_dim, global_dim, global_stride, element_stride, elemtype, interleave_layout, swizzle_mode,
  swizzle_atomicity, fill_mode
};

/// The numbers that PTX has for element types, in their order.
constexpr TensorType element_types[] = {TensorType::u8,  TensorType::u16, TensorType::u32,     TensorType::s32, TensorType::u64,
                                        TensorType::s64, TensorType::f16, TensorType::f32,     TensorType::f32_ftz, TensorType::f64,
                                        TensorType::bf16, TensorType::tf32, TensorType::tf32_ftz};

void change(TensorMap& map, Field field, std::size_t ordinal, std::uint64_t value) {
  switch (field) {
    case Field::global_address: map.address = value; break;
    case Field::rank: map.rank = static_cast<std::uint8_t>(value + 1); break;
    case Field::box_dim: map.box[ordinal] = static_cast<std::uint32_t>(value); break;
    case Field::global_dim: map.extent[ordinal] = static_cast<std::uint32_t>(value); break;
    case Field::global_stride: map.stride[ordinal + 1] = value; break;
    case Field::element_stride: map.step[ordinal] = static_cast<std::uint32_t>(value); break;
    case Field::elemtype:
      map.type = element_types[value];
      map.stride[0] = map.element_bytes();
      break;
    case Field::interleave_layout: map.interleave = static_cast<std::uint8_t>(value); break;
    case Field::swizzle_mode: map.swizzle = static_cast<std::uint8_t>(value); break;
    case Field::swizzle_atomicity: break;   // 16 bytes, the only one here
    case Field::fill_mode: map.nan_fill = value != 0; break;
  }
}

/// How many values a field that is named by a constant has; 0: it comes from a register.
std::int64_t values_of(Field field) {
  switch (field) {
    case Field::elemtype: return std::size(element_types);
    case Field::interleave_layout: return 3;
    case Field::swizzle_mode: return 4;
    case Field::swizzle_atomicity: return 1;
    case Field::fill_mode: return 2;
    default: return 0;
  }
}

/// Operands [map]{, ordinal}, value. A constant value is in extra.
template <bool constant>
void replace(Warp& w, const Instr& i) {
  const AccessCode code(i.extra);
  const auto field = static_cast<Field>(i.extra >> 16 & 15);
  const std::uint32_t number = i.extra >> 20;
  Lanes<std::uint64_t> addresses;
  w.addresses(i.op[0], code.wide(), i.imm, addresses);
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    std::uint8_t* host = nullptr;
    TensorMap map = read_tensor_map(w, i, code.space(), addresses, l, Proxy::generic, &host);
    std::uint64_t value = number;
    if constexpr (!constant) {
      const bool wide = field == Field::global_address || field == Field::global_stride;
      value = wide ? w.in<std::uint64_t>(i.op[1])[l] : w.in<std::uint32_t>(i.op[1])[l];
    }
    change(map, field, constant ? 0 : number, value);
    if (map.rank < 1 || map.rank > 5) throw KernelFault{FaultKind::protocol, "tensormap.replace: a rank of " + std::to_string(map.rank), Mask{1} << l};
    Lanes<std::uint8_t*> hosts;
    w.resolve_lanes(Mask{1} << l, code.space(), addresses, 64, Access::write, code.semantics(), i, hosts);
    const auto bytes = map.encode();
    std::memcpy(host, bytes.data(), bytes.size());
  }
  w.note_effect();
}

Run choose_replace(Choice& c) {
  const auto at = static_cast<std::uint32_t>(std::find(std::begin(fields), std::end(fields), c["F"]) - std::begin(fields));
  const auto field = static_cast<Field>(at);
  const std::int64_t values = values_of(field);
  const bool wide = field == Field::global_address || field == Field::global_stride;
  if (wide != (c["T"] == "b64")) return nullptr;
  // An ordinal below 5, or the constant itself.
  const std::int64_t most = values != 0 ? values : field == Field::global_stride ? 4 : 5;
  if (!c.imm.empty() && (c.imm[0] < 0 || c.imm[0] >= most)) return nullptr;
  c.extra = AccessCode::of(c).bits() | at << 16 | (c.imm.empty() ? 0u : static_cast<std::uint32_t>(c.imm[0]) << 20);
  c.ticks = 8;
  return values != 0 ? replace<true> : replace<false>;
}

/// Operands [global map], [shared map], size: the warp copies 128 bytes once.
void publish(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  Lanes<std::uint64_t> to, from;
  w.addresses(i.op[0], true, i.imm, to);
  w.addresses(i.op[1], false, 0, from);
  std::uint8_t *source = nullptr, *destination = nullptr;
  read_tensor_map(w, i, Space::shared, from, 0, Proxy::generic, &source);
  for (std::uint64_t half = 2; half-- > 0;) {
    Lanes<std::uint64_t> at = to;
    Lanes<std::uint8_t*> hosts;
    at[0] += 64 * half;
    w.resolve_lanes(1, Space::global, at, 64, Access::write, {Order::weak, Scope::gpu, Proxy::generic, false}, i, hosts);
    destination = hosts[0];
  }
  std::memcpy(destination, source, 128);
  if (w.observer() != nullptr) w.observer()->fence(w, Order::release, static_cast<Scope>(i.extra), Proxy::tensormap);
  w.note_effect();
}

Run choose_publish(Choice& c) {
  if (!c.imm.empty() && c.imm[0] != 128) return nullptr;
  c.extra = static_cast<std::uint32_t>(scope_of(c["O"]));
  c.ticks = 16;
  return publish;
}

constexpr std::uint8_t m = Instr::memory, k = Instr::memory | Instr::control | Instr::aligned;
#define SPACE "{.<S: global shared::cta>}.b1024"
const Form table[] = {
    {"tensormap.replace.tile.<F: global_address>" SPACE ".<T: b64>", "[S], T", choose_replace, m, 83, 90, true, "tensor_replace"},
    {"tensormap.replace.tile.<F: rank>" SPACE ".<T: b32>", "[S], T", choose_replace, m, 83, 90, true, "tensor_replace"},
    {"tensormap.replace.tile.<F: box_dim global_dim element_stride>" SPACE ".<T: b32>", "[S], imm, T", choose_replace, m, 83, 90, true, "tensor_replace"},
    {"tensormap.replace.tile.<F: global_stride>" SPACE ".<T: b64>", "[S], imm, T", choose_replace, m, 83, 90, true, "tensor_replace"},
    {"tensormap.replace.tile.<F: elemtype interleave_layout swizzle_mode swizzle_atomicity fill_mode>" SPACE ".<T: b32>", "[S], imm",
     choose_replace, m, 83, 90, true, "tensor_replace"},
    {"tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.<O: cta cluster gpu sys>.sync.aligned", "[global], [shared], imm",
     choose_publish, k, 83, 90, false, "tensor_replace"},
};

}  // namespace

std::span<const Form> tensor_replace_forms() { return table; }

}  // namespace triptych::emulator
