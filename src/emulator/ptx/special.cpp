#include <algorithm>
#include <charconv>

#include "emulator/ptx/scope.h"

namespace triptych::emulator {
namespace {

constexpr std::string_view vectors[] = {
    "tid",           "ntid",            "ctaid",          "nctaid", "clusterid", "nclusterid",
    "cluster_ctaid", "cluster_nctaid",
};

constexpr std::string_view scalars[] = {
    "laneid", "warpid", "nwarpid", "smid", "nsmid", "gridid", "is_explicit_cluster",
    "cluster_ctarank", "cluster_nctarank", "lanemask_eq", "lanemask_le", "lanemask_lt", "lanemask_ge",
    "lanemask_gt", "clock", "clock_hi", "clock64", "globaltimer", "globaltimer_lo", "globaltimer_hi",
    "total_smem_size", "aggr_smem_size", "dynamic_smem_size", "reserved_smem_offset_begin",
    "reserved_smem_offset_end", "reserved_smem_offset_cap", "reserved_smem_offset_0",
    "reserved_smem_offset_1", "current_graph_exec",
};

// %pm3, %envreg31: a name with a number below a limit.
bool is_numbered(std::string_view name, std::string_view prefix, int limit) {
  if (!name.starts_with(prefix)) return false;
  const std::string_view digits = name.substr(prefix.size());
  int number = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && stop == digits.data() + digits.size() && number < limit &&
         (digits.size() == 1 || digits[0] != '0');
}

}  // namespace

bool is_special_register(std::string_view name, bool& components) {
  components = false;
  if (!name.starts_with('%')) return false;
  name.remove_prefix(1);
  if (std::find(std::begin(vectors), std::end(vectors), name) != std::end(vectors)) {
    components = true;
    return true;
  }
  if (std::find(std::begin(scalars), std::end(scalars), name) != std::end(scalars)) return true;
  if (name.ends_with("_64")) return is_numbered(name.substr(0, name.size() - 3), "pm", 8);
  return is_numbered(name, "pm", 8) || is_numbered(name, "envreg", 32);
}

}  // namespace triptych::emulator
