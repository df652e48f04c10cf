/// \file
/// Who last wrote a few bytes of global memory.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "emulator/machine/observer.h"

namespace triptych::emulator {

class LastWriter : public Observer {
 public:
  LastWriter(std::uint64_t begin, std::uint64_t bytes) : begin_(begin), end_(begin + bytes) {}
  void access(const AccessEvent& event) override;
  void async_issued(Warp& warp, const Instr& instr, AsyncKind kind, std::uint64_t token,
                    const std::uint8_t* mbarrier) override;
  void async_touches(std::uint64_t token, const AsyncRange& range) override;
  void async_completed(std::uint64_t token, const std::uint8_t*) override { issued_.erase(token); }
  /// "a.ptx:12:9: st.global.f32 [kernel k, CTA 0,0,0, warp 1, lanes 3]"; empty: nobody did.
  const std::string& text() const { return text_; }

 private:
  std::uint64_t begin_, end_;
  std::string text_;
  std::unordered_map<std::uint64_t, std::string> issued_;
};

}  // namespace triptych::emulator
