#include "emulator/ptx/scope.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace triptych::emulator {
namespace {

constexpr int any = 10;  // version 1.0, sm_10

struct Row {
  std::string_view name;  // without %
  SpecialRegister what;
};

// What each needs is what ptxas 13 says.
constexpr Row rows[] = {
    {"tid", {Type::u32, true, any, any}},
    {"ntid", {Type::u32, true, any, any}},
    {"ctaid", {Type::u32, true, any, any}},
    {"nctaid", {Type::u32, true, any, any}},
    {"clusterid", {Type::u32, true, 78, 90}},
    {"nclusterid", {Type::u32, true, 78, 90}},
    {"cluster_ctaid", {Type::u32, true, 78, 90}},
    {"cluster_nctaid", {Type::u32, true, 78, 90}},
    {"cluster_ctarank", {Type::u32, false, 78, 90}},
    {"cluster_nctarank", {Type::u32, false, 78, 90}},
    {"is_explicit_cluster", {Type::pred, false, 78, 90}},
    {"laneid", {Type::u32, false, 13, any}},
    {"warpid", {Type::u32, false, 13, any}},
    {"nwarpid", {Type::u32, false, 20, 20}},
    {"smid", {Type::u32, false, 13, any}},
    {"nsmid", {Type::u32, false, 20, 20}},
    {"gridid", {Type::u64, false, any, any}},
    {"lanemask_eq", {Type::u32, false, 20, 20}},
    {"lanemask_le", {Type::u32, false, 20, 20}},
    {"lanemask_lt", {Type::u32, false, 20, 20}},
    {"lanemask_ge", {Type::u32, false, 20, 20}},
    {"lanemask_gt", {Type::u32, false, 20, 20}},
    {"clock", {Type::u32, false, any, any}},
    {"clock_hi", {Type::u32, false, 50, 20}},
    {"clock64", {Type::u64, false, 20, 20}},
    {"globaltimer", {Type::u64, false, 31, 30}},
    {"globaltimer_lo", {Type::u32, false, 31, 30}},
    {"globaltimer_hi", {Type::u32, false, 31, 30}},
    {"total_smem_size", {Type::u32, false, 41, 20}},
    {"dynamic_smem_size", {Type::u32, false, 41, 20}},
    {"aggr_smem_size", {Type::u32, false, 81, 90}},
    {"reserved_smem_offset_begin", {Type::u32, false, 76, 80}},
    {"reserved_smem_offset_end", {Type::u32, false, 76, 80}},
    {"reserved_smem_offset_cap", {Type::u32, false, 76, 80}},
    {"reserved_smem_offset_0", {Type::u32, false, 76, 80}},
    {"reserved_smem_offset_1", {Type::u32, false, 76, 80}},
    {"current_graph_exec", {Type::u64, false, 80, 50}},
};

// The number behind a prefix: 3 of pm3, if it is below the limit.
std::optional<int> suffix(std::string_view name, std::string_view prefix, int limit) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const std::string_view digits = name.substr(prefix.size());
  const char* const end = digits.data() + digits.size();
  int number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  const bool canonical = digits.size() == 1 || !digits.starts_with('0');
  if (error != std::errc() || stop != end || number >= limit || !canonical) return std::nullopt;
  return number;
}

}  // namespace

std::optional<Numbered> numbered(std::string_view name) {
  std::size_t split = name.size();
  while (split > 0 && name[split - 1] >= '0' && name[split - 1] <= '9') --split;
  if (split == name.size()) return std::nullopt;
  Numbered made{name.substr(0, split), 0, name[split] == '0' && split + 1 < name.size()};
  const auto [stop, error] =
      std::from_chars(name.data() + split, name.data() + name.size(), made.number);
  if (error != std::errc()) made.number = std::numeric_limits<std::uint64_t>::max();
  return made;
}

std::optional<SpecialRegister> special_register(std::string_view name) {
  if (!name.starts_with('%')) return std::nullopt;
  name.remove_prefix(1);
  const Row* const row =
      std::find_if(std::begin(rows), std::end(rows), [&](const Row& r) { return r.name == name; });
  if (row != std::end(rows)) return row->what;
  if (suffix(name, "envreg", 32)) return SpecialRegister{Type::u32, false, any, any};
  constexpr int counters = 8;
  if (const auto number = suffix(name, "pm", counters)) {
    return *number < 4 ? SpecialRegister{Type::u32, false, 13, any}
                       : SpecialRegister{Type::u32, false, 30, 20};
  }
  if (name.ends_with("_64") && suffix(name.substr(0, name.size() - 3), "pm", counters)) {
    return SpecialRegister{Type::u64, false, 40, 50};
  }
  return std::nullopt;
}

}  // namespace triptych::emulator
