#include "train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/file_io.h"
#include "train/chart.h"
#include "train/report_parts.h"
#include "triptych/error.h"

namespace triptych {

namespace {

using report_parts::facts_table;
using report_parts::section;
using report_parts::tile;

double bits(double nats) { return nats / std::numbers::ln2; }

std::vector<double> in_bits(std::vector<double> nats) {
  for (double& value : nats) value = bits(value);
  return nats;
}

/// Steps over which the thick curves average: a fortieth of the run.
std::size_t smoothing_span(const Curve& curve) {
  return std::max<std::size_t>(1, curve.step.size() / 40);
}

void check_curve(const char* name, const Curve& curve) {
  if (curve.step.size() != curve.value.size()) {
    throw usage_error(fmt::format("report: {} has {} steps and {} values; give one value a step",
                                  name, curve.step.size(), curve.value.size()));
  }
}

void check(const RunReport& report) {
  check_curve("train_loss", report.train_loss);
  check_curve("held_out_loss", report.held_out_loss);
  check_curve("learning_rate", report.learning_rate);
  check_curve("gradient_norm", report.gradient_norm);
  check_curve("tokens_per_second", report.tokens_per_second);
  for (const LayerLoad& layer : report.load) {
    const std::size_t wanted = report.load_steps.size() * static_cast<std::size_t>(layer.experts);
    if (layer.share.size() != wanted) {
      throw usage_error(fmt::format("report: {} has {} shares; give steps·E = {}·{}", layer.name,
                                    layer.share.size(), report.load_steps.size(), layer.experts));
    }
  }
}

/// Where the loss chart ends: the first twentieth of a run falls from 8 bits and would leave the
/// rest a flat line. So it shows what comes after it, and all of the levels and held-out losses;
/// nothing where that cuts off less than a third of the picture.
std::optional<double> loss_top(const RunReport& report, const std::vector<double>& train) {
  double shown = 0, largest = 0;
  const auto include = [&](double value) {
    if (std::isfinite(value)) shown = std::max(shown, value);
  };
  for (std::size_t i = 0; i < train.size(); ++i) {
    if (std::isfinite(train[i])) largest = std::max(largest, train[i]);
    if (i >= train.size() / 20) include(train[i]);
  }
  for (const double nats : report.held_out_loss.value) include(bits(nats));
  include(report.bigram_bits.value_or(0));
  if (1.05 * shown >= 0.67 * largest) return std::nullopt;
  return 1.05 * shown;
}

std::string loss_section(const RunReport& report) {
  if (report.train_loss.step.empty()) return "";
  LineChart chart;
  chart.title = "Loss over steps";
  chart.height = 400;
  chart.x_label = "step";
  chart.y_label = "bits a byte";
  chart.right_label = "nats a byte";
  chart.right_factor = std::numbers::ln2;
  const std::vector<double> train = in_bits(report.train_loss.value);
  const std::vector<double> thick = smoothed(train, smoothing_span(report.train_loss));
  chart.series.push_back({"", report.train_loss.step, train, "thin s1"});
  chart.series.push_back({"train, smoothed", report.train_loss.step, thick, "curve s1"});
  if (!report.held_out_loss.step.empty()) {
    chart.series.push_back({"held out", report.held_out_loss.step,
                            in_bits(report.held_out_loss.value), "curve s2", true});
  }
  if (report.bigram_bits) {
    chart.levels.push_back({fmt::format("bigram, {}", number_text(*report.bigram_bits)),
                            *report.bigram_bits, "level quiet"});
  }
  if (report.entropy_bits) {
    chart.levels.push_back({fmt::format("true entropy, {}", number_text(*report.entropy_bits)),
                            *report.entropy_bits, "level s4"});
  }
  std::string note =
      "Cross-entropy of the next byte. Pale: every step; the thick line is its mean over "
      "a fortieth of the run.";
  chart.top = loss_top(report, thick);
  if (chart.top) note += " The beginning lies above the picture.";
  return section("Loss", note, report_parts::wide(draw(chart)));
}

/// A curve with its smoothed form, or the curve alone.
Svg single_chart(const char* name, const char* unit, const Curve& curve, const char* colour,
                 bool smooth, double width) {
  LineChart chart;
  chart.title = name;
  chart.width = width;
  chart.height = 240;
  chart.x_label = "step";
  chart.y_label = unit;
  chart.from_zero = true;
  const std::string style = colour;
  if (smooth) {
    chart.series.push_back({"", curve.step, curve.value, "thin " + style});
    chart.series.push_back({std::string(name) + ", smoothed", curve.step,
                            smoothed(curve.value, smoothing_span(curve)), "curve " + style});
  } else {
    chart.series.push_back({name, curve.step, curve.value, "curve " + style});
  }
  return draw(chart);
}

std::string optimisation_section(const RunReport& report) {
  if (report.learning_rate.step.empty() && report.gradient_norm.step.empty()) return "";
  return section(
      "Optimisation", "",
      "<div class=\"pair\">" +
          single_chart("learning rate", "", report.learning_rate, "s3", false, 470).element() +
          single_chart("gradient norm", "before clipping", report.gradient_norm, "s1", true, 470)
              .element() +
          "</div>");
}

std::string speed_section(const RunReport& report) {
  if (report.tokens_per_second.step.empty()) return "";
  return section("Throughput", "",
                 report_parts::wide(single_chart("throughput", "tokens a second",
                                                 report.tokens_per_second, "s4", true, 960)));
}

std::string tiles(const RunReport& report) {
  std::string html = "<div class=\"tiles\">";
  if (!report.held_out_loss.value.empty()) {
    const double nats = report.held_out_loss.value.back();
    html += tile("held-out loss", number_text(bits(nats)),
                 fmt::format("bits a byte ({} nats)", number_text(nats)));
    if (report.bigram_bits) {
      const double gain = *report.bigram_bits - bits(nats);
      html += tile("bigram baseline", number_text(*report.bigram_bits),
                   fmt::format("{} bits {} the model", number_text(std::fabs(gain)),
                               gain >= 0 ? "above" : "below"));
    }
  }
  if (report.entropy_bits) {
    html +=
        tile("true entropy", number_text(*report.entropy_bits), "bits a byte, the best possible");
  }
  if (!report.tokens_per_second.value.empty()) {
    std::vector<double> rates = report.tokens_per_second.value;
    std::erase_if(rates, [](double rate) { return !std::isfinite(rate); });
    std::sort(rates.begin(), rates.end());
    if (!rates.empty()) {
      html += tile("throughput", number_text(rates[rates.size() / 2]), "tokens a second, median");
    }
  }
  return html + report_parts::load_tile(report) + "</div>";
}

std::string sample_section(const RunReport& report) {
  if (report.prompt.empty() && report.sample.empty()) return "";
  return section("A sample", report.prompt.empty() ? "" : "The prompt is set in bold.",
                 fmt::format("<pre class=\"sample\"><b>{}</b>{}</pre>",
                             escape_markup(report.prompt), escape_markup(report.sample)));
}

std::string command_section(const RunReport& report) {
  if (report.commands.empty()) return "";
  std::string html;
  for (const auto& [purpose, command] : report.commands) {
    html += fmt::format("<p class=\"purpose\">{}</p><pre>{}</pre>", escape_markup(purpose),
                        escape_markup(command));
  }
  return section("Commands", "", html);
}

}  // namespace

std::vector<double> smoothed(const std::vector<double>& values, std::size_t span) {
  // Sums before each element; a NaN adds nothing to either.
  std::vector<double> sums = {0};
  std::vector<std::size_t> counts = {0};
  for (const double value : values) {
    const bool finite = std::isfinite(value);
    sums.push_back(sums.back() + (finite ? value : 0));
    counts.push_back(counts.back() + (finite ? 1 : 0));
  }
  std::vector<double> means;
  means.reserve(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t before = std::min(span / 2, i);
    const std::size_t after = std::min(before, values.size() - 1 - i);
    const std::size_t count = counts[i + after + 1] - counts[i - before];
    const double sum = sums[i + after + 1] - sums[i - before];
    means.push_back(count > 0 ? sum / static_cast<double>(count) : std::nan(""));
  }
  return means;
}

std::string report_page(const RunReport& report) {
  check(report);
  std::string html = report_parts::head(report);
  html += tiles(report) + loss_section(report) + report_parts::load_section(report) +
          optimisation_section(report) + speed_section(report) + sample_section(report);
  if (!report.results.empty()) html += section("Results", "", facts_table(report.results));
  if (!report.setup.empty()) html += section("Setup", "", facts_table(report.setup));
  if (!report.config.empty()) html += section("Configuration", "", facts_table(report.config));
  html += command_section(report);
  return html + "</main>\n</body>\n</html>\n";
}

void write_report(const std::filesystem::path& path, const RunReport& report) {
  write_file(path, report_page(report));
}

}  // namespace triptych
