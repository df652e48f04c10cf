#include "emulator/machine/report.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "emulator/machine/machine.h"

namespace triptych::emulator {

std::string extent_text(const Extent3& e) {
  return std::to_string(e[0]) + "," + std::to_string(e[1]) + "," + std::to_string(e[2]);
}

std::string numbers_text(Mask set) {
  std::string text;
  for (int l = 0; l < warp_size; ++l) {
    if ((set >> l & 1) == 0) continue;
    int end = l;
    while (end + 1 < warp_size && (set >> (end + 1) & 1) != 0) ++end;
    if (!text.empty()) text += ",";
    text += std::to_string(l);
    if (end > l) (text += '-') += std::to_string(end);
    l = end;
  }
  return text;
}

std::string place_text(const FunctionCode& code, std::uint32_t pc, const Module& module) {
  const Instruction* source = pc < code.sites.size() ? code.sites[pc].source : nullptr;
  if (source == nullptr) return module.name;
  const std::string& file = module.files[source->at.file];
  std::string text = file + ":" + std::to_string(source->at.line) + ":" + std::to_string(source->at.column) + ": " +
                     std::string(source->opcode);
  if (source->within_line > 0) text += " (instruction " + std::to_string(source->within_line + 1) + " of the line)";
  return text;
}

std::string wait_text(const Wait& wait) {
  switch (wait.kind) {
    case Wait::Kind::barrier: return "barrier " + std::to_string(wait.id);
    case Wait::Kind::mbarrier: return "mbarrier at shared address " + std::to_string(wait.id);
    case Wait::Kind::async_group: return "asynchronous group";
    case Wait::Kind::poll: return "a change of the memory that it polls";
    case Wait::Kind::time: return "time to pass";
    case Wait::Kind::registers: return "registers of the CTA's pool (setmaxnreg)";
    case Wait::Kind::cluster: return "the cluster's barrier";
    case Wait::Kind::grid: return "the grids before it (griddepcontrol.wait)";
    case Wait::Kind::lanes: return "other lanes of its warp to come here";
    default: return "its turn";
  }
}

std::string where_text(const Cta& cta, Mask warps, Mask lanes) {
  return "[kernel " + std::string(cta.launch().function->source->name) + ", CTA " + extent_text(cta.position()) +
         (std::has_single_bit(warps) ? ", warp " : ", warps ") + numbers_text(warps) + ", lanes " + numbers_text(lanes) + "]";
}

namespace {

/// Warps of a CTA that wait for the same in the same place.
struct Waiting {
  std::string place, reason;
  Mask lanes = 0, warps = 0;
};

std::vector<Waiting> waiting_in(Cta& cta) {
  std::vector<Waiting> all;
  for (const auto& warp : cta.warps()) {
    for (const Split& s : warp->splits()) {
      Waiting own{place_text(*s.frame->code, s.pc, *cta.launch().module->source), wait_text(s.wait), s.lanes};
      const auto same = std::find_if(all.begin(), all.end(), [&](const Waiting& w) {
        return w.place == own.place && w.reason == own.reason && w.lanes == own.lanes;
      });
      (same != all.end() ? *same : all.emplace_back(own)).warps |= Mask{1} << warp->index();
    }
  }
  return all;
}

}  // namespace

std::string Machine::report(Warp& warp, const KernelFault& fault) const {
  const Mask lanes = fault.lanes != 0 ? fault.lanes : warp.exec();
  return place_text(warp.code(), warp.pc(), *warp.cta().launch().module->source) + ": " + fault.message + " " +
         where_text(warp.cta(), Mask{1} << warp.index(), lanes);
}

std::string Machine::blocked() const {
  std::string text;
  int lines = 0;
  for (const auto& sms : sms_) {
    for (const auto& sm : sms) {
      for (const auto& cta : sm->ctas()) {
        for (const Waiting& w : waiting_in(*cta)) {
          if (++lines > 40) continue;
          text += "  " + w.place + " " + where_text(*cta, w.warps, w.lanes) +
                  (std::has_single_bit(w.warps) ? " waits for " : " wait for ") + w.reason + '\n';
        }
      }
    }
  }
  if (lines > 40) text += "  and " + std::to_string(lines - 40) + " more\n";
  return text;
}

}  // namespace triptych::emulator
