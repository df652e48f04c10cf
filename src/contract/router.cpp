#include "triptych/router.h"

#include "contract/check_rule.h"

namespace triptych {

void Router::router_forward(const RouterForward& a) {
  const Check check("router_forward");
  check.storage(a.x, "x");
  check.rank(a.x, "x", 2, "[T,D]");
  check.rank(a.weight, "weight", 2, "[E,D]");
  const std::int64_t t = a.x.shape[0], d = a.x.shape[1], e = a.weight.shape[0];
  const std::int64_t k = a.rule.experts_per_token;
  const DType acc = accumulation_of(a.x.dtype);
  check_rule(check, a.rule, e, t, a.sequence);
  check.tensor(a.x, "x", a.x.dtype, {t, d}, "[T,D]");
  check.tensor(a.weight, "weight", acc, {e, d}, "[E,D]");
  check.tensor(a.bias, "bias", acc, {e}, "[E]");
  check.tensor(a.scores, "scores", acc, {t, e}, "[T,E]");
  check.tensor(a.experts, "experts", DType::i32, {t, k}, "[T,K]");
  check.tensor(a.gates, "gates", acc, {t, k}, "[T,K]");
  check.tensor(a.load, "load", DType::i32, {e}, "[E]");
  check.tensor(a.fraction, "fraction", acc, {t / a.sequence, e}, "[T/S,E]");
  check.tensor(a.balance_loss, "balance_loss", acc, {1}, "[1]");
  do_router_forward(a);
}

void Router::router_backward(const RouterBackward& a) {
  const Check check("router_backward");
  check.storage(a.x, "x");
  check.rank(a.x, "x", 2, "[T,D]");
  check.rank(a.weight, "weight", 2, "[E,D]");
  const std::int64_t t = a.x.shape[0], d = a.x.shape[1], e = a.weight.shape[0];
  const std::int64_t k = a.rule.experts_per_token;
  const DType acc = accumulation_of(a.x.dtype);
  check_rule(check, a.rule, e, t, a.sequence);
  check.tensor(a.x, "x", a.x.dtype, {t, d}, "[T,D]");
  check.tensor(a.weight, "weight", acc, {e, d}, "[E,D]");
  check.tensor(a.scores, "scores", acc, {t, e}, "[T,E]");
  check.tensor(a.experts, "experts", DType::i32, {t, k}, "[T,K]");
  check.tensor(a.fraction, "fraction", acc, {t / a.sequence, e}, "[T/S,E]");
  check.tensor(a.dgates, "dgates", acc, {t, k}, "[T,K]");
  check.tensor(a.dx, "dx", a.x.dtype, {t, d}, "[T,D]");
  check.tensor(a.dweight, "dweight", acc, {e, d}, "[E,D]");
  check.apart(a.dx, "dx", a.x, "x");
  do_router_backward(a);
}

void Router::router_update_bias(const RouterUpdateBias& a) {
  const Check check("router_update_bias");
  check.rank(a.load, "load", 1, "[E]");
  const std::int64_t e = a.load.shape[0];
  check.that(a.bias.dtype == DType::f32 || a.bias.dtype == DType::f64, "bias is {}, wanted f32 or f64",
             name_of(a.bias.dtype));
  check.tensor(a.load, "load", DType::i32, {e}, "[E]");
  check.tensor(a.bias, "bias", a.bias.dtype, {e}, "[E]");
  check.tensor(a.speed, "speed", a.bias.dtype, {1}, "[1]");
  do_router_update_bias(a);
}

}  // namespace triptych
