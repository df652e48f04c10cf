// What is said of a fault and of a deadlock.
#include <bit>

#include "emulator/machine/machine.h"

namespace triptych::emulator {
namespace {

std::string triple(const Extent3& e) {
  return std::to_string(e[0]) + "," + std::to_string(e[1]) + "," + std::to_string(e[2]);
}

/// "3", "0-31", "0,2,5-7"
std::string lanes_text(Mask lanes) {
  std::string text;
  for (int l = 0; l < warp_size; ++l) {
    if ((lanes >> l & 1) == 0) continue;
    int end = l;
    while (end + 1 < warp_size && (lanes >> (end + 1) & 1) != 0) ++end;
    if (!text.empty()) text += ",";
    text += std::to_string(l);
    if (end > l) (text += '-') += std::to_string(end);
    l = end;
  }
  return text;
}

/// "a.ptx:12:9: add.u32"
std::string place_text(const FunctionCode& code, std::uint32_t pc, const Module& module) {
  const Instruction* source = pc < code.sites.size() ? code.sites[pc].source : nullptr;
  if (source == nullptr) return module.name;
  const std::string& file = module.files[source->at.file];
  std::string text = file + ":" + std::to_string(source->at.line) + ":" + std::to_string(source->at.column) + ": " +
                     std::string(source->opcode);
  if (source->within_line > 0) text += " (instruction " + std::to_string(source->within_line + 1) + " of the line)";
  return text;
}

const char* waits_for(Wait::Kind kind) {
  switch (kind) {
    case Wait::Kind::barrier: return "barrier";
    case Wait::Kind::mbarrier: return "mbarrier at shared address";
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

std::string where(Warp& warp) {
  const Cta& cta = warp.cta();
  return "kernel " + std::string(cta.launch().function->source->name) + ", CTA " + triple(cta.position()) +
         ", warp " + std::to_string(warp.index());
}

}  // namespace

std::string Machine::report(Warp& warp, const KernelFault& fault) const {
  const Mask lanes = fault.lanes != 0 ? fault.lanes : warp.exec();
  return place_text(warp.code(), warp.pc(), *warp.cta().launch().module->source) + ": " + fault.message + " [" +
         where(warp) + ", lanes " + lanes_text(lanes) + "]";
}

std::string Machine::blocked() const {
  std::string text;
  int lines = 0;
  for (const auto& sms : sms_) {
    for (const auto& sm : sms) {
      for (const auto& cta : sm->ctas()) {
        for (const auto& warp : cta->warps()) {
          for (const Split& s : warp->splits()) {
            if (++lines > 40) continue;
            const bool numbered = s.wait.kind == Wait::Kind::barrier || s.wait.kind == Wait::Kind::mbarrier;
            text += "  " + place_text(*s.frame->code, s.pc, *cta->launch().module->source) + " [" + where(*warp) +
                    ", lanes " + lanes_text(s.lanes) + "] waits for " + waits_for(s.wait.kind);
            if (numbered) (text += ' ') += std::to_string(s.wait.id);
            text += '\n';
          }
        }
      }
    }
  }
  if (lines > 40) text += "  and " + std::to_string(lines - 40) + " more\n";
  return text;
}

}  // namespace triptych::emulator
