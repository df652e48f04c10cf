// ctest: timeout=30 labels=sanitize
// Progress with a clock and a terminal of the test's own.
#include "train/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace triptych {
namespace {

/// A style whose output and clock the test holds.
struct Stage {
  std::ostringstream out;
  double now = 1000;

  ProgressStyle style(bool terminal, int width = 80) {
    ProgressStyle style;
    style.out = &out;
    style.terminal = terminal;
    style.width = width;
    style.clock = [this] { return now; };
    return style;
  }
  /// What was written since the last call.
  std::string take() {
    const std::string text = out.str();
    out.str("");
    return text;
  }
};

std::string repeated(const std::string& piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

std::int64_t columns(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

TEST(Progress, WritesPlainLinesNowAndThen) {
  Stage stage;
  Progress progress("train", "steps", 800, 0, stage.style(false));
  for (int step = 1; step <= 49; ++step) {
    stage.now += 0.1;
    progress.update(step, "loss 2.31");
  }
  EXPECT_EQ(stage.take(), "");
  stage.now += 0.1;
  progress.update(50, "loss 2.30");
  EXPECT_EQ(stage.take(), "train: 50 of 800 steps (6 %), 10.0 steps/s, 1:15 left, loss 2.30\n");
  stage.now += 1;
  progress.update(60);
  EXPECT_EQ(stage.take(), "");
  stage.now += 4;
  progress.update(100);
  EXPECT_EQ(stage.take(), "train: 100 of 800 steps (12 %), 10.0 steps/s, 1:10 left\n");
}

TEST(Progress, EndsWithTheWholeTime) {
  Stage stage;
  {
    Progress progress("evaluate", "windows", 10, 0, stage.style(false));
    stage.now += 125;
    progress.update(10);
    stage.take();
    progress.finish();
    EXPECT_EQ(stage.take(), "evaluate: 10 of 10 windows (100 %), in 2:05\n");
    progress.finish();
    progress.update(10);
  }
  EXPECT_EQ(stage.take(), "");
}

TEST(Progress, DoesNotCountWhatWasDoneBefore) {
  Stage stage;
  Progress progress("train", "steps", 800, 700, stage.style(false));
  stage.now += 10;
  progress.update(720);
  EXPECT_EQ(stage.take(), "train: 720 of 800 steps (90 %), 2.0 steps/s, 0:40 left\n");
}

TEST(Progress, FollowsAMachineThatBecomesSlower) {
  Stage stage;
  Progress progress("train", "steps", 100000, 0, stage.style(false));
  int done = 0;
  for (int i = 0; i < 1000; ++i) {
    stage.now += 0.01;
    progress.update(++done);
  }
  for (int i = 0; i < 120; ++i) {
    stage.now += 1;
    progress.update(++done);
  }
  // After eight memories of 15 s the 100 steps/s before count less than a thousandth.
  EXPECT_NE(stage.take().find(" 1.0 steps/s"), std::string::npos);
}

TEST(Progress, SurvivesNothingToDo) {
  Stage stage;
  Progress progress("read", "files", 0, 0, stage.style(false));
  progress.update(0);
  progress.finish();
  EXPECT_EQ(stage.take(), "read: 0 of 0 files (100 %), in 0:00\n");
}

TEST(Progress, DrawsABarOverAndOver) {
  Stage stage;
  ProgressStyle style = stage.style(true);
  Progress progress("train", "steps", 8, 0, style);
  EXPECT_EQ(stage.take(), "\r\x1b[Ktrain " + repeated("─", 40) + "  0/8");
  stage.now += 1;
  progress.update(3, "loss 2.31");
  EXPECT_EQ(stage.take(), "\r\x1b[Ktrain " + repeated("━", 12) + repeated("─", 21) +
                              "  3/8  3.0 steps/s, 0:02 left  loss 2.31");
  stage.now += 0.05;
  progress.update(4);
  EXPECT_EQ(stage.take(), "");  // too soon
  stage.now += 1;
  progress.update(8);
  stage.take();
  progress.finish();
  EXPECT_EQ(stage.take(), "\r\x1b[Ktrain " + repeated("━", 40) + "  8/8  in 0:02\n");
}

TEST(Progress, DrawsWithoutUnicodeToo) {
  Stage stage;
  ProgressStyle style = stage.style(true, 30);
  style.unicode = false;
  Progress progress("a", "x", 5, 2, style);
  EXPECT_EQ(stage.take(), "\r\x1b[Ka ########+-------------  2/5");  // 17 of 44 halves
}

TEST(Progress, NeverWrapsALine) {
  for (int width = 1; width < 100; ++width) {
    Stage stage;
    Progress progress("träin", "steps", 1000, 0, stage.style(true, width));
    for (int i = 1; i < 1000; i += 111) {
      stage.now += 1;
      progress.update(i, "löss 2.31 and a remark that is rather long");
    }
    progress.finish();
    std::istringstream frames(stage.take());
    for (std::string frame; std::getline(frames, frame, '\r');) {
      std::erase(frame, '\n');
      if (frame.starts_with("\x1b[K")) frame.erase(0, 3);
      EXPECT_LT(columns(frame), std::max(width, 2)) << frame;
    }
  }
}

TEST(Progress, PrintsLinesAboveTheBar) {
  Stage stage;
  Progress progress("train", "steps", 4, 2, stage.style(true, 20));
  const std::string bar = stage.take();
  progress.print("a word");
  EXPECT_EQ(stage.take(), "\r\x1b[Ka word\n" + bar);
}

TEST(Progress, LeavesTheCursorOnItsOwnLineWhenWorkFails) {
  Stage stage;
  try {
    Progress progress("train", "steps", 4, 0, stage.style(true));
    throw 1;
  } catch (int) {
  }
  EXPECT_EQ(stage.take().back(), '\n');
}

TEST(Progress, TellsTimeAsPeopleDo) {
  EXPECT_EQ(duration_text(0), "0:00");
  EXPECT_EQ(duration_text(-5), "0:00");
  EXPECT_EQ(duration_text(59.4), "0:59");
  EXPECT_EQ(duration_text(59.6), "1:00");
  EXPECT_EQ(duration_text(116), "1:56");
  EXPECT_EQ(duration_text(7390), "2:03:10");
  EXPECT_EQ(duration_text(47 * 3600 + 59), "47:00:59");
  EXPECT_EQ(duration_text(76 * 3600), "3 d 4 h");
  EXPECT_EQ(duration_text(1e300), duration_text(3.2e9));
}

}  // namespace
}  // namespace triptych
