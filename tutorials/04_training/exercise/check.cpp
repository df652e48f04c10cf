// Judges adamw_step beside the reference tier's AdamW in f64, step by step.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <string>

#include "adamw.h"
#include "support/verdict.h"
#include "train/random.h"
#include "triptych/tier.h"

namespace triptych::tutorial {
namespace {

/// A tensor of a case.
struct Made {
  const char* name;
  std::size_t size;
  double gradient;  // the standard deviation of its elements
  bool decays = true;
};

struct Case {
  const char* about;
  std::vector<Made> tensors;
  Settings settings;
  int steps = 1;
};

constexpr Settings plain{.epsilon = 1e-12, .decay = 0, .clip = 100};

const std::vector<Case> cases = {
    {"the first step: no decay, a gradient far below the clip", {{"w", 3, 0.1}}, plain},
    {"four steps: no decay, gradients far below the clip", {{"w", 3, 0.1}}, plain, 4},
    {"gradients no larger than epsilon",
     {{"w", 3, 1e-3}},
     {.epsilon = 1e-3, .decay = 0, .clip = 100},
     2},
    {"weight decay", {{"w", 3, 0.1}}, {.epsilon = 1e-12, .decay = 0.5, .clip = 100}, 2},
    {"weight decay with a norm's gain",
     {{"w", 3, 0.1}, {"gain", 2, 0.1, false}},
     {.epsilon = 1e-12, .decay = 0.5, .clip = 100},
     2},
    {"two tensors whose norm together is above the clip",
     {{"u", 2, 0.4}, {"w", 3, 4}},
     {.epsilon = 1, .decay = 0}},
    {"everything at once, tensors of 0 to 97 elements",
     {{"u", 5, 0.01}, {"none", 0, 1}, {"gain", 1, 0.3, false}, {"w", 97, 0.1}},
     {},
     20}};

/// Numbers of the reference tier's AdamW for one tensor.
struct Wanted {
  Tensor gradient, value, first, second;
};

class Oracle {
 public:
  explicit Oracle(const std::vector<Parameter>& parameters)
      : tier_(make_tier({.name = "reference", .threads = 1})),
        arena_(*tier_, std::size_t{1} << 18) {
    scalars_ = arena_.take(DType::f64, {3});
    squares_ = arena_.take(DType::f64, {1});
    for (const Parameter& p : parameters) {
      Wanted& w = wanted_.emplace_back();
      const auto n = static_cast<std::int64_t>(p.value.size());
      for (Tensor* x : {&w.gradient, &w.value, &w.first, &w.second}) {
        *x = arena_.take(DType::f64, {n});
        tier_->zero(*x);
      }
      tier_->upload(w.value, p.value.data());
    }
  }

  void step(const std::vector<Parameter>& parameters, const Settings& s, int t) {
    const double scalars[] = {s.rate, 1 / (1 - std::pow(s.beta1, t)),
                              1 / (1 - std::pow(s.beta2, t))};
    tier_->upload(scalars_, scalars);
    tier_->zero(squares_);
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      tier_->upload(wanted_[i].gradient, parameters[i].gradient.data());
      tier_->grad_norm({.grad = wanted_[i].gradient, .squared_sum = squares_});
    }
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      const Wanted& w = wanted_[i];
      tier_->adamw_step({.grad = w.gradient,
                         .master = w.value,
                         .first = w.first,
                         .second = w.second,
                         .copy = {},
                         .scalars = scalars_,
                         .squared_sum = squares_,
                         .clip = s.clip,
                         .beta1 = s.beta1,
                         .beta2 = s.beta2,
                         .epsilon = s.epsilon,
                         .weight_decay = parameters[i].decays ? s.decay : 0});
    }
  }

  std::vector<double> values(const Tensor& x) const {
    std::vector<double> all(static_cast<std::size_t>(x.count()));
    tier_->download(all.data(), x);
    return all;
  }
  const Wanted& operator[](std::size_t i) const { return wanted_[i]; }

 private:
  std::unique_ptr<Tier> tier_;
  Arena arena_;
  Tensor scalars_, squares_;
  std::vector<Wanted> wanted_;
};

void judge_step(const Case& c, int t, const std::vector<Parameter>& got, const Oracle& want,
                Verdict& verdict) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    const auto close = [&](const char* part, const std::vector<double>& x, const Tensor& y) {
      verdict.close(fmt::format("step {}: {}{}", t, c.tensors[i].name, part), {y.count()}, x,
                    want.values(y), 1e-9);
    };
    close("", got[i].value, want[i].value);
    close(".first", got[i].first, want[i].first);
    close(".second", got[i].second, want[i].second);
  }
}

void judge_case(int number, Verdict& verdict) {
  const Case& c = cases[static_cast<std::size_t>(number)];
  verdict.about(c.about);
  Random random(4, static_cast<std::uint64_t>(number));
  std::vector<Parameter> parameters;
  for (const Made& made : c.tensors) {
    Parameter& p = parameters.emplace_back();
    for (auto* x : {&p.value, &p.gradient, &p.first, &p.second}) x->resize(made.size);
    for (double& x : p.value) x = random.normal();
    p.decays = made.decays;
  }
  Oracle oracle(parameters);
  for (int t = 1; t <= c.steps && verdict.right(); ++t) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      for (double& g : parameters[i].gradient) g = c.tensors[i].gradient * random.normal();
    }
    oracle.step(parameters, c.settings, t);
    adamw_step(parameters, c.settings, t);
    judge_step(c, t, parameters, oracle, verdict);
  }
}

}  // namespace
}  // namespace triptych::tutorial

int main(int argc, char** argv) {
  using namespace triptych::tutorial;
  return judge(argc, argv, static_cast<int>(cases.size()), judge_case);
}
