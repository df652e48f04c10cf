#include "triptych/cross_entropy.h"

#include "contract/check.h"

namespace triptych {

void CrossEntropy::cross_entropy(const CrossEntropyArgs& a) {
  const Check check("cross_entropy");
  check.storage(a.logits, "logits");
  check.rank(a.logits, "logits", 2, "[T,V]");
  const std::int64_t t = a.logits.shape[0], v = a.logits.shape[1];
  check.that(v >= 1, "logits have {} columns; wanted a vocabulary", v);
  check.tensor(a.logits, "logits", a.logits.dtype, {t, v}, "[T,V]");
  check.tensor(a.targets, "targets", DType::i32, {t}, "[T]");
  check.tensor(a.loss_sum, "loss_sum", accumulation_of(a.logits.dtype), {1}, "[1]");
  check.optional(a.dlogits, "dlogits", a.logits.dtype, {t, v}, "[T,V]");
  check.apart_or_same(a.dlogits, "dlogits", a.logits, "logits");
  do_cross_entropy(a);
}

}  // namespace triptych
