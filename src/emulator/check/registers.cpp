#include "emulator/check/registers.h"

#include <algorithm>
#include <string_view>

#include "emulator/instruction/form.h"
#include "emulator/instruction/signature.h"

namespace triptych::emulator {
namespace {

constexpr std::uint32_t row_bytes = warp_size * 4;

void add_row(std::vector<std::uint32_t>& rows, Slot slot) {
  if (!slot.absent() && slot.bank() == Slot::frame) rows.push_back(slot.byte_offset() / row_bytes);
}

/// What a form's elements say of Instr::op and of the first vector in the list.
RowUse use_of(const FunctionCode& code, const Instr& i) {
  RowUse use;
  if (i.form == Instr::no_form) {   // a move of the decoder
    add_row(use.written, i.op[0]);
    add_row(use.read, i.op[1]);
    return use;
  }
  bool first_list_written = false, seen_list = false;
  for (const Element& e : parse_signature(all_forms()[i.form]->operands)) {
    if (e.kind == Element::Kind::vector) {
      if (!seen_list) first_list_written = e.write;
      seen_list = true;
      continue;
    }
    if (e.type == "pred" || e.kind == Element::Kind::carry || e.op < 0) continue;
    for (int n = 0; n < e.ops; ++n) {
      if (e.kind == Element::Kind::pair && n == 1) continue;   // d|p: the second is a predicate
      const Slot slot = i.op[static_cast<std::size_t>(e.op + n)];
      add_row(e.write && e.kind != Element::Kind::address ? use.written : use.read, slot);
    }
  }
  for (std::uint32_t n = 0; n < i.list_count; ++n) {
    add_row(first_list_written && n < i.at_list ? use.written : use.read, code.lists[i.list + n]);
  }
  return use;
}

bool holds(const std::vector<std::uint32_t>& rows, std::uint32_t row) {
  return std::find(rows.begin(), rows.end(), row) != rows.end();
}

std::uint32_t shared_row(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
  for (const std::uint32_t row : a) {
    if (holds(b, row)) return row;
  }
  return ~0u;
}

std::vector<Role> roles_of_forms() {
  std::vector<Role> roles;
  for (const Form* f : all_forms()) {
    const std::string_view p = f->pattern;
    Role role = Role::other;
    if (p.starts_with("mbarrier.") || p.starts_with("cp.async.mbarrier.")) role = Role::mbarrier;
    if (p.starts_with("wgmma.mma_async")) role = Role::wgmma;
    if (p.starts_with("wgmma.fence")) role = Role::wgmma_fence;
    if (p.starts_with("wgmma.commit_group")) role = Role::wgmma_commit;
    if (p.starts_with("wgmma.wait_group")) role = Role::wgmma_wait;
    if (p.starts_with("cp.async.bulk.commit_group")) role = Role::bulk_commit;
    if (p.starts_with("cp.async.commit_group")) role = Role::copies_commit;
    if (p.starts_with("cp.async.wait_all")) role = Role::copies_wait_all;
    if (p.starts_with("cp.reduce.") || p.starts_with("red.async")) role = Role::reduction;
    roles.push_back(role);
  }
  return roles;
}

}  // namespace

Role role_of(const Instr& instr) {
  static const std::vector<Role> roles = roles_of_forms();
  return instr.form == Instr::no_form ? Role::other : roles[instr.form];
}

const RowUses::Function& RowUses::function(const FunctionCode& code) {
  if (last_ != nullptr && last_code_ == &code) return *last_;
  const auto [at, added] = functions_.try_emplace(&code);
  last_code_ = &code;
  last_ = &at->second;
  if (!added) return at->second;
  Function& f = at->second;
  f.wgmma = std::any_of(code.instrs.begin(), code.instrs.end(), [](const Instr& i) { return role_of(i) == Role::wgmma; });
  f.matters = std::any_of(code.instrs.begin(), code.instrs.end(), [](const Instr& i) { return role_of(i) != Role::other; });
  if (f.wgmma) {
    for (const Instr& i : code.instrs) f.uses.push_back(use_of(code, i));
  }
  return f;
}

const std::vector<RowUse>& RowUses::of(const FunctionCode& code) { return function(code).uses; }

void RegisterCheck::instruction(const FunctionCode& code, std::uint32_t pc, Role role, const RowUse& use, SiteId site,
                                const Report& report) {
  if (code_ != &code) {   // registers of another function are other registers
    if (!flight_.empty()) return;
    code_ = &code;
    fenced_.assign(code.frame_bytes / row_bytes + 1, false);
  }
  if (role == Role::wgmma_fence) {
    fenced_.assign(fenced_.size(), true);
    any_fence_ = true;
    return;
  }
  if (role == Role::wgmma_commit) {
    ++groups_;
    for (Product& p : flight_) p.group = p.group == 0 ? groups_ : p.group;
    committed_.push_back(issued_);
    return;
  }
  if (role == Role::wgmma_wait) return;
  const Instr& i = code.instrs[pc];
  if (role == Role::wgmma) {
    Product p;
    const std::uint32_t accumulators = i.at_list;
    for (std::uint32_t n = 0; n < i.list_count; ++n) add_row(n < accumulators ? p.accumulators : p.operands, code.lists[i.list + n]);
    const auto touched = [&](std::uint32_t row) { return !fenced_[row]; };
    if (!any_fence_) {
      report("no wgmma.fence comes before the first wgmma.mma_async", 0);
      any_fence_ = true;
    } else if (std::any_of(p.accumulators.begin(), p.accumulators.end(), touched)) {
      report("an accumulator register was touched after the last wgmma.fence", 0);
    } else if (std::any_of(p.operands.begin(), p.operands.end(), touched)) {
      report("a register of A was touched after the last wgmma.fence", 0);
    }
    for (const Product& other : flight_) {
      // Products of one shape may follow each other on the same accumulators.
      if (other.accumulators != p.accumulators && shared_row(other.accumulators, p.accumulators) != ~0u) {
        report("its accumulators overlap those of another product in flight, and are not the same", other.site);
      }
      if (shared_row(other.accumulators, p.operands) != ~0u) report("its A is the result of a product in flight", other.site);
    }
    p.site = site;
    p.group = 0;
    ++issued_;
    flight_.push_back(std::move(p));
    return;
  }
  for (const Product& p : flight_) {
    const bool read = shared_row(use.read, p.accumulators) != ~0u, written = shared_row(use.written, p.accumulators) != ~0u;
    const bool operand = shared_row(use.written, p.operands) != ~0u;
    if (!read && !written && !operand) continue;
    report(std::string(written || operand ? "writes" : "reads") + (operand ? " a register of A" : " an accumulator") +
               " of a product in flight: " +
               (p.group == 0 ? "it was not committed (wgmma.commit_group), and no wait holds it" : "wgmma.wait_group has to come first"),
           p.site);
    break;
  }
  for (const std::uint32_t row : use.read) fenced_[row] = false;
  for (const std::uint32_t row : use.written) fenced_[row] = false;
}

std::uint32_t RegisterCheck::complete_when(std::uint32_t newest) const {
  return committed_.size() <= newest ? 0 : committed_[committed_.size() - 1 - newest];
}

void RegisterCheck::waited(std::uint32_t newest) {
  while (!flight_.empty() && flight_.front().group != 0 && flight_.front().group + newest <= groups_) flight_.pop_front();
  while (committed_.size() > newest + 1) committed_.pop_front();
}

void RegisterCheck::exits(const Report& report) const {
  if (!flight_.empty()) report("the warp exits while a wgmma.mma_async is in flight; wait for it", flight_.front().site);
}

}  // namespace triptych::emulator
