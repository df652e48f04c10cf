// ctest: timeout=30
// The schedules at their corners, and their refusals.
#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "expect_error.h"

namespace triptych {
namespace {

using testing::expect_error;

TEST(LearningRate, IsDeepSeeksShape) {
  const LearningRateSchedule schedule{2e-3, 2e-4, 10, 60, 100};
  schedule.validate();
  EXPECT_DOUBLE_EQ(schedule.at(0), 2e-4);
  EXPECT_DOUBLE_EQ(schedule.at(4), 1e-3);
  EXPECT_EQ(schedule.at(9), 2e-3);
  EXPECT_EQ(schedule.at(10), 2e-3);
  EXPECT_EQ(schedule.at(59), 2e-3);
  EXPECT_EQ(schedule.at(60), 2e-3);
  EXPECT_NEAR(schedule.at(80), 1.1e-3, 1e-18);                          // half way
  EXPECT_NEAR(schedule.at(70), 1.1e-3 + 0.9e-3 / std::sqrt(2), 1e-15);  // a quarter: cos 45°
  EXPECT_GT(schedule.at(99), 2e-4);
  EXPECT_EQ(schedule.at(100), 2e-4);
  EXPECT_EQ(schedule.at(1000000), 2e-4);
  for (std::int64_t s = 60; s < 100; ++s) EXPECT_GT(schedule.at(s), schedule.at(s + 1));
}

TEST(LearningRate, AllowsEveryPartToBeEmpty) {
  for (const LearningRateSchedule& schedule :
       {LearningRateSchedule{1, 0, 0, 0, 1}, LearningRateSchedule{1, 1, 0, 0, 10},
        LearningRateSchedule{1, 0.5, 10, 10, 10}, LearningRateSchedule{1, 0, 0, 10, 10},
        LearningRateSchedule{1, 0, 5, 5, 10}}) {
    schedule.validate();
    for (std::int64_t s = 0; s < 12; ++s) {
      EXPECT_TRUE(schedule.at(s) >= schedule.floor || s < schedule.warmup);
      EXPECT_TRUE(schedule.at(s) <= schedule.peak);
    }
  }
  EXPECT_EQ((LearningRateSchedule{1, 0, 0, 10, 10}).at(9), 1);
  EXPECT_EQ((LearningRateSchedule{1, 0.5, 10, 10, 10}).at(10), 0.5);
}

TEST(LearningRate, NamesTheFieldThatIsWrong) {
  const auto refuse = [](LearningRateSchedule schedule,
                         std::initializer_list<std::string_view> parts) {
    expect_error([&] { schedule.validate(); }, ErrorKind::usage, parts);
  };
  refuse({0, 0, 0, 0, 1}, {"peak learning rate = 0"});
  refuse({-1, 0, 0, 0, 1}, {"peak learning rate = -1"});
  refuse({NAN, 0, 0, 0, 1}, {"peak learning rate = nan"});
  refuse({INFINITY, 0, 0, 0, 1}, {"peak learning rate = inf"});
  refuse({1, 2, 0, 0, 1}, {"floor = 2", "from 0 to the peak, 1"});
  refuse({1, -0.5, 0, 0, 1}, {"floor = -0.5"});
  refuse({1, NAN, 0, 0, 1}, {"floor = nan"});
  refuse({1, 0, 0, 0, 0}, {"steps = 0"});
  refuse({1, 0, -1, 0, 10}, {"warm-up steps = -1"});
  refuse({1, 0, 11, 11, 10}, {"warm-up steps = 11", "10 steps"});
  refuse({1, 0, 5, 4, 10}, {"decay start = 4", "end, 5"});
  refuse({1, 0, 5, 11, 10}, {"decay start = 11", "10"});
}

TEST(Balance, StopsAtItsStep) {
  const BalanceSchedule schedule{1e-3, 100};
  schedule.validate();
  EXPECT_EQ(schedule.at(0), 1e-3);
  EXPECT_EQ(schedule.at(99), 1e-3);
  EXPECT_EQ(schedule.at(100), 0);
  EXPECT_EQ(BalanceSchedule{}.at(0), 0);
  expect_error([] { BalanceSchedule{-1, 0}.validate(); }, ErrorKind::usage, {"speed = -1"});
  expect_error([] { BalanceSchedule{NAN, 0}.validate(); }, ErrorKind::usage, {"speed = nan"});
  expect_error([] { BalanceSchedule{1, -7}.validate(); }, ErrorKind::usage, {"stop = -7"});
}

}  // namespace
}  // namespace triptych
