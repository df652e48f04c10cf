#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/ptx_pages.h"
#include "train/report_parts.h"
#include "train/svg.h"

namespace triptych::app {
namespace {

using emulator::grouped;
using emulator::Tally;

constexpr std::string_view style = R"css(
.wide table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13px; }
th { text-align: right; font-weight: 500; color: var(--soft); padding: 4px 10px; border-bottom: 1px solid var(--grid);
     white-space: nowrap; }
th.text, td.text { text-align: left; }
td { text-align: right; padding: 1px 10px; white-space: nowrap; }
td.line { color: var(--faint); }
td.text { white-space: pre; font: 12.5px/1.5 ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace; }
tr.quiet td.text { color: var(--faint); }
tr:hover td { background: var(--page); }
td.bar { min-width: 90px; padding: 1px 4px; }
td.bar i { display: block; height: 10px; border-radius: 2px; background: var(--h2); min-width: 1px; }
td.file { text-align: left; color: var(--soft); padding-top: 10px; }
)css";

double ratio(std::uint64_t real, std::uint64_t ideal) {
  return ideal == 0 ? 1 : static_cast<double>(real) / static_cast<double>(ideal);
}

/// What there is against what would do, the more coloured the larger the difference: a step of
/// colour is a third of an octave, as in heat maps.
std::string against(std::uint64_t real, std::uint64_t ideal) {
  if (real == 0) return "<td></td>";
  const int colour =
      6 + std::clamp(static_cast<int>(std::lround(3 * std::log2(ratio(real, ideal)))), 0, 6);
  const std::string paint =
      colour == 6 ? "" : fmt::format(" style=\"background: var(--h{})\"", colour);
  return fmt::format("<td{}>{} / {}</td>", paint, grouped(real), grouped(ideal));
}

std::string tiles(const emulator::ProfileReport& r) {
  using report_parts::tile;
  const Tally& t = r.total;
  std::string html = "<div class=\"tiles\">\n";
  html += tile("executed", grouped(t.threads),
               fmt::format("thread-instructions, {} of warps", grouped(t.warps)));
  html += tile("active lanes", fmt::format("{:.1f}", 32 * emulator::lane_share(t)),
               fmt::format("of 32; {} divergent branches", grouped(t.divergent)));
  if (t.requests != 0) {
    html += tile(
        "global memory", fmt::format("{:.2f} ×", ratio(t.sectors, t.ideal_sectors)),
        fmt::format("{} sectors where {} would do", grouped(t.sectors), grouped(t.ideal_sectors)));
  }
  if (t.shared_requests != 0) {
    html += tile("shared memory", fmt::format("{:.2f} ×", ratio(t.wavefronts, t.ideal_wavefronts)),
                 fmt::format("{} wavefronts where {} would do", grouped(t.wavefronts),
                             grouped(t.ideal_wavefronts)));
  }
  return html + "</div>\n";
}

std::string bar(std::uint64_t part, std::uint64_t whole) {
  return fmt::format(
      "<td class=\"bar\"><i style=\"width: {:.1f}%\"></i></td>",
      whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string mix(const emulator::ProfileReport& r) {
  std::string html =
      "<div class=\"wide\"><table>\n<tr><th "
      "class=\"text\">family</th><th>threads</th><th>warps</th><th>lanes</th><th></th></tr>\n";
  const std::uint64_t most = r.families.empty() ? 0 : r.families.front().second.threads;
  for (const auto& [name, t] : r.families) {
    html +=
        fmt::format("<tr><td class=\"text\">{}</td><td>{}</td><td>{}</td><td>{:.1f}</td>{}</tr>\n",
                    escape_markup(name), grouped(t.threads), grouped(t.warps),
                    32 * emulator::lane_share(t), bar(t.threads, most));
  }
  return html + "</table></div>\n";
}

std::string source(const emulator::ProfileReport& r) {
  std::string html =
      "<div "
      "class=\"wide\"><table>\n<tr><th>threads</th><th></th><th>lanes</th><th>sectors</"
      "th><th>wavefronts</th>"
      "<th>line</th><th class=\"text\">source</th></tr>\n";
  std::uint64_t most = 0;
  for (const auto& row : r.rows) most = std::max(most, row.tally.threads);
  std::string file;
  for (const auto& row : r.rows) {
    if (row.file != file)
      html += fmt::format("<tr><td colspan=\"6\"></td><td class=\"file\">{}</td></tr>\n",
                          escape_markup(file = row.file));
    const Tally& t = row.tally;
    const std::string text = escape_markup(row.text);
    if (t.warps == 0) {
      html += fmt::format(
          "<tr class=\"quiet\"><td colspan=\"5\"></td><td class=\"line\">{}</td><td "
          "class=\"text\">{}</td></tr>\n",
          row.line, text);
      continue;
    }
    html += fmt::format(
        "<tr><td>{}</td>{}<td>{:.1f}</td>{}{}<td class=\"line\">{}</td><td "
        "class=\"text\">{}</td></tr>\n",
        grouped(t.threads), bar(t.threads, most), 32 * emulator::lane_share(t),
        against(t.sectors, t.ideal_sectors), against(t.wavefronts, t.ideal_wavefronts), row.line,
        text);
  }
  return html + "</table></div>\n";
}

}  // namespace

std::string profile_page(const emulator::ProfileReport& r, int sms) {
  const RunReport head{.name = r.kernel,
                       .tier = "profile",
                       .device = fmt::format("software device, {} SMs", sms),
                       .date = fmt::format("grid {},{},{}, block {},{},{}", r.grid[0], r.grid[1],
                                           r.grid[2], r.block[0], r.block[1], r.block[2])};
  return report_parts::head(head, style) + tiles(r) +
         report_parts::section("Instructions",
                               "Lanes that executed an instruction of the family. All numbers are "
                               "counts; none is a time.",
                               mix(r)) +
         report_parts::section("Source",
                               "Sectors are pieces of 32 bytes that requests to global memory "
                               "touched, wavefronts the turns that banks of shared memory "
                               "needed; behind the stroke what would do if each request's bytes "
                               "lay side by side, or without conflicts.",
                               source(r)) +
         "</main>\n</body>\n</html>\n";
}

}  // namespace triptych::app
