// One token's way through the router, and each trap beside the right answer:
//
//   route          all of it
//   route token    one part: token, mask, gates, ties, nan, balance
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>

#include "through_tier.h"

namespace {

using namespace triptych;
using namespace triptych::tutorial;

/// "e2 e6"
template <class Indices>
std::string names(const Indices& experts) {
  std::string text;
  for (const auto e : experts) text += fmt::format("{}e{}", text.empty() ? "" : " ", e);
  return text;
}

void print_head(int experts) {
  fmt::print("{:8}", "");
  for (int e = 0; e < experts; ++e) fmt::print("{:>7}{}", 'e', e);
  fmt::print("\n");
}

/// NaN has a sign, which is nobody's business.
std::string text_of(double number) {
  return std::isnan(number) ? "nan" : fmt::format("{:.3f}", number);
}

/// A line of numbers, one an expert or, further apart, one a group.
void print_numbers(std::string_view name, const Numbers& numbers, int experts_each = 1) {
  fmt::print("{:8}", name);
  for (const double number : numbers) fmt::print("{:>{}}", text_of(number), 8 * experts_each);
}

void print_line(std::string_view name, const Numbers& numbers, int experts_each = 1) {
  print_numbers(name, numbers, experts_each);
  fmt::print("\n");
}

/// What was chosen, with which gates.
void print_choice(std::string_view name, std::string_view experts, const Numbers& gates) {
  fmt::print("{:20}{}  ", name, experts);
  for (const double gate : gates) fmt::print(" {}", text_of(gate));
  fmt::print("\n");
}

void show_token() {
  const Numbers logits = {2, -3, 0.8, 0.6, 1, -1, -0.5, 0.2};
  const Numbers bias = {0, 0, 0, 0, -0.2, 0.1, 0.3, 0.1};
  const RouterRule rule{
      .experts_per_token = 2, .groups = 4, .groups_per_token = 2, .gate_scale = 2.5};
  const Numbers s = scores_of(logits), c = biased(s, bias), masked = within_groups(c, rule);
  print_head(count_of(s));
  print_line("logit", logits);
  print_line("s", s);
  print_line("bias", bias);
  print_line("c", c);
  print_line("group", group_scores(c, rule), 2);
  print_line("masked", masked);
  const Experts chosen = largest(masked, 2);
  print_choice("chosen, gates", names(chosen), gates_of(s, chosen, rule));
  const TierAnswer tier = ask_tier({logits}, bias, rule);
  print_choice("the tier's", names(tier.experts), tier.gates);
  const Experts unbiased = largest(within_groups(s, rule), 2), anywhere = largest(c, 2);
  print_choice("without the bias", names(unbiased), gates_of(s, unbiased, rule));
  print_choice("without groups", names(anywhere), gates_of(s, anywhere, rule));
}

void show_mask() {
  // [mask_trap]
  const Numbers logits = {0, 0, -1, -1}, bias = {-2, -2.5, -3, -3};
  const RouterRule rule{.experts_per_token = 2, .groups = 2, .groups_per_token = 1};
  const Numbers c = biased(scores_of(logits), bias);
  const Numbers right = within_groups(c, rule), wrong = within_groups(c, rule, 0);
  // [/mask_trap]
  print_head(count_of(c));
  print_line("c", c);
  print_numbers("right", right);
  fmt::print("   {}\n", names(largest(right, 2)));
  print_numbers("wrong", wrong);
  fmt::print("   {}\n", names(largest(wrong, 2)));
  fmt::print("{:43}{}\n", "the tier", names(ask_tier({logits}, bias, rule).experts));
}

void show_gates() {
  // [gates_trap]
  const Numbers logits = {2, 1, 0}, bias = {-5, 0, 5};
  const RouterRule rule{.experts_per_token = 2};
  const Numbers s = scores_of(logits), c = biased(s, bias);
  const Experts chosen = largest(c, 2);
  const Numbers right = gates_of(s, chosen, rule), wrong = gates_of(c, chosen, rule);
  // [/gates_trap]
  print_choice("right", names(chosen), right);
  print_choice("wrong", names(chosen), wrong);
  const TierAnswer tier = ask_tier({logits}, bias, rule);
  print_choice("the tier", names(tier.experts), tier.gates);
}

void show_ties() {
  // [ties_trap]
  const Numbers logits = {0, 50, 60, 40}, s = scores_of(logits);
  const Experts right = largest(s, 2), wrong = largest(s, 2, std::greater_equal<>());
  // [/ties_trap]
  print_line("s", s);
  const TierAnswer tier = ask_tier({logits}, Numbers(4), {.experts_per_token = 2});
  fmt::print("right      {}\nwrong      {}\nthe tier   {}\n", names(right), names(wrong),
             names(tier.experts));
}

void show_nan() {
  // [nan_trap]
  const Numbers logits(4, std::nan("")), s = scores_of(logits);
  const Experts wrong = largest(s, 2);
  // [/nan_trap]
  const RouterRule rule{.experts_per_token = 2};
  print_choice("wrong", names(wrong), gates_of(s, wrong, rule));
  const TierAnswer tier = ask_tier({logits}, Numbers(4), rule);
  print_choice("the tier", names(tier.experts), tier.gates);
  fmt::print("and its fault: {}\n", tier.fault);
}

void show_balance() {
  const std::vector<Numbers> even = {
      {2, 2, -2, -2}, {-2, 2, 2, -2}, {-2, -2, 2, 2}, {2, -2, -2, 2}};
  const std::vector<Numbers> one_sided(4, Numbers{2, 2, -2, -2});
  for (const auto& [name, logits] : {std::pair("even", even), std::pair("one-sided", one_sided)}) {
    std::vector<Numbers> scores;
    for (const Numbers& token : logits) scores.push_back(scores_of(token));
    const Balance b = balance_of(scores, 2);
    const TierAnswer tier = ask_tier(logits, Numbers(4), {.experts_per_token = 2});
    fmt::print("{:10} f {:.2f}   P {:.2f}   sum of f P {:.3f}   the tier {:.3f}\n", name,
               fmt::join(b.f, " "), fmt::join(b.p, " "), b.loss, tier.balance_loss);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view part = argc > 1 ? argv[1] : "";
  const auto wanted = [&](std::string_view name) { return part.empty() || part == name; };
  if (wanted("token")) show_token();
  if (wanted("mask")) show_mask();
  if (wanted("gates")) show_gates();
  if (wanted("ties")) show_ties();
  if (wanted("nan")) show_nan();
  if (wanted("balance")) show_balance();
}
