/// \file
/// A debugger for a terminal: it stops warps at lines, steps them, and shows registers by lane,
/// memory and barriers. Commands come from a stream, so that scripts can drive it; `help` lists
/// them.
///
/// An instruction whose guard no lane passes is passed over. It is an observer whose `instruction`
/// blocks while it reads commands: the machine stands still meanwhile. REQUIRES: a session with
/// keep_registers, or registers would show what others left in their rows.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/machine/observer.h"
#include "emulator/tool/session.h"

namespace triptych::emulator {

class Debugger : public Observer {
 public:
  struct Streams {
    std::istream& in;
    std::function<void(std::string_view)> out;
    bool terminal = false;  ///< a person types: commands are not echoed, and places are coloured
  };
  Debugger(Session& session, Streams streams);
  /// Reads commands until the kernel has ended or somebody quits. Returns the report of the
  /// kernel's fault, or nothing if it was left before its end.
  std::optional<std::string> debug();
  /// Stops at the next instruction: for a signal handler.
  static void interrupt() { interrupted().store(true); }

  void instruction(Warp& warp, const Instr& instr) override;
  void waits(Warp& warp, const Split& split) override;
  void access(const AccessEvent& event) override;
  void cta_begins(Cta& cta) override { ctas_.push_back(&cta); }
  void cta_ends(Cta& cta) override;
  void lanes_exit(Warp& warp, Mask lanes) override;
  void mbarrier_initialised(Warp& warp, const std::uint8_t* at, std::uint32_t) override;
  void mbarrier_invalidated(Warp&, const std::uint8_t* at) override { mbarriers_.erase(at); }

 private:
  struct Breakpoint {
    int id;
    std::uint32_t file, line;  // line 0: where `function` begins
    const FunctionCode* function;
    std::optional<std::uint64_t> cta;  // only there
    std::optional<int> warp;
  };
  struct Watch {
    int id;
    std::string text;  // as it was written
    Type type;
    const std::uint8_t* host;
    std::vector<std::uint8_t> old;
    std::string writer;  // who wrote last
  };
  /// Where the warp in focus is.
  struct Place {
    const FunctionCode* code;
    Frame* frame;
    std::uint32_t pc;
    Mask lanes;
  };
  struct Quit {};
  using Words = std::vector<std::string_view>;
  using Command = bool (Debugger::*)(const Words&);  // true: the machine goes on
  struct Entry {
    std::string_view name, short_name, arguments, what;
    Command command;
  };
  static const std::vector<Entry>& table();
  static std::atomic<bool>& interrupted();

  // The prompt.
  void prompt();
  bool execute(std::string line);
  void say(std::string_view line) const;

  // Commands.
  bool help(const Words&);
  bool break_at(const Words&);
  bool delete_breakpoints(const Words&);
  bool run(const Words&);
  bool step(const Words&);
  bool next(const Words&);
  bool quit(const Words&);
  bool choose_warp(const Words&);
  bool choose_cta(const Words&);
  bool lanes(const Words&);
  bool print(const Words&);
  bool registers(const Words&);
  bool memory(const Words&);
  bool barriers(const Words&);
  bool where(const Words&);
  bool list(const Words&);
  bool watch(const Words&);

  // Stopping.
  bool hits(const Warp& warp) const;
  bool changed_watch();
  void stop(Warp& warp, const std::string& why);
  void show_place() const;

  // What is in focus.
  Warp& focus() const;
  Place place() const;
  Place place_of(Warp& warp) const;
  const Register& find_register(std::string_view name) const;
  Slot slot_of(const Register& reg) const;
  std::uint64_t evaluate(std::string_view text, Space space) const;
  const std::uint8_t* host(Space space, std::uint64_t address, std::uint64_t bytes) const;
  std::string lane_value(const Register& reg, Type type, int lane) const;
  void print_lanes(std::string_view name, const std::function<std::string(int)>& value,
                   bool briefly) const;
  int lane_of(std::string_view text) const;

  Session& session_;
  Streams streams_;
  SourceLines lines_;
  std::vector<Breakpoint> breakpoints_;
  std::vector<Watch> watches_;
  int next_id_ = 1;
  enum class Mode { running, stepping } mode_ = Mode::running;
  bool started_ = false, fault_shown_ = false;
  Warp* stepped_ = nullptr;  // whose instructions count; null: anybody's
  std::uint64_t steps_ = 0;  // before it stops
  int most_depth_ = 0;       // next: calls are not entered
  Warp* at_hand_ = nullptr;  // is about to execute
  Warp* focus_ = nullptr;
  std::vector<Cta*> ctas_;  // alive
  std::set<std::pair<const Warp*, std::uint32_t>>
      waiting_;  // instructions that will be tried again
  std::map<const std::uint8_t*, Cta*> mbarriers_;
  std::string last_;  // an empty line does it again
};

}  // namespace triptych::emulator
