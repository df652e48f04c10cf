/// \file
/// Registers that wgmma works on: who touches them meanwhile, and whether wgmma.fence came between.
///
/// Source: PTX ISA 9.0, "wgmma.fence" and "wgmma.mma_async".
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/check/shadow.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

/// What an instruction is to the checkers.
enum class Role : std::uint8_t {
  other, mbarrier, wgmma, wgmma_fence, wgmma_commit, wgmma_wait, bulk_commit, copies_commit, copies_wait_all, reduction
};

/// Rows of registers that an instruction reads or writes, by number.
struct RowUse {
  std::vector<std::uint32_t> read, written;
};

/// The rows of a function's instructions, found once.
class RowUses {
 public:
  const std::vector<RowUse>& of(const FunctionCode& code);
  /// Whether the function has any wgmma; whether it has any instruction with a role.
  bool has_wgmma(const FunctionCode& code) { return function(code).wgmma; }
  bool matters(const FunctionCode& code) { return function(code).matters; }
  void clear() {
    functions_.clear();
    last_ = nullptr;
  }

 private:
  struct Function {
    std::vector<RowUse> uses;
    bool wgmma = false, matters = false;
  };
  const Function& function(const FunctionCode& code);
  std::unordered_map<const FunctionCode*, Function> functions_;
  const FunctionCode* last_code_ = nullptr;
  const Function* last_ = nullptr;
};

Role role_of(const Instr& instr);

/// The registers of one warp.
class RegisterCheck {
 public:
  using Report = std::function<void(const std::string& what, SiteId other)>;
  /// Before an instruction of a function that has wgmma.
  void instruction(const FunctionCode& code, std::uint32_t pc, Role role, const RowUse& use, SiteId site, const Report& report);
  /// All groups but the newest are complete.
  void waited(std::uint32_t newest);
  void exits(const Report& report) const;
  std::uint32_t issued() const { return issued_; }
  /// Products that are complete when all groups but the newest are: their number in order.
  std::uint32_t complete_when(std::uint32_t newest) const;

 private:
  struct Product {
    std::vector<std::uint32_t> accumulators, operands;
    SiteId site;
    std::uint32_t group;   ///< 0: not committed
  };
  const FunctionCode* code_ = nullptr;
  std::deque<Product> flight_;
  std::vector<bool> fenced_;          ///< rows that nothing has touched since the last wgmma.fence
  bool any_fence_ = false;
  std::uint32_t groups_ = 0, issued_ = 0;
  std::deque<std::uint32_t> committed_;   ///< issued_ at each commit, the newest last
};

}  // namespace triptych::emulator
