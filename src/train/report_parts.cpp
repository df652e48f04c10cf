#include "train/report_parts.h"

#include <fmt/format.h>

namespace triptych::report_parts {

namespace {

constexpr std::string_view page_style = R"css(
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
       font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 28px 64px; }
header { display: flex; align-items: center; gap: 20px; margin-bottom: 28px; }
header svg { width: 64px; flex: none; }
h1 { font-size: 30px; line-height: 1.15; font-weight: 650; letter-spacing: -.015em; margin: 0; }
h1 span { color: var(--faint); font-weight: 400; }
header p { margin: 5px 0 0; color: var(--soft); }
h2 { font-size: 18px; font-weight: 620; letter-spacing: -.005em; margin: 0; }
h3 { font-size: 14px; font-weight: 600; margin: 0 0 8px; display: flex; gap: 12px;
     justify-content: space-between; }
h3 span { font-weight: 400; color: var(--soft); font-variant-numeric: tabular-nums; }
section { background: var(--surface); border: 1px solid var(--grid); border-radius: 12px;
          padding: 22px 24px 20px; margin-top: 18px; }
section > p.note { margin: 2px 0 14px; color: var(--soft); font-size: 13.5px; }
section > h2:only-of-type + :not(.note) { margin-top: 14px; }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(176px, 1fr)); }
.tile { background: var(--surface); border: 1px solid var(--grid); border-radius: 12px;
        padding: 14px 18px 13px; }
.tile b { display: block; font-size: 28px; line-height: 1.2; font-weight: 620;
          letter-spacing: -.02em; white-space: nowrap; font-variant-numeric: tabular-nums; }
.tile i { font-style: normal; color: var(--soft); font-size: 13px; }
.tile em { font-style: normal; color: var(--soft); font-size: 12.5px; display: block; }
.pair { display: grid; gap: 26px 28px;
        grid-template-columns: repeat(auto-fill, minmax(min(400px, 100%), 1fr)); }
.wide { overflow-x: auto; }
.wide svg { min-width: 620px; }
.below { margin-top: 26px; }
.heat-legend { max-width: 380px; margin: 0 0 18px; }
pre { margin: 0; padding: 14px 16px; border-radius: 8px; background: var(--page); overflow-x: auto;
      font: 13px/1.55 ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace; }
pre.sample { white-space: pre-wrap; overflow-wrap: anywhere; max-width: none; }
p.purpose { margin: 14px 0 5px; color: var(--soft); font-size: 13.5px; }
dl { margin: 0; columns: 2 380px; column-gap: 44px; }
dl div { display: flex; justify-content: space-between; gap: 20px; padding: 5px 0;
         border-bottom: 1px solid var(--grid); break-inside: avoid; }
dt { color: var(--soft); }
dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
@media (max-width: 720px) { main { padding: 22px 14px 40px; } section { padding: 16px 14px; } }
@media print { section, .tile { break-inside: avoid; } }
)css";

/// Three panels, the middle one wider, and one falling curve across them.
std::string emblem() {
  Svg svg(64, 44, "Triptych");
  svg.rect(1, 4, 15, 36, "panel", "", 2);
  svg.rect(19, 1, 26, 42, "panel", "", 2);
  svg.rect(48, 4, 15, 36, "panel", "", 2);
  svg.path("M4 11C10 30 14 31 22 29S34 35 42 33S52 35 60 35", "curve s2");
  return svg.element();
}

/// The parts that are not empty, with dots between them.
std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) {
    if (part.empty()) continue;
    text += (text.empty() ? "" : " · ") + escape_markup(part);
  }
  return text;
}

}  // namespace

std::string head(const RunReport& report, std::string_view style) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>Triptych: {0}</title>\n<style>{1}{2}"
      "svg .panel {{ fill: var(--surface); stroke: var(--faint); stroke-width: 1.5; }}\n"
      "{5}</style>\n</head>\n<body>\n<main>\n<header>{3}<div><h1><span>Triptych</span> {0}</h1>"
      "<p>{4}</p></div></header>\n",
      escape_markup(report.name), svg_style(), page_style, emblem(),
      joined({report.tier, report.precision, report.device, report.date}), style);
}

std::string section(std::string_view heading, std::string_view note, const std::string& content) {
  const std::string sentence =
      note.empty() ? "" : fmt::format("<p class=\"note\">{}</p>\n", escape_markup(note));
  return fmt::format("<section>\n<h2>{}</h2>\n{}{}</section>\n", escape_markup(heading), sentence,
                     content);
}

std::string wide(const Svg& picture) {
  return "<div class=\"wide\">" + picture.element() + "</div>";
}

std::string tile(std::string_view name, std::string_view value, std::string_view remark) {
  return fmt::format("<div class=\"tile\"><i>{}</i><b>{}</b><em>{}</em></div>\n",
                     escape_markup(name), escape_markup(value), escape_markup(remark));
}

std::string facts_table(const Facts& facts) {
  std::string html = "<dl>\n";
  for (const auto& [name, value] : facts) {
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escape_markup(name),
                        escape_markup(value));
  }
  return html + "</dl>\n";
}

}  // namespace triptych::report_parts
