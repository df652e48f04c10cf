/// \file
/// Progress of long work on standard error: a bar on a terminal, plain lines elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

namespace triptych {

/// Where and how progress is shown. The defaults suit the process's standard error.
struct ProgressStyle {
  std::ostream* out = nullptr;    ///< null: std::cerr
  bool terminal = false;          ///< a bar that is drawn over and over, else lines
  int width = 80;                 ///< columns of the terminal
  bool unicode = true;            ///< draw with block characters, else with '#'
  double redraw_seconds = 0.1;    ///< at least so long between two drawings of the bar
  double line_seconds = 5;        ///< at least so long between two lines
  std::function<double()> clock;  ///< seconds, monotonic; empty: the system's steady clock

  /// What suits standard error as it is: terminal or not, its width, the locale's encoding.
  static ProgressStyle standard_error();
};

/// A count of done units out of a total, with rate and estimated time to the end.
///
///   train ━━━━━━━━━━━━━━━╸────────────  312/800  4.2 steps/s, 1:56 left  loss 2.31
///   train: 312 of 800 steps (39 %), 4.2 steps/s, 1:56 left, loss 2.31
///
/// The rate is that of the last seconds (older ones count e^(-age/15 s)), so that it follows a
/// machine that becomes slower; units that were done before the start (a resumed run) do not count
/// for it.
class Progress {
 public:
  /// `task` and `unit` name the work, e.g. "train" and "steps". REQUIRES: 0 ≤ done ≤ total.
  Progress(std::string task, std::string unit, std::int64_t total, std::int64_t done = 0,
           ProgressStyle style = ProgressStyle::standard_error());
  /// Leaves the terminal's cursor on a line of its own, also when an exception ends the work.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Tells how far the work is; draws when it is time to. `note` is a short remark, e.g.
  /// "loss 2.31".
  void update(std::int64_t done, std::string_view note = {});
  /// Prints a line of its own above the bar.
  void print(std::string_view line);
  /// Draws the last state with the whole time in place of the time left; later calls do nothing.
  void finish();

 private:
  double rate() const;
  std::string bar_line() const;
  std::string plain_line() const;
  std::string time_text() const;
  void draw();

  std::string task_, unit_;
  std::int64_t total_, done_;
  ProgressStyle style_;
  std::string note_;
  double start_, last_update_, last_draw_;
  double seconds_ = 0, units_ = 0;  // decaying sums: their quotient is the rate
  bool finished_ = false, on_line_ = false;
};

/// A span of time as people write it: 0:07, 1:56, 2:03:10, 3 d 4 h. Negative ones count as zero.
std::string duration_text(double seconds);

}  // namespace triptych
