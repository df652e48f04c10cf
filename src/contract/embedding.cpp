#include "triptych/embedding.h"

#include "contract/check.h"

namespace triptych {

void Embedding::embedding_forward(const EmbeddingForward& a) {
  const Check check("embedding_forward");
  check.storage(a.table, "table");
  check.rank(a.tokens, "tokens", 1, "[T]");
  check.rank(a.table, "table", 2, "[V,D]");
  const std::int64_t t = a.tokens.shape[0], v = a.table.shape[0], d = a.table.shape[1];
  check.tensor(a.tokens, "tokens", DType::i32, {t}, "[T]");
  check.tensor(a.table, "table", a.table.dtype, {v, d}, "[V,D]");
  check.tensor(a.out, "out", a.table.dtype, {t, d}, "[T,D]");
  do_embedding_forward(a);
}

void Embedding::embedding_backward(const EmbeddingBackward& a) {
  const Check check("embedding_backward");
  check.storage(a.dout, "dout");
  check.rank(a.dout, "dout", 2, "[T,D]");
  check.rank(a.dtable, "dtable", 2, "[V,D]");
  const std::int64_t t = a.dout.shape[0], d = a.dout.shape[1], v = a.dtable.shape[0];
  check.tensor(a.tokens, "tokens", DType::i32, {t}, "[T]");
  check.tensor(a.dout, "dout", a.dout.dtype, {t, d}, "[T,D]");
  check.tensor(a.dtable, "dtable", accumulation_of(a.dout.dtype), {v, d}, "[V,D]");
  do_embedding_backward(a);
}

}  // namespace triptych
