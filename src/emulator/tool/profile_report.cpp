#include "emulator/tool/profile_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "emulator/machine/report.h"

namespace triptych::emulator {
namespace {

/// "12/8" of what there is and what would do; empty without any.
std::string against(std::uint64_t real, std::uint64_t ideal) {
  return real == 0 ? "" : fmt::format("{}/{}", real, ideal);
}

std::string requests_text(const Tally& t) {
  std::string text;
  if (t.requests != 0) {
    text += fmt::format(
        "global     {}, {} sectors of 32 bytes ({:.2f} a request), {} would do; {} bytes\n",
        counted(t.requests, "request"), grouped(t.sectors),
        static_cast<double>(t.sectors) / static_cast<double>(t.requests), grouped(t.ideal_sectors),
        grouped(t.global_bytes));
  }
  if (t.shared_requests != 0) {
    text += fmt::format("shared     {}, {}, {} without bank conflicts; {} bytes\n",
                        counted(t.shared_requests, "request"), counted(t.wavefronts, "wavefront"),
                        grouped(t.ideal_wavefronts), grouped(t.shared_bytes));
  }
  if (t.local_requests != 0)
    text += fmt::format("local      {}\n", counted(t.local_requests, "request"));
  if (t.async_read + t.async_written != 0) {
    text += fmt::format("async      {} bytes read, {} written after the instruction\n",
                        grouped(t.async_read), grouped(t.async_written));
  }
  return text;
}

nlohmann::ordered_json json_of(const Tally& t) {
  return {{"warps", t.warps},
          {"threads", t.threads},
          {"divergent_branches", t.divergent},
          {"global_requests", t.requests},
          {"sectors", t.sectors},
          {"ideal_sectors", t.ideal_sectors},
          {"global_bytes", t.global_bytes},
          {"shared_requests", t.shared_requests},
          {"wavefronts", t.wavefronts},
          {"ideal_wavefronts", t.ideal_wavefronts},
          {"shared_bytes", t.shared_bytes},
          {"local_requests", t.local_requests},
          {"async_bytes_read", t.async_read},
          {"async_bytes_written", t.async_written}};
}

}  // namespace

double lane_share(const Tally& t) {
  return t.warps == 0 ? 0
                      : static_cast<double>(t.threads) / static_cast<double>(t.warps * warp_size);
}

ProfileReport make_report(const Profile& profile, const Session& session, const Launch& launch) {
  const Module& module = *launch.module->source;
  ProfileReport report{.kernel = std::string(session.kernel().source->name),
                       .grid = launch.grid,
                       .block = launch.block,
                       .ctas = profile.ctas(),
                       .warps = profile.warps(),
                       .total = profile.total()};
  for (const auto& [name, tally] : profile.by_family()) report.families.emplace_back(name, tally);
  std::stable_sort(
      report.families.begin(), report.families.end(),
      [](const auto& a, const auto& b) { return a.second.threads > b.second.threads; });
  const SourceLines lines(module);
  std::uint32_t file = ~0u, next = 0;
  for (const auto& [at, tally] : profile.by_line()) {
    // What lies between two executed lines of a file is shown too, unless it is long.
    constexpr std::uint32_t longest_gap = 60;
    for (; at.first == file && next < at.second && at.second - next <= longest_gap; ++next) {
      report.rows.push_back({module.files[file], next, std::string(lines.line(file, next)), {}});
    }
    file = at.first;
    next = at.second + 1;
    report.rows.push_back(
        {module.files[file], at.second, std::string(lines.line(file, at.second)), tally});
  }
  return report;
}

std::string text_of(const ProfileReport& r) {
  const Tally& t = r.total;
  std::string text =
      fmt::format("profile    {}, grid {}, block {}: {}, {}\n", r.kernel, extent_text(r.grid),
                  extent_text(r.block), counted(r.ctas, "CTA"), counted(r.warps, "warp"));
  text += fmt::format(
      "executed   {} warp-instructions, {} thread-instructions, {:.1f} of 32 lanes; {}\n",
      grouped(t.warps), grouped(t.threads), 32 * lane_share(t),
      t.divergent == 1 ? "1 divergent branch" : grouped(t.divergent) + " divergent branches");
  std::string mix;
  for (const auto& [name, tally] : r.families) {
    mix += fmt::format("{}{} {:.1f} %", mix.empty() ? "" : ", ", name,
                       100.0 * static_cast<double>(tally.threads) /
                           static_cast<double>(std::max<std::uint64_t>(1, t.threads)));
  }
  text += fmt::format("mix        {}\n", mix);
  text += requests_text(t);
  text += fmt::format("\n{:>5} {:>9} {:>11} {:>5} {:>13} {:>13}  {}\n", "line", "warps", "threads",
                      "lanes", "sectors/ideal", "turns/ideal", "source");
  std::string file;
  for (const auto& row : r.rows) {
    if (row.tally.warps == 0) continue;
    if (row.file != file) text += fmt::format("{}\n", file = row.file);
    text += fmt::format("{:>5} {:>9} {:>11} {:>5.1f} {:>13} {:>13}  {}\n", row.line,
                        row.tally.warps, row.tally.threads, 32 * lane_share(row.tally),
                        against(row.tally.sectors, row.tally.ideal_sectors),
                        against(row.tally.wavefronts, row.tally.ideal_wavefronts), row.text);
  }
  return text;
}

nlohmann::ordered_json json_of(const ProfileReport& r) {
  using Json = nlohmann::ordered_json;
  Json families = Json::object(), lines = Json::array();
  for (const auto& [name, tally] : r.families)
    families[name] = {{"warps", tally.warps}, {"threads", tally.threads}};
  for (const auto& row : r.rows) {
    if (row.tally.warps == 0) continue;
    Json line = {{"file", row.file}, {"line", row.line}, {"text", row.text}};
    line.update(json_of(row.tally));
    lines.push_back(std::move(line));
  }
  return {{"kernel", r.kernel},        {"ctas", r.ctas},       {"warps", r.warps},
          {"total", json_of(r.total)}, {"families", families}, {"lines", lines}};
}

}  // namespace triptych::emulator
