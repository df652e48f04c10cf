#include "triptych/swiglu.h"

#include "contract/check.h"

namespace triptych {
namespace {

/// Checks what forward and backward share; returns {R, F}.
std::pair<std::int64_t, std::int64_t> check_inputs(const Check& check, const ConstTensor& gate_up,
                                                   const ConstTensor& weight,
                                                   const ConstTensor& rows) {
  check.storage(gate_up, "gate_up");
  check.rank(gate_up, "gate_up", 2, "[R,2F]");
  const std::int64_t r = gate_up.shape[0], columns = gate_up.shape[1];
  check.that(columns % 2 == 0, "gate_up has {} columns; wanted F of gate and F of up", columns);
  check.tensor(gate_up, "gate_up", gate_up.dtype, {r, columns}, "[R,2F]");
  check.optional(weight, "weight", accumulation_of(gate_up.dtype), {r}, "[R]");
  check.optional(rows, "rows", DType::i32, {1}, "[1]");
  return {r, columns / 2};
}

}  // namespace

void Swiglu::swiglu_forward(const SwigluForward& a) {
  const Check check("swiglu_forward");
  const auto [r, f] = check_inputs(check, a.gate_up, a.weight, a.rows);
  check.tensor(a.act, "act", a.gate_up.dtype, {r, f}, "[R,F]");
  check.apart(a.act, "act", a.gate_up, "gate_up");
  do_swiglu_forward(a);
}

void Swiglu::swiglu_backward(const SwigluBackward& a) {
  const Check check("swiglu_backward");
  const auto [r, f] = check_inputs(check, a.gate_up, a.weight, a.rows);
  const DType s = a.gate_up.dtype;
  check.tensor(a.dact, "dact", s, {r, f}, "[R,F]");
  check.tensor(a.dgate_up, "dgate_up", s, {r, 2 * f}, "[R,2F]");
  check.optional(a.dweight, "dweight", accumulation_of(s), {r}, "[R]");
  check.optional(a.act, "act", s, {r, f}, "[R,F]");
  check.apart_or_same(a.dgate_up, "dgate_up", a.gate_up, "gate_up");
  check.apart(a.dgate_up, "dgate_up", a.dact, "dact");
  check.apart_or_same(a.act, "act", a.dact, "dact");
  check.apart(a.act, "act", a.gate_up, "gate_up");
  check.apart(a.act, "act", a.dgate_up, "dgate_up");
  do_swiglu_backward(a);
}

}  // namespace triptych
