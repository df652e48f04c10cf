// ctest: timeout=30 labels=sanitize
// The options of a run: written and read as JSON, resolved, and refused by their names.
#include "train/options.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "expect_error.h"
#include "small_run.h"

namespace triptych {
namespace {

using testing::expect_error;
using testing::small_config;
using testing::small_options;

TEST(TrainOptions, JsonBothWays) {
  TrainOptions o = small_options(Precision::fp8);
  o.scale_rule = ScaleRule::power_of_two;
  o.seed = std::numeric_limits<std::uint64_t>::max();
  o.resolve(small_config());
  EXPECT_EQ(to_json(parse_train_options(to_json(o), "x")), to_json(o));
  auto json = to_json(o);
  json["unknown"] = 1;
  expect_error([&] { parse_train_options(json, "file"); }, ErrorKind::environment,
               {"file", "unknown"});
  json = to_json(o);
  json.erase("lr");
  expect_error([&] { parse_train_options(json, "file"); }, ErrorKind::environment, {"file", "lr"});
}

TEST(TrainOptions, ValuesAreTakenAsTheyStandOrRefused) {
  const auto refuse = [](const char* key, const nlohmann::json& value, std::string_view shown) {
    nlohmann::json json = to_json(small_options());
    json[key] = value;
    expect_error([&] { parse_train_options(json, "file"); }, ErrorKind::environment,
                 {"file", key, shown, "wanted"});
  };
  refuse("batch", 4.5, "4.5");
  refuse("batch", 1e300, "1e+300");
  refuse("batch", true, "true");
  refuse("steps", std::uint64_t{1} << 63, "9223372036854775808");
  refuse("seed", -1, "-1");
  refuse("lr", "3e-3", "'3e-3'");
  refuse("bf16-moments", 1, "1");
  refuse("data", nullptr, "null");
  refuse("scale-rule", "near\nly", "'near?ly'");
  nlohmann::json json = to_json(small_options());
  json["precision"] = std::string(5000, 'x') + "\x1b[31m";
  expect_error([&] { parse_train_options(json, "file"); }, ErrorKind::environment,
               {"xxx...", "?[31m", "bf16"});
  expect_error([] { parse_train_options(nlohmann::json::array(), "file"); }, ErrorKind::environment,
               {"file", "an array of 0"});
}

TEST(TrainOptions, ResolveFillsInAndRefuses) {
  TrainOptions o;
  o.steps = 200;
  o.resolve(small_config());
  EXPECT_EQ(o.sequence, 16);
  EXPECT_EQ(o.warmup, 10);
  EXPECT_EQ(o.decay_start, 140);
  EXPECT_EQ(o.floor, o.learning_rate / 10);
  TrainOptions tiny;
  tiny.steps = 1;
  tiny.resolve(small_config());
  const auto refuse = [](auto change, std::string_view part) {
    TrainOptions bad;
    change(bad);
    expect_error([&] { bad.resolve(small_config()); }, ErrorKind::usage, {part});
  };
  refuse([](auto& x) { x.steps = 0; }, "--steps is 0");
  refuse([](auto& x) { x.batch = -1; }, "--batch is -1");
  refuse([](auto& x) { x.accumulation = 0; }, "--accumulate is 0");
  refuse([](auto& x) { x.accumulation = x.batch = std::int64_t{1} << 31; },
         "--accumulate is 2147483648");
  refuse([](auto& x) { x.sequence = 17; }, "--sequence is 17");
  refuse([](auto& x) { x.learning_rate = std::nan(""); }, "--lr is nan");
  refuse([](auto& x) { x.mtp_weight = -1; }, "--mtp-weight is -1");
  refuse(
      [](auto& x) {
        x.warmup = 1000;
        x.decay_start = 10;
      },
      "warm-up");
}

}  // namespace
}  // namespace triptych
