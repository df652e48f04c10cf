#include "triptych/rms_norm.h"

#include "contract/check.h"

namespace triptych {

void RmsNorm::rms_norm_forward(const RmsNormForward& a) {
  const Check check("rms_norm_forward");
  check.storage(a.x, "x");
  check.rank(a.x, "x", 2, "[T,D]");
  const std::int64_t t = a.x.shape[0], d = a.x.shape[1];
  check.tensor(a.x, "x", a.x.dtype, {t, d}, "[T,D]");
  check.tensor(a.gamma, "gamma", accumulation_of(a.x.dtype), {d}, "[D]");
  check.tensor(a.y, "y", a.x.dtype, {t, d}, "[T,D]");
  check.apart_or_same(a.y, "y", a.x, "x");
  check.that(a.epsilon > 0, "epsilon is {}, wanted a positive number", a.epsilon);
  do_rms_norm_forward(a);
}

void RmsNorm::rms_norm_backward(const RmsNormBackward& a) {
  const Check check("rms_norm_backward");
  check.storage(a.x, "x");
  check.rank(a.x, "x", 2, "[T,D]");
  const std::int64_t t = a.x.shape[0], d = a.x.shape[1];
  const DType acc = accumulation_of(a.x.dtype);
  check.tensor(a.x, "x", a.x.dtype, {t, d}, "[T,D]");
  check.tensor(a.gamma, "gamma", acc, {d}, "[D]");
  check.tensor(a.dy, "dy", a.x.dtype, {t, d}, "[T,D]");
  check.tensor(a.dx, "dx", a.x.dtype, {t, d}, "[T,D]");
  check.tensor(a.dgamma, "dgamma", acc, {d}, "[D]");
  check.apart(a.dx, "dx", a.x, "x");
  check.apart_or_same(a.dx, "dx", a.dy, "dy");
  check.that(a.epsilon > 0, "epsilon is {}, wanted a positive number", a.epsilon);
  do_rms_norm_backward(a);
}

}  // namespace triptych
