// ctest: timeout=60 labels=sanitize
// The page of a run: complete, self-contained, safe, and of bounded size.
#include "train/report.h"

#include <gtest/gtest.h>

#include <cmath>

#include "expect_error.h"
#include "markup.h"
#include "temporary_folder.h"
#include "train/random.h"

namespace triptych {
namespace {

using testing::count_of;
using testing::expect_error;
using testing::markup_fault;

RunReport report_of(std::size_t steps, std::int64_t experts) {
  Random random(1);
  RunReport report;
  report.name = "tiny";
  report.tier = "reference";
  report.precision = "bf16";
  report.device = "a <device> & 2 threads";
  report.date = "2025-01-01";
  report.bigram_bits = 3.5;
  report.entropy_bits = 0.4;
  report.load = {{"layer 1", experts, {}}, {"layer 2", experts, {}}};
  for (std::size_t i = 1; i <= steps; ++i) {
    const auto step = static_cast<double>(i);
    for (Curve* curve : {&report.train_loss, &report.held_out_loss, &report.learning_rate,
                         &report.gradient_norm, &report.tokens_per_second}) {
      curve->step.push_back(step);
      curve->value.push_back(2 + 0.1 * random.normal());
    }
    report.load_steps.push_back(step);
    for (LayerLoad& layer : report.load) {
      for (std::int64_t e = 0; e < experts; ++e) {
        layer.share.push_back(1.0 / static_cast<double>(experts));
      }
    }
  }
  if (steps > 0) report.held_out_loss.value.back() = 1.5 * std::log(2.0);
  report.prompt = "The <prompt>";
  report.sample = "sample & \x1b[31m \xff end";
  report.setup = {{"data", "data/<x>"}};
  report.config = {{"hidden_size", "256"}};
  report.results = {{"held out", "1.500"}};
  report.commands = {{"repeat", "triptych train --out \"x\""}};
  return report;
}

TEST(Report, ShowsAllThatItIsGiven) {
  const std::string page = report_page(report_of(40, 4));
  EXPECT_EQ(markup_fault(page), "");
  for (const char* text :
       {"<title>Triptych: tiny</title>", "reference · bf16 · a &lt;device&gt; &amp; 2 threads",
        "<b>1.50</b><em>bits a byte (1.04 nats)</em>",
        "<b>3.50</b><em>2.00 bits above the model</em>", "<b>0.400</b>", "tokens a second",
        "<b>1.00–1.00</b>", "layer 2", "learning rate", "gradient norm, smoothed",
        "<b>The &lt;prompt&gt;</b>sample &amp; ", "<dt>data</dt><dd>data/&lt;x&gt;</dd>",
        "<dt>hidden_size</dt><dd>256</dd>", "<dt>held out</dt><dd>1.500</dd>",
        "triptych train --out &quot;x&quot;", "largest share", "smallest share",
        "prefers-color-scheme: dark"}) {
    EXPECT_GE(count_of(page, text), 1) << text;
  }
  EXPECT_EQ(count_of(page, "\x1b"), 0);
  EXPECT_EQ(count_of(page, "\xff"), 0);
}

TEST(Report, LoadsNothingFromElsewhere) {
  std::string page = report_page(report_of(40, 4));
  const std::string name = "http://www.w3.org/2000/svg";  // a name of XML, not an address
  for (std::size_t at = page.find(name); at != page.npos; at = page.find(name)) {
    page.erase(at, name.size());
  }
  EXPECT_EQ(count_of(page, "http"), 0);
  EXPECT_EQ(count_of(page, "script"), 0);
}

TEST(Report, IsAFunctionOfItsData) {
  EXPECT_EQ(report_page(report_of(300, 8)), report_page(report_of(300, 8)));
}

TEST(Report, LeavesOutWhatIsEmpty) {
  const std::string page = report_page(RunReport{});
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_EQ(count_of(page, "<section>"), 0);
  EXPECT_EQ(count_of(page, "class=\"tile\""), 0);
  for (const std::size_t steps : {std::size_t{1}, std::size_t{2}}) {
    EXPECT_EQ(markup_fault(report_page(report_of(steps, 1))), "");
  }
}

TEST(Report, DoesNotGrowWithTheRun) {
  const std::size_t shorter = report_page(report_of(2000, 16)).size();
  const std::size_t longer = report_page(report_of(40000, 16)).size();
  EXPECT_LT(longer, shorter + shorter / 4);
  EXPECT_LT(longer, 2000000u);
}

TEST(Report, ShowsARunThatDiverged) {
  RunReport report = report_of(50, 4);
  for (std::size_t i = 20; i < 50; ++i) {
    report.train_loss.value[i] = NAN;
    report.held_out_loss.value[i] = INFINITY;
    report.gradient_norm.value[i] = INFINITY;
    report.tokens_per_second.value[i] = NAN;
    for (LayerLoad& layer : report.load) layer.share[i * 4] = NAN;
  }
  const std::string page = report_page(report);
  EXPECT_EQ(markup_fault(page), "");
  EXPECT_EQ(count_of(page, "nan<"), 0);
  EXPECT_EQ(count_of(page, "inf<"), 0);
  EXPECT_GE(count_of(page, "<b>–</b>"), 1);  // the held-out loss at the end is no number
}

TEST(Report, FindsTheStarvedExpert) {
  RunReport report = report_of(100, 4);
  for (std::size_t i = 0; i < 100; ++i) {
    report.load[1].share[4 * i] = 0;
    report.load[1].share[4 * i + 1] = 0.5;
  }
  const std::string page = report_page(report);
  EXPECT_EQ(count_of(page, "<b>0.00–2.00</b>"), 1);
  EXPECT_EQ(count_of(page, "at the end 1.00–1.00 × fair"), 1);
  EXPECT_EQ(count_of(page, "at the end 0.00–2.00 × fair"), 1);
}

TEST(Report, RefusesLengthsThatDoNotAgree) {
  RunReport report = report_of(10, 4);
  report.gradient_norm.value.pop_back();
  expect_error([&] { report_page(report); }, ErrorKind::usage, {"gradient_norm", "10", "9"});
  report = report_of(10, 4);
  report.load[1].share.pop_back();
  expect_error([&] { report_page(report); }, ErrorKind::usage, {"layer 2", "39", "10·4"});
}

TEST(Report, IsWrittenToAFile) {
  const testing::TemporaryFolder folder;
  write_report(folder / "report.html", report_of(10, 4));
  EXPECT_EQ(testing::content_of(folder / "report.html"), report_page(report_of(10, 4)));
  expect_error([] { write_report("/nowhere/report.html", RunReport{}); }, ErrorKind::environment,
               {"/nowhere/report.html"});
}

TEST(Smoothed, IsACentredMeanThatShrinksAtTheEnds) {
  const std::vector<double> y = {10, 1, 2, 3, 4, 5};
  EXPECT_EQ(smoothed(y, 1), y);
  EXPECT_EQ(smoothed(y, 3), (std::vector<double>{10, 13.0 / 3, 2, 3, 4, 4.5}));
  EXPECT_EQ(smoothed({}, 5), std::vector<double>{});
  const std::vector<double> gaps = smoothed({NAN, 2, NAN, 4}, 3);
  EXPECT_TRUE(std::isnan(gaps[0]));
  EXPECT_EQ(gaps[1], 2);
  EXPECT_EQ(gaps[2], 3);
  EXPECT_EQ(gaps[3], 4);
}

}  // namespace
}  // namespace triptych
