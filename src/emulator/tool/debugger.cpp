// When the machine stops, and the prompt.
#include "emulator/tool/debugger.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <istream>

#include "emulator/machine/report.h"
#include "emulator/tool/error.h"
#include "emulator/tool/fill.h"
#include "emulator/tool/value.h"
#include "emulator/tool/verdict.h"

namespace triptych::emulator {

std::atomic<bool>& Debugger::interrupted() {
  static std::atomic<bool> flag{false};
  return flag;
}

Debugger::Debugger(Session& session, Streams streams)
    : session_(session), streams_(std::move(streams)), lines_(*session.code().source) {}

std::optional<std::string> Debugger::debug() {
  say(fmt::format(
      "{}: {} of {} threads; `help` lists the commands", session_.kernel().source->name,
      counted(session_.launch().ctas(), "CTA"),
      session_.launch().block[0] * session_.launch().block[1] * session_.launch().block[2]));
  try {
    prompt();
    started_ = true;
    return session_.run(this);
  } catch (const Quit&) {
    return std::nullopt;
  }
}

void Debugger::say(std::string_view line) const { streams_.out(std::string(line) + '\n'); }

/// Reads and does commands until one lets the machine go on.
void Debugger::prompt() {
  for (std::string line;;) {
    streams_.out("(ptx) ");
    if (!std::getline(streams_.in, line)) {
      say("");
      throw Quit{};
    }
    if (!streams_.terminal) say(line);
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      line = streams_.terminal ? last_ : "";
    } else {
      last_ = line;
    }
    try {
      if (execute(line)) return;
    } catch (const ToolError& error) {
      say(error.message);
    } catch (const KernelFault& fault) {
      say(fault.message);
    }
  }
}

bool Debugger::execute(std::string line) {
  Words words;
  for (const std::string_view word : split_text(line, ' ')) {
    const std::size_t begin = word.find_first_not_of("\t\r"), end = word.find_last_not_of("\t\r");
    if (begin != std::string_view::npos) words.push_back(word.substr(begin, end + 1 - begin));
  }
  if (words.empty() || words[0].starts_with('#')) return false;
  std::vector<const Entry*> found;
  for (const Entry& e : table()) {
    if (e.name == words[0] || e.short_name == words[0]) found = {&e};
    if (e.name == words[0] || e.short_name == words[0]) break;
    if (e.name.starts_with(words[0])) found.push_back(&e);
  }
  if (found.size() != 1) {
    throw usage(found.empty()
                    ? fmt::format("there is no command '{}'; `help` lists them", words[0])
                    : fmt::format("'{}' may be several commands; write more of it", words[0]));
  }
  return (this->*found[0]->command)({words.begin() + 1, words.end()});
}

bool Debugger::hits(const Warp& warp) const {
  const Instruction* source = warp.code().sites[warp.pc()].source;
  return std::any_of(breakpoints_.begin(), breakpoints_.end(), [&](const Breakpoint& b) {
    if ((b.cta && *b.cta != warp.cta().index()) || (b.warp && *b.warp != warp.index()))
      return false;
    if (b.line == 0) return b.function == &warp.code() && source == b.function->source->body.data();
    return source != nullptr && source->at.file == b.file && source->at.line == b.line &&
           source->within_line == 0;
  });
}

/// Whether memory that is watched holds something new; says so.
bool Debugger::changed_watch() {
  bool any = false;
  for (Watch& w : watches_) {
    if (std::memcmp(w.host, w.old.data(), w.old.size()) == 0) continue;
    say(fmt::format("watch {}: {} was {} and is {}, written by {}", w.id, w.text,
                    show_value(w.type, w.old.data()), show_value(w.type, w.host),
                    w.writer.empty() ? "asynchronous work" : w.writer));
    w.old.assign(w.host, w.host + w.old.size());
    w.writer.clear();
    any = true;
  }
  return any;
}

void Debugger::stop(Warp& warp, const std::string& why) {
  if (!why.empty()) say(why);
  focus_ = &warp;
  mode_ = Mode::running;
  show_place();
  prompt();
}

void Debugger::instruction(Warp& warp, const Instr& instr) {
  at_hand_ = &warp;
  const bool watched = !watches_.empty() && changed_watch();
  const bool again = waiting_.erase({&warp, warp.pc()}) != 0;
  if (interrupted().exchange(false)) return stop(warp, "interrupted");
  if (watched) return stop(warp, "");
  if (again || (instr.flags & Instr::added) != 0) return;
  if (hits(warp)) return stop(warp, "");
  if (mode_ != Mode::stepping || (stepped_ != nullptr && stepped_ != &warp)) return;
  if (warp.frame().depth > most_depth_) return;
  if (--steps_ == 0) stop(warp, "");
}

void Debugger::waits(Warp& warp, const Split& split) {
  if (split.wait.kind != Wait::Kind::poll) waiting_.insert({&warp, split.pc});
}

void Debugger::access(const AccessEvent& e) {
  if (watches_.empty() || e.access == Access::read) return;
  for (Watch& w : watches_) {
    Mask writers = 0;
    for (int l = 0; l < warp_size; ++l) {
      const bool on = (e.lanes >> l & 1) != 0 && e.hosts[l] < w.host + w.old.size() &&
                      e.hosts[l] + e.bytes > w.host;
      writers |= static_cast<Mask>(on) << l;
    }
    if (writers == 0) continue;
    w.writer = place_text(e.warp.code(), e.warp.pc(), *session_.code().source) + " " +
               where_text(e.warp.cta(), Mask{1} << e.warp.index(), writers);
  }
}

void Debugger::cta_ends(Cta& cta) {
  // Of a launch that failed all CTAs are still there when the first one ends.
  if (cta.launch().failed && !fault_shown_) {
    fault_shown_ = true;
    at_hand_ = nullptr;
    if (focus_ == nullptr) focus_ = cta.warps()[0].get();
    say("fault: " + cta.launch().fault);
    prompt();
  }
  for (const auto& warp : cta.warps()) {
    std::erase_if(waiting_, [&](const auto& w) { return w.first == warp.get(); });
    if (focus_ == warp.get()) focus_ = nullptr;
    if (at_hand_ == warp.get()) at_hand_ = nullptr;
    // Nobody is left to be stepped: the next instruction of anybody counts.
    if (stepped_ == warp.get()) stepped_ = nullptr;
  }
  std::erase_if(mbarriers_, [&](const auto& m) { return m.second == &cta; });
  std::erase_if(watches_, [&](const Watch& w) {
    return w.host >= cta.shared() && w.host < cta.shared() + cta.shared_bytes();
  });
  std::erase(ctas_, &cta);
}

void Debugger::lanes_exit(Warp& warp, Mask lanes) {
  if (stepped_ == &warp && (warp.alive() & ~lanes) == 0) stepped_ = nullptr;
}

void Debugger::mbarrier_initialised(Warp& warp, const std::uint8_t* at, std::uint32_t) {
  for (Cta* cta : warp.cta().cluster().ctas) {
    if (cta != nullptr && at >= cta->shared() && at < cta->shared() + cta->shared_bytes())
      mbarriers_[at] = cta;
  }
}

}  // namespace triptych::emulator
