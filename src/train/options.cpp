#include "train/options.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>
#include <utility>

#include "model/file_io.h"
#include "model/strict_json.h"

namespace triptych {
namespace {

void demand(bool holds, const char* option, const std::string& value, const char* range) {
  if (!holds) throw usage_error(fmt::format("train: --{} is {}; wanted {}", option, value, range));
}

void demand_count(const char* option, std::int64_t value) {
  demand(value >= 1 && value <= (std::int64_t{1} << 31), option, std::to_string(value), "1 … 2^31");
}

void demand_real(const char* option, double value) {
  demand(value >= 0 && std::isfinite(value), option, fmt::format("{}", value), "0 or more");
}

/// Applies `f(key, member)` to every member: the one list of keys.
template <class Options, class F>
void for_each_member(Options& o, F&& f) {
  f("data", o.data);
  f("tier", o.tier);
  f("precision", o.precision);
  f("batch", o.batch);
  f("sequence", o.sequence);
  f("accumulate", o.accumulation);
  f("steps", o.steps);
  f("lr", o.learning_rate);
  f("lr-floor", o.floor);
  f("warmup", o.warmup);
  f("decay-start", o.decay_start);
  f("beta1", o.optimizer.beta1);
  f("beta2", o.optimizer.beta2);
  f("epsilon", o.optimizer.epsilon);
  f("weight-decay", o.optimizer.weight_decay);
  f("clip", o.optimizer.clip);
  f("bf16-moments", o.bf16_moments);
  f("scale-rule", o.scale_rule);
  f("balance-alpha", o.balance_alpha);
  f("balance-speed", o.balance_speed);
  f("mtp-weight", o.mtp_weight);
  f("seed", o.seed);
}

struct Writer {
  nlohmann::ordered_json& json;
  template <class T>
  void operator()(const char* key, const T& value) const { json[key] = value; }
  void operator()(const char* key, Precision value) const { json[key] = name_of(value); }
  void operator()(const char* key, ScaleRule value) const {
    json[key] = value == ScaleRule::exact ? "exact" : "power-of-two";
  }
};

template <class Integer>
bool is_integer(const nlohmann::json& value) {
  if (value.is_number_unsigned()) return std::in_range<Integer>(value.get<std::uint64_t>());
  return value.is_number_integer() && std::in_range<Integer>(value.get<std::int64_t>());
}

struct Reader {
  const nlohmann::json& json;
  std::set<std::string> read;

  /// The JSON library would turn 4.5 and 1e300 into some whole number, so kinds are checked first.
  template <class T>
  void operator()(const char* key, T& value) {
    const auto found = json.find(key);
    if (found == json.end()) {
      throw usage_error(fmt::format("train: --{} is missing; another version wrote this", key));
    }
    const auto demand_kind = [&](bool holds, const char* kind) { demand(holds, key, shown(*found), kind); };
    if constexpr (std::is_same_v<T, std::string>) {
      demand_kind(found->is_string(), "a text");
    } else if constexpr (std::is_same_v<T, bool>) {
      demand_kind(found->is_boolean(), "true or false");
    } else if constexpr (std::is_floating_point_v<T>) {
      demand_kind(found->is_number(), "a number");
    } else {
      demand_kind(is_integer<T>(*found), std::is_signed_v<T> ? "a whole number below 2^63"
                                                             : "a whole number from 0 to 2^64-1");
    }
    found->get_to(value);
    read.insert(key);
  }
  void operator()(const char* key, Precision& value) {
    std::string name;
    (*this)(key, name);
    value = parse_precision(name);
  }
  void operator()(const char* key, ScaleRule& value) {
    std::string name;
    (*this)(key, name);
    demand(name == "exact" || name == "power-of-two", key, quoted_text(name), "exact or power-of-two");
    value = name == "exact" ? ScaleRule::exact : ScaleRule::power_of_two;
  }
};

}  // namespace

Precision parse_precision(const std::string& name) {
  for (const Precision p : {Precision::f64, Precision::f32, Precision::bf16, Precision::fp8}) {
    if (name == name_of(p)) return p;
  }
  throw usage_error(fmt::format("precision {} is none of f64, f32, bf16, fp8", quoted_text(name)));
}

void TrainOptions::resolve(const ModelConfig& config) {
  if (sequence == 0) sequence = config.max_position_embeddings;
  demand_count("steps", steps);
  demand_count("batch", batch);
  demand_count("accumulate", accumulation);
  demand(sequence >= 1 && sequence <= config.max_position_embeddings, "sequence",
         std::to_string(sequence),
         fmt::format("1 … max_position_embeddings = {}", config.max_position_embeddings).c_str());
  demand(static_cast<double>(batch * sequence) * static_cast<double>(accumulation) <= 0x1p53, "accumulate",
         std::to_string(accumulation), "at most 2^53 bytes in a step");
  demand(learning_rate > 0 && std::isfinite(learning_rate), "lr", fmt::format("{}", learning_rate),
         "a positive number");
  if (floor < 0) floor = learning_rate / 10;
  if (warmup < 0) warmup = std::min<std::int64_t>((steps + 19) / 20, steps);
  if (decay_start < 0) decay_start = std::max(warmup, steps * 7 / 10);
  demand_real("balance-alpha", balance_alpha);
  demand_real("balance-speed", balance_speed);
  demand_real("mtp-weight", mtp_weight);
  learning_rates().validate();
  optimizer.validate();
}

LearningRateSchedule TrainOptions::learning_rates() const {
  return {.peak = learning_rate, .floor = floor, .warmup = warmup, .decay_start = decay_start,
          .steps = steps};
}

BalanceSchedule TrainOptions::balance_speeds() const {
  return {.speed = balance_speed, .stop_step = steps - steps * 34 / 1000};
}

ModelOptions TrainOptions::model_options() const {
  return {.precision = precision, .batch = batch, .sequence = sequence, .training = true,
          .bf16_moments = bf16_moments, .scale_rule = scale_rule,
          .accumulation = Fp8Accumulation::promoted, .balance_alpha = balance_alpha,
          .mtp_weight = mtp_weight};
}

nlohmann::ordered_json to_json(const TrainOptions& options) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for_each_member(options, Writer{json});
  return json;
}

TrainOptions parse_train_options(const nlohmann::json& json, const std::string& where, ErrorKind kind) {
  if (!json.is_object()) {
    throw Error(kind, fmt::format("{}: the options are {}; wanted an object", where, shown(json)));
  }
  TrainOptions options;
  Reader reader{json, {}};
  try {
    for_each_member(options, reader);
  } catch (const Error& error) {
    throw Error(kind, fmt::format("{}: {}", where, error.what()));
  }
  for (const auto& [key, value] : json.items()) {
    if (reader.read.contains(key)) continue;
    throw Error(kind, fmt::format("{}: option {} is not known; another version wrote this", where,
                                  quoted_text(key)));
  }
  return options;
}

}  // namespace triptych
