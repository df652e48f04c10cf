#include "triptych/combine.h"

#include "contract/check.h"

namespace triptych {

void Combine::combine(const CombineArgs& a) {
  const Check check("combine");
  check.storage(a.rows, "rows");
  check.rank(a.rows, "rows", 2, "[R,D]");
  check.rank(a.row_of, "row_of", 2, "[T,K]");
  const std::int64_t t = a.row_of.shape[0], d = a.rows.shape[1];
  check.that(a.expert_count >= 1 && a.blocks >= 1 && a.expert_count % a.blocks == 0,
             "{} blocks do not divide {} experts", a.blocks, a.expert_count);
  check.tensor(a.rows, "rows", a.rows.dtype, a.rows.shape, "[R,D]");
  check.tensor(a.row_of, "row_of", DType::i32, a.row_of.shape, "[T,K]");
  check.tensor(a.experts, "experts", DType::i32, a.row_of.shape, "[T,K]");
  check.tensor(a.y, "y", a.rows.dtype, {t, d}, "[T,D]");
  check.apart(a.y, "y", a.rows, "rows");
  do_combine(a);
}

}  // namespace triptych
