#include "train/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>

namespace triptych {

namespace {

constexpr double rate_memory = 15;  // seconds after which a rate counts 1/e
constexpr const char* clear_line = "\r\x1b[K";

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Columns that UTF-8 text takes, each character counted as one.
int columns(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string rate_text(double rate) {
  return rate >= 100 ? fmt::format("{:.0f}", rate)
         : rate >= 1 ? fmt::format("{:.1f}", rate)
                     : fmt::format("{:.2g}", rate);
}

/// The locale that the environment asks for; the program itself stays in the C locale.
bool environment_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view locale = value;
    return locale.find("UTF-8") != locale.npos || locale.find("utf8") != locale.npos;
  }
  return false;
}

}  // namespace

std::string duration_text(double seconds) {
  // Beyond a century the number says nothing any more, and the cast below would overflow.
  const auto whole = static_cast<std::int64_t>(std::lround(std::clamp(seconds, 0.0, 3.2e9)));
  const std::int64_t hours = whole / 3600;
  if (hours >= 48) return fmt::format("{} d {} h", hours / 24, hours % 24);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

ProgressStyle ProgressStyle::standard_error() {
  ProgressStyle style;
  const char* term = std::getenv("TERM");
  style.terminal =
      ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) style.width = size.ws_col;
  style.unicode = environment_is_utf8();
  return style;
}

Progress::Progress(std::string task, std::string unit, std::int64_t total, std::int64_t done,
                   ProgressStyle style)
    : task_(std::move(task)),
      unit_(std::move(unit)),
      total_(total),
      done_(done),
      style_(std::move(style)) {
  if (style_.out == nullptr) style_.out = &std::cerr;
  if (!style_.clock) style_.clock = steady_seconds;
  start_ = last_update_ = style_.clock();
  last_draw_ = style_.terminal ? -INFINITY : start_;  // a bar at once, the first line after a while
  if (style_.terminal) draw();
}

Progress::~Progress() {
  if (on_line_) *style_.out << '\n' << std::flush;
}

void Progress::update(std::int64_t done, std::string_view note) {
  if (finished_) return;
  const double now = style_.clock();
  const double elapsed = now - last_update_;
  const double kept = std::exp(-elapsed / rate_memory);
  seconds_ = seconds_ * kept + elapsed;
  units_ = units_ * kept + static_cast<double>(done - done_);
  last_update_ = now;
  done_ = done;
  note_ = note;
  if (now - last_draw_ >= (style_.terminal ? style_.redraw_seconds : style_.line_seconds)) draw();
}

void Progress::print(std::string_view line) {
  if (on_line_) *style_.out << clear_line;
  *style_.out << line << '\n';
  on_line_ = false;
  if (style_.terminal && !finished_) draw();
  style_.out->flush();
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  draw();
  if (on_line_) *style_.out << '\n' << std::flush;
  on_line_ = false;
}

double Progress::rate() const { return seconds_ > 0 ? units_ / seconds_ : 0; }

std::string Progress::time_text() const {
  const double now = style_.clock();
  if (finished_) return fmt::format("in {}", duration_text(now - start_));
  if (rate() <= 0) return "";
  return fmt::format("{} {}/s, {} left", rate_text(rate()), unit_,
                     duration_text(static_cast<double>(total_ - done_) / rate()));
}

std::string Progress::plain_line() const {
  const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1;
  std::string line = fmt::format("{}: {} of {} {} ({:.0f} %)", task_, done_, total_, unit_,
                                 std::floor(100 * share));
  for (const std::string& part : {time_text(), note_}) {
    if (!part.empty()) line += ", " + part;
  }
  return line;
}

std::string Progress::bar_line() const {
  std::string tail = fmt::format("  {}/{}", done_, total_);
  for (const std::string& part : {time_text(), note_}) {
    if (!part.empty()) tail += "  " + part;
  }
  const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1;
  const int cells = std::clamp(style_.width - 1 - columns(task_) - 1 - columns(tail), 0, 40);
  // Half cells: a heavy line, ending in a half one, on a light one.
  const int halves = static_cast<int>(std::clamp(share, 0.0, 1.0) * 2 * cells);
  std::string bar;
  for (int i = 0; i < cells; ++i) {
    const bool whole = 2 * i + 2 <= halves, half = 2 * i + 1 == halves;
    bar += style_.unicode ? (whole ? "━" : half ? "╸" : "─") : (whole ? "#" : half ? "+" : "-");
  }
  return task_ + ' ' + bar + tail;
}

void Progress::draw() {
  last_draw_ = style_.clock();
  if (!style_.terminal) {
    *style_.out << plain_line() << '\n' << std::flush;
    return;
  }
  // A line wider than the terminal would wrap and could not be drawn over: cut it.
  std::string line = bar_line();
  while (columns(line) > std::max(style_.width - 1, 1)) {
    do {
      const bool continuation = (line.back() & 0xC0) == 0x80;
      line.pop_back();
      if (!continuation) break;
    } while (!line.empty());
  }
  *style_.out << clear_line << line << std::flush;
  on_line_ = true;
}

}  // namespace triptych
