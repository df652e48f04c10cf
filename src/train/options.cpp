#include "train/options.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

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

struct Reader {
  const nlohmann::ordered_json& json;
  std::size_t read = 0;

  template <class T>
  void operator()(const char* key, T& value) { json.at(key).get_to(value), ++read; }
  void operator()(const char* key, Precision& value) {
    value = parse_precision(json.at(key).get<std::string>()), ++read;
  }
  void operator()(const char* key, ScaleRule& value) {
    const auto name = json.at(key).get<std::string>();
    if (name != "exact" && name != "power-of-two") {
      throw usage_error(fmt::format("scale-rule '{}' is neither exact nor power-of-two", name));
    }
    value = name == "exact" ? ScaleRule::exact : ScaleRule::power_of_two;
    ++read;
  }
};

}  // namespace

Precision parse_precision(const std::string& name) {
  for (const Precision p : {Precision::f64, Precision::f32, Precision::bf16, Precision::fp8}) {
    if (name == name_of(p)) return p;
  }
  throw usage_error(fmt::format("precision '{}' is none of f64, f32, bf16, fp8", name));
}

void TrainOptions::resolve(const ModelConfig& config) {
  if (sequence == 0) sequence = config.max_position_embeddings;
  demand_count("steps", steps);
  demand_count("batch", batch);
  demand_count("accumulate", accumulation);
  demand(sequence >= 1 && sequence <= config.max_position_embeddings, "sequence",
         std::to_string(sequence),
         fmt::format("1 … max_position_embeddings = {}", config.max_position_embeddings).c_str());
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

TrainOptions parse_train_options(const nlohmann::ordered_json& json, const std::string& where,
                                 ErrorKind kind) {
  TrainOptions options;
  Reader reader{json};
  try {
    for_each_member(options, reader);
  } catch (const std::exception& error) {
    throw Error(kind, fmt::format("{}: {}", where, error.what()));
  }
  if (reader.read != json.size()) {
    throw Error(kind, fmt::format("{}: {} options, wanted {}; another version wrote them", where,
                                  json.size(), reader.read));
  }
  return options;
}

}  // namespace triptych
