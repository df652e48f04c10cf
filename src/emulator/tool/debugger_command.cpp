// The debugger's commands that move the machine or what is looked at.
#include <fmt/format.h>

#include <algorithm>

#include "emulator/machine/report.h"
#include "emulator/tool/debugger.h"
#include "emulator/tool/error.h"
#include "emulator/tool/value.h"

namespace triptych::emulator {

const std::vector<Debugger::Entry>& Debugger::table() {
  static const std::vector<Entry> all{
      {"break", "b", "LINE|FUNCTION [cta X] [warp W]",
       "stop before this line, or where a function begins; alone: list", &Debugger::break_at},
      {"delete", "d", "[ID]", "remove a breakpoint or watch, or all of them",
       &Debugger::delete_breakpoints},
      {"run", "r", "", "go on to the next stop or the end", &Debugger::run},
      {"continue", "c", "", "the same", &Debugger::run},
      {"step", "s", "[N]", "execute N instructions of the warp in focus, into functions",
       &Debugger::step},
      {"next", "n", "[N]", "the same, over calls", &Debugger::next},
      {"warp", "", "W", "focus on this warp of the CTA", &Debugger::choose_warp},
      {"cta", "", "X", "focus on the CTA with this linear index", &Debugger::choose_cta},
      {"lanes", "", "", "which lanes of the warp execute, are here, or wait elsewhere",
       &Debugger::lanes},
      {"print", "p", "%REG [LANE] [as TYPE]", "a register, of all lanes or of one",
       &Debugger::print},
      {"registers", "", "[LANE]", "all registers of a lane", &Debugger::registers},
      {"memory", "x", "SPACE ADDRESS [COUNT] [TYPE]",
       "memory from an address: a number, a name, %REG, or one of them + bytes", &Debugger::memory},
      {"barriers", "", "", "named barriers and mbarriers of the CTA", &Debugger::barriers},
      {"where", "w", "", "where all warps are", &Debugger::where},
      {"list", "l", "[LINE]", "the source around a line", &Debugger::list},
      {"watch", "", "SPACE ADDRESS [TYPE]", "stop when this memory changes", &Debugger::watch},
      {"quit", "q", "", "leave", &Debugger::quit},
      {"help", "h", "", "this list", &Debugger::help},
  };
  return all;
}

bool Debugger::help(const Words&) {
  for (const Entry& e : table()) {
    const std::string names =
        e.short_name.empty() ? std::string(e.name) : fmt::format("{}, {}", e.name, e.short_name);
    say(fmt::format("  {:<14} {:<30} {}", names, e.arguments, e.what));
  }
  say("Instructions whose guard no lane passes are passed over.");
  return false;
}

bool Debugger::break_at(const Words& words) {
  if (words.empty()) {
    for (const Breakpoint& b : breakpoints_)
      say(fmt::format(
          "{}: {}", b.id,
          b.line != 0 ? fmt::format("line {}", b.line) : std::string(b.function->source->name)));
    for (const Watch& w : watches_) say(fmt::format("{}: watch {}", w.id, w.text));
    return false;
  }
  Breakpoint b{.id = next_id_, .file = 0, .line = 0, .function = nullptr};
  const ModuleCode& code = session_.code();
  if (const auto named = code.by_name.find(words[0]); named != code.by_name.end()) {
    b.function = named->second;
  } else {
    b.line = static_cast<std::uint32_t>(parse_count(words[0], "break: the line", 0xFFFFFFFF));
    // The first line from here on that holds an instruction; of several files the one that has it.
    const Position* best = nullptr;
    for (const auto& f : code.functions) {
      for (const Site& site : f->sites) {
        if (site.source == nullptr || site.source->at.line < b.line) continue;
        if (best == nullptr || site.source->at.line < best->line) best = &site.source->at;
      }
    }
    if (best == nullptr)
      throw usage(fmt::format("no instruction stands at line {} or after it", b.line));
    b.line = best->line;
    b.file = best->file;
  }
  for (std::size_t i = 1; i + 1 < words.size(); i += 2) {
    if (words[i] != "cta" && words[i] != "warp")
      throw usage(fmt::format("break: '{}' is neither cta nor warp", words[i]));
    const std::uint64_t number =
        parse_count(words[i + 1], fmt::format("break: {}", words[i]), 0x7FFFFFFF);
    if (words[i] == "cta") b.cta = number;
    if (words[i] == "warp") b.warp = static_cast<int>(number);
  }
  breakpoints_.push_back(b);
  say(fmt::format("{}: {}", next_id_++,
                  b.line != 0 ? fmt::format("{}:{}: {}", code.source->files[b.file], b.line,
                                            lines_.line(b.file, b.line))
                              : fmt::format("where {} begins", words[0])));
  return false;
}

bool Debugger::delete_breakpoints(const Words& words) {
  if (words.empty()) {
    breakpoints_.clear();
    watches_.clear();
    return false;
  }
  const auto id = static_cast<int>(parse_count(words[0], "delete: the number", 0x7FFFFFFF));
  const auto same = [&](const auto& b) { return b.id == id; };
  if (std::erase_if(breakpoints_, same) + std::erase_if(watches_, same) == 0)
    throw usage(fmt::format("there is no breakpoint or watch {}; `break` lists them", id));
  return false;
}

bool Debugger::run(const Words&) {
  mode_ = Mode::running;
  return true;
}

bool Debugger::step(const Words& words) {
  steps_ =
      words.empty() ? 1 : std::max<std::uint64_t>(1, parse_count(words[0], "step: the number"));
  mode_ = Mode::stepping;
  stepped_ = focus_ != nullptr && !focus_->done() ? focus_ : nullptr;
  most_depth_ = 0x7FFFFFFF;
  return true;
}

bool Debugger::next(const Words& words) {
  step(words);
  if (stepped_ != nullptr) most_depth_ = place().frame->depth;
  return true;
}

bool Debugger::quit(const Words&) { throw Quit{}; }

bool Debugger::choose_warp(const Words& words) {
  if (words.empty()) throw usage("warp: wanted its number in the CTA");
  Cta& cta = focus().cta();
  const std::uint64_t number = parse_count(words[0], "warp", cta.warps().size() - 1);
  focus_ = cta.warps()[number].get();
  show_place();
  return false;
}

bool Debugger::choose_cta(const Words& words) {
  if (words.empty()) throw usage("cta: wanted its linear index");
  const std::uint64_t number = parse_count(words[0], "cta");
  const auto found =
      std::find_if(ctas_.begin(), ctas_.end(), [&](const Cta* c) { return c->index() == number; });
  if (found == ctas_.end())
    throw usage(fmt::format("CTA {} does not run now: {} CTAs do; `where` lists them", number,
                            ctas_.size()));
  focus_ = (*found)->warps()[0].get();
  show_place();
  return false;
}

Warp& Debugger::focus() const {
  if (focus_ == nullptr)
    throw usage(started_ ? "no warp is in focus; `cta X` chooses one that runs"
                         : "the kernel has not begun; `step` or `run` first");
  return *focus_;
}

Debugger::Place Debugger::place() const { return place_of(focus()); }

Debugger::Place Debugger::place_of(Warp& warp) const {
  if (&warp == at_hand_) return {&warp.code(), &warp.frame(), warp.pc(), warp.exec()};
  if (warp.splits().empty()) throw usage("this warp has ended; `where` lists those that run");
  // Of lanes that have parted those that come first in the program.
  Split& s = warp.splits()[warp.current() < warp.splits().size() ? warp.current() : 0];
  return {s.frame->code, s.frame.get(), s.pc, s.lanes};
}

void Debugger::show_place() const {
  Warp& warp = focus();
  if (warp.done()) return say(fmt::format("warp {} has ended", warp.index()));
  const Place p = place();
  const Instruction* source = p.code->sites[p.pc].source;
  say(fmt::format("{} {}", place_text(*p.code, p.pc, *session_.code().source),
                  where_text(warp.cta(), Mask{1} << warp.index(), p.lanes)));
  if (source == nullptr) return;
  const std::string text =
      fmt::format("{:>5}  {}", source->at.line, lines_.line(source->at.file, source->at.line));
  say(streams_.terminal ? "\033[1;36m" + text + "\033[0m" : text);
}

bool Debugger::list(const Words& words) {
  std::uint32_t file = 0, middle = 1, here = 0;
  const Position* at = nullptr;
  if (focus_ != nullptr && !focus_->done()) {
    const Place p = place();
    if (p.code->sites[p.pc].source != nullptr) at = &p.code->sites[p.pc].source->at;
  } else if (!session_.kernel().sites.empty() && session_.kernel().sites[0].source != nullptr) {
    at = &session_.kernel().sites[0].source->at;
  }
  if (at != nullptr) file = at->file, middle = at->line;
  if (at != nullptr && focus_ != nullptr) here = at->line;
  if (!words.empty())
    middle = static_cast<std::uint32_t>(parse_count(words[0], "list: the line", 0xFFFFFFF));
  constexpr std::uint32_t around = 5;
  for (std::uint32_t n = middle > around ? middle - around : 1;
       n <= std::min(middle + around, lines_.count(file)); ++n) {
    const bool stops =
        std::any_of(breakpoints_.begin(), breakpoints_.end(),
                    [&](const Breakpoint& b) { return b.line == n && b.file == file; });
    say(fmt::format("{}{}{:>5}  {}", n == here ? '>' : ' ', stops ? '*' : ' ', n,
                    lines_.line(file, n)));
  }
  return false;
}

}  // namespace triptych::emulator
