#include "emulator/check/actor.h"

#include <bit>

#include "emulator/machine/report.h"

namespace triptych::emulator {

void Actors::clear() {
  infos_.assign(1, {});   // no agent is 0: stamps that are all zero are none
  spans_.clear();
  running_.clear();
  sites_.clear();         // modules may have gone meanwhile
  recent_.fill({});
  places_.assign(1, "");
}

void Actors::launch_begins(const Launch& launch) {
  running_[&launch] = static_cast<std::uint32_t>(spans_.size());
  spans_.push_back({std::string(launch.function->source->name), ++events_, 0, launch.programmatic});
}

bool Actors::launch_ends(const Launch& launch) {
  const auto found = running_.find(&launch);
  if (found == running_.end()) return false;
  spans_[found->second].ended = ++events_;
  running_.erase(found);
  return running_.empty();
}

Agent Actors::add(ActorInfo info) {
  if (!full()) infos_.push_back(info);
  return static_cast<Agent>(infos_.size() - 1) * WarpClock::engines;
}

ActorInfo Actors::of(Warp& warp) {
  Cta& cta = warp.cta();
  ActorInfo info;
  info.launch = running_.at(&cta.launch());
  info.cta = std::uint64_t{info.launch} << 40 | cta.index();
  info.cluster = cta.cluster().id;
  info.device = cta.sm().device();
  info.warp = warp.index();
  info.position = cta.position();
  return info;
}

SiteId Actors::site(Warp& warp, const Instr& instr, const FunctionCode& code) {
  auto& recent = recent_[reinterpret_cast<std::uintptr_t>(&instr) / sizeof(Instr) % recent_.size()];
  if (recent.first == &instr) return recent.second;
  const auto [at, added] = sites_.try_emplace(&instr, static_cast<SiteId>(places_.size()));
  if (added) {
    const auto pc = static_cast<std::uint32_t>(&instr - code.instrs.data());
    places_.push_back(place_text(code, pc, *warp.cta().launch().module->source));
  }
  recent = {&instr, at->second};
  return at->second;
}

std::string Actors::who(const ActorInfo& info, Mask lanes) const {
  std::string text = "[kernel " + spans_[info.launch].kernel + ", CTA " + extent_text(info.position);
  if (info.warp >= 0) {
    text += ", warp " + std::to_string(info.warp);
    if (lanes != 0) text += (std::has_single_bit(lanes) ? ", lane " : ", lanes ") + numbers_text(lanes);
  }
  return text + "]";
}

}  // namespace triptych::emulator
