#include "triptych/adamw.h"

#include "contract/check.h"

namespace triptych {
namespace {

void check_accumulator(const Check& check, const ConstTensor& t, const char* name) {
  check.that(t.dtype == DType::f32 || t.dtype == DType::f64, "{} is {}, wanted f32 or f64", name,
             name_of(t.dtype));
}

}  // namespace

void AdamW::grad_norm(const GradNorm& a) {
  const Check check("grad_norm");
  check_accumulator(check, a.grad, "grad");
  check.memory(a.grad, "grad");
  check.tensor(a.squared_sum, "squared_sum", a.grad.dtype, {1}, "[1]");
  do_grad_norm(a);
}

void AdamW::adamw_step(const AdamWStep& a) {
  const Check check("adamw_step");
  check_accumulator(check, a.grad, "grad");
  const DType acc = a.grad.dtype;
  const Shape& shape = a.grad.shape;
  check.memory(a.grad, "grad");
  check.tensor(a.master, "master", acc, shape, "grad's shape");
  const auto stored = [&](const Tensor& m, const char* name) {
    check.that(m.dtype == acc || (m.dtype == DType::bf16 && acc == DType::f32),
               "{} is {}, wanted {} or, with f32 gradients, bf16", name, name_of(m.dtype),
               name_of(acc));
    check.tensor(m, name, m.dtype, shape, "grad's shape");
  };
  stored(a.first, "first");
  stored(a.second, "second");
  if (!a.copy.absent()) stored(a.copy, "copy");
  check.tensor(a.scalars, "scalars", acc, {3}, "[3]");
  check.optional(a.squared_sum, "squared_sum", acc, {1}, "[1]");
  const auto fraction = [&](double beta, const char* name) {
    check.that(beta >= 0 && beta < 1, "{} is {}, wanted 0 ≤ {} < 1", name, beta, name);
  };
  fraction(a.beta1, "beta1");
  fraction(a.beta2, "beta2");
  check.that(a.epsilon > 0, "epsilon is {}, wanted a positive number", a.epsilon);
  check.that(a.clip > 0, "clip is {}, wanted a positive norm", a.clip);
  check.that(a.weight_decay >= 0, "weight_decay is {}, wanted 0 or more", a.weight_decay);
  do_adamw_step(a);
}

}  // namespace triptych
