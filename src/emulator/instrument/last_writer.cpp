#include "emulator/instrument/last_writer.h"

#include "emulator/instrument/issue.h"
#include "emulator/machine/report.h"

namespace triptych::emulator {
namespace {

std::string place(Warp& warp, std::uint32_t pc, Mask lanes) {
  return place_text(warp.code(), pc, *warp.cta().launch().module->source) + " " +
         where_text(warp.cta(), Mask{1} << warp.index(), lanes);
}

}  // namespace

void LastWriter::access(const AccessEvent& e) {
  if (e.space != Space::global || e.access == Access::read) return;
  Mask writers = 0;
  for (int l = 0; l < warp_size; ++l) {
    const bool on =
        (e.lanes >> l & 1) != 0 && e.addresses[l] < end_ && e.addresses[l] + e.bytes > begin_;
    writers |= static_cast<Mask>(on) << l;
  }
  if (writers != 0) text_ = place(e.warp, e.warp.pc(), writers);
}

void LastWriter::async_issued(Warp& warp, const Instr& instr, AsyncKind, std::uint64_t token,
                              const std::uint8_t*) {
  issued_[token] = place(warp, issue_pc(warp, instr), warp.exec());
}

void LastWriter::async_touches(std::uint64_t token, const AsyncRange& range) {
  const auto at = reinterpret_cast<std::uint64_t>(range.host);
  if (!range.written || range.space != Space::global || at >= end_ || at + range.bytes <= begin_)
    return;
  text_ = issued_[token] + ", asynchronously";
}

}  // namespace triptych::emulator
