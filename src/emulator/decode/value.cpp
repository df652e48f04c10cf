#include "emulator/decode/value.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

namespace triptych::emulator {
namespace {

bool has_own_rules(Type t) {
  return t == Type::u16x2 || t == Type::s16x2 || t == Type::bf16 || t == Type::tf32 ||
         (is_float(t) && t != Type::f16 && t != Type::f32 && t != Type::f64);
}

// In the order of Special, up to pm.
constexpr std::string_view special_names[] = {
    "tid.x",
    "tid.y",
    "tid.z",
    "ntid.x",
    "ntid.y",
    "ntid.z",
    "laneid",
    "warpid",
    "nwarpid",
    "ctaid.x",
    "ctaid.y",
    "ctaid.z",
    "nctaid.x",
    "nctaid.y",
    "nctaid.z",
    "smid",
    "nsmid",
    "gridid",
    "is_explicit_cluster",
    "clusterid.x",
    "clusterid.y",
    "clusterid.z",
    "nclusterid.x",
    "nclusterid.y",
    "nclusterid.z",
    "cluster_ctaid.x",
    "cluster_ctaid.y",
    "cluster_ctaid.z",
    "cluster_nctaid.x",
    "cluster_nctaid.y",
    "cluster_nctaid.z",
    "cluster_ctarank",
    "cluster_nctarank",
    "lanemask_eq",
    "lanemask_le",
    "lanemask_lt",
    "lanemask_ge",
    "lanemask_gt",
    "clock",
    "clock_hi",
    "clock64",
    "globaltimer",
    "globaltimer_lo",
    "globaltimer_hi",
    "total_smem_size",
    "aggr_smem_size",
    "dynamic_smem_size",
    "reserved_smem_offset_begin",
    "reserved_smem_offset_end",
    "reserved_smem_offset_cap",
    "reserved_smem_offset_0",
    "reserved_smem_offset_1",
    "current_graph_exec",
};
static_assert(std::size(special_names) == static_cast<std::size_t>(Special::pm));

}  // namespace

RegisterClass class_of(Type type) {
  if (type == Type::pred) return RegisterClass::predicate;
  const int bits = bits_of(type);
  return bits <= 32 ? RegisterClass::word : bits == 64 ? RegisterClass::wide : RegisterClass::quad;
}

bool register_fits(Type reg, Type wanted, bool wider) {
  if (reg == wanted || wanted == Type::none) return true;
  if (reg == Type::pred || wanted == Type::pred) return false;
  if (has_own_rules(wanted)) return is_untyped(reg) && bits_of(reg) == bits_of(wanted);
  const bool size = bits_of(reg) == bits_of(wanted) || (wider && bits_of(reg) > bits_of(wanted));
  const bool kind =
      is_untyped(wanted) || is_untyped(reg) || (is_integer(reg) && is_integer(wanted));
  return size && kind;
}

std::optional<std::uint64_t> constant_bits(const Operand& constant, Type wanted) {
  const int bits = bits_of(wanted);
  if (wanted == Type::pred || bits > 64 || has_own_rules(wanted)) return std::nullopt;
  if (constant.kind == Operand::Kind::integer) {
    if (is_float(wanted)) return std::nullopt;
    return bits == 64 ? constant.bits : constant.bits & ((std::uint64_t{1} << bits) - 1);
  }
  if (constant.kind != Operand::Kind::real) return std::nullopt;
  const bool single = constant.type == Type::f32;
  if (wanted == constant.type || (is_untyped(wanted) && bits == bits_of(constant.type)))
    return constant.bits;
  if (wanted == Type::f64 && single) {
    const double value =
        static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(constant.bits)));
    return std::bit_cast<std::uint64_t>(value);
  }
  if (wanted == Type::f32 && !single) {
    return std::bit_cast<std::uint32_t>(static_cast<float>(std::bit_cast<double>(constant.bits)));
  }
  return std::nullopt;
}

std::optional<std::pair<Special, int>> parse_special(std::string_view name) {
  const auto* found = std::find(std::begin(special_names), std::end(special_names), name);
  if (found != std::end(special_names))
    return std::pair(static_cast<Special>(found - std::begin(special_names)), 0);
  for (const auto& [prefix, special] :
       {std::pair("pm", Special::pm), std::pair("envreg", Special::envreg)}) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view digits = name.substr(std::strlen(prefix));
    int number = 0;
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc() && stop == digits.data() + digits.size())
      return std::pair(special, number);
  }
  return std::nullopt;
}

Slot Constants::row(std::uint64_t bits, RegisterClass c) {
  auto& known = c == RegisterClass::word ? words_ : wides_;
  const auto [at, fresh] = known.try_emplace(bits);
  if (!fresh) return at->second;
  const std::size_t lane = c == RegisterClass::word ? 4 : 8, begin = bytes_.size();
  bytes_.resize(begin + lane * warp_size);
  for (std::size_t l = 0; l < warp_size; ++l)
    std::memcpy(bytes_.data() + begin + l * lane, &bits, lane);
  return at->second = Slot::row(Slot::constants, static_cast<std::uint32_t>(begin));
}

}  // namespace triptych::emulator
