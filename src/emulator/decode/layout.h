/// \file
/// Where variables lie in shared, local and parameter memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "emulator/machine/code.h"

namespace triptych::emulator {

/// A function's code, and its place in ModuleCode::functions.
struct FunctionPlace {
  FunctionCode* code = nullptr;
  std::uint64_t index = 0;
};
using FunctionPlaces = std::map<const Function*, FunctionPlace>;

/// The function that calls of this one go to.
inline const Function* target_of(const Function* function) {
  return function->alias_of != nullptr ? function->alias_of : function;
}

/// Lays out shared memory for every entry. A shared variable that only one entry and its functions
/// use gets an offset of that entry's own; one in a device function that several entries call has
/// the same offset in all entries, before the others. Dynamic shared memory (`extern .shared x[]`)
/// comes last: its offset is a constant in entries, and the special register dynamic_smem_begin in
/// device functions.
class SharedLayout {
 public:
  SharedLayout(const Module& module, const FunctionPlaces& places);

  /// The address of a shared variable in a function's code; none: dynamic, in a device function.
  std::optional<std::uint32_t> address(const Function& user, const Variable& variable) const;

 private:
  struct Use {
    std::vector<const Variable*> variables;
    std::vector<const Function*> callees;
    bool indirect = false;                 ///< may call any function whose address is taken
    std::vector<const Function*> entries;  ///< that reach it, the first two
  };
  void scan(const Module& module);
  std::vector<const Function*> reached(const Function& entry) const;
  void lay_out(const Module& module, const FunctionPlaces& places);

  std::map<const Function*, Use> uses_;
  std::vector<const Function*> addressed_;  ///< functions whose address is taken
  std::map<const Variable*, std::uint32_t> common_;
  std::map<const Function*, std::map<const Variable*, std::uint32_t>> of_entry_;
};

/// Lays out the parameters of an entry, or the parameters, results and local variables of a
/// function.
void lay_out_frame(const Module& module, const Function& function, FunctionCode& code);

}  // namespace triptych::emulator
