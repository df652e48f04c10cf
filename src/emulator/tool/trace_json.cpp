#include "emulator/tool/trace_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace triptych::emulator {
namespace {

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string place(const Instruction* at) {
  return at == nullptr ? "" : fmt::format("line {}: {}", at->at.line, at->opcode);
}

class Writer {
 public:
  explicit Writer(const Timeline& timeline) : t_(timeline) {}

  void event(const std::string& fields) {
    text_ += first_ ? "\n" : ",\n";
    first_ = false;
    text_ += "{" + fields + "}";
  }
  static int process(const Timeline::CtaSlice& c) { return c.device * 1000 + c.sm + 1; }
  /// A CTA's track is the first of its slot's, its warps' follow.
  static std::size_t track(const Timeline::CtaSlice& c, int warp) {
    return static_cast<std::size_t>(c.slot) * 64 + 1 + static_cast<std::size_t>(warp + 1);
  }

  void names() {
    std::set<int> processes;
    std::set<std::pair<int, std::size_t>> tracks;
    const auto name = [&](int pid, std::size_t tid, const std::string& text) {
      if (!tracks.insert({pid, tid}).second) return;
      event(fmt::format(R"("name":"thread_name","ph":"M","pid":{},"tid":{},"args":{{"name":{}}})",
                        pid, tid, json_text(text)));
      event(fmt::format(
          R"("name":"thread_sort_index","ph":"M","pid":{},"tid":{},"args":{{"sort_index":{}}})",
          pid, tid, tid));
    };
    for (const auto& c : t_.ctas()) {
      const int pid = process(c);
      if (processes.insert(pid).second) {
        const std::string device = c.device == 0 ? "" : fmt::format("device {}, ", c.device);
        event(fmt::format(R"("name":"process_name","ph":"M","pid":{},"args":{{"name":{}}})", pid,
                          json_text(fmt::format("{}SM {} (ticks)", device, c.sm))));
        event(fmt::format(
            R"("name":"process_sort_index","ph":"M","pid":{},"args":{{"sort_index":{}}})", pid,
            pid));
      }
      name(pid, track(c, -1), fmt::format("CTA slot {}", c.slot));
      for (std::size_t w = 0; w < c.warps; ++w)
        name(pid, track(c, static_cast<int>(w)), fmt::format("slot {} warp {}", c.slot, w));
    }
  }

  void slice(const Timeline::CtaSlice& c, std::size_t tid, std::string_view category,
             const std::string& name, std::uint64_t begin, std::uint64_t end,
             const std::string& details) {
    event(fmt::format(
        R"("name":{},"cat":"{}","ph":"X","pid":{},"tid":{},"ts":{},"dur":{},"args":{{{}}})",
        json_text(name), category, process(c), tid, begin, end - begin, details));
  }

  std::string write(const std::string& kernel) {
    names();
    for (const auto& c : t_.ctas())
      slice(c, track(c, -1), "cta", "CTA " + c.position, c.begin, c.end,
            fmt::format(R"("kernel":{})", json_text(c.kernel)));
    for (const auto& w : t_.warps()) {
      const auto& c = t_.ctas()[w.cta];
      const bool runs = w.kind == Wait::Kind::none;
      const std::string details =
          fmt::format(R"("at":{},"lanes":"0x{:08x}")", json_text(place(w.at)), w.lanes);
      if (w.whole) {
        slice(c, track(c, w.warp), runs ? "run" : "wait", runs ? "run" : w.what, w.begin, w.end,
              details);
        continue;
      }
      // While some lanes wait others run: no slice of one track.
      const std::string common =
          fmt::format(R"("cat":"lanes","id":"w{}","pid":{},"tid":{},"name":{})", ++waits_,
                      process(c), track(c, w.warp),
                      json_text(fmt::format("lanes of slot {} warp {} wait", c.slot, w.warp)));
      event(fmt::format(R"({},"ph":"b","ts":{},"args":{{"for":{},{}}})", common, w.begin,
                        json_text(w.what), details));
      event(fmt::format(R"({},"ph":"e","ts":{})", common, w.end));
    }
    for (const auto& a : t_.work()) {
      // Asynchronous events with one name and process share a track where they do not overlap.
      const auto& c = t_.ctas()[a.cta];
      const std::string common =
          fmt::format(R"("cat":"async","id":"{:#x}","pid":{},"tid":{},"name":{})", a.token,
                      process(c), track(c, a.warp), json_text(name_of(a.kind)));
      event(fmt::format(R"({},"ph":"b","ts":{},"args":{{"at":{},"bytes":{},"cta":{},"warp":{}}})",
                        common, a.begin, json_text(place(a.at)), a.bytes, json_text(c.position),
                        a.warp));
      event(fmt::format(R"({},"ph":"e","ts":{})", common, a.end));
    }
    return fmt::format(
        "{{\"otherData\":{{\"kernel\":{},\"unit\":\"ticks, one shown as 1 us; they order events "
        "and are never time\",\"left_out\":{}}},\n"
        "\"traceEvents\":[{}\n]}}\n",
        json_text(kernel), t_.dropped(), text_);
  }

 private:
  const Timeline& t_;
  std::string text_;
  int waits_ = 0;
  bool first_ = true;
};

}  // namespace

std::string trace_json(const Timeline& timeline, const std::string& kernel) {
  return Writer(timeline).write(kernel);
}

}  // namespace triptych::emulator
