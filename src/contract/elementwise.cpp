#include "triptych/elementwise.h"

#include "contract/check.h"

namespace triptych {
namespace {

void check_columns(const Check& check, const ConstTensor& whole, const ConstTensor& left,
                   const ConstTensor& right) {
  check.rank(left, "left", 2, "[R,C1]");
  check.rank(right, "right", 2, "[R,C2]");
  const std::int64_t r = left.shape[0], c1 = left.shape[1], c2 = right.shape[1];
  check.tensor(left, "left", whole.dtype, {r, c1}, "[R,C1]");
  check.tensor(right, "right", whole.dtype, {r, c2}, "[R,C2]");
  check.tensor(whole, "whole", whole.dtype, {r, c1 + c2}, "[R,C1+C2]");
  check.apart(whole, "whole", left, "left");
  check.apart(whole, "whole", right, "right");
}

}  // namespace

void Elementwise::add(const AddArgs& a) {
  const Check check("add");
  check.storage(a.a, "a");
  check.tensor(a.b, "b", a.a.dtype, a.a.shape, "a's shape");
  check.tensor(a.out, "out", a.a.dtype, a.a.shape, "a's shape");
  check.memory(a.a, "a");
  check.apart_or_same(a.out, "out", a.a, "a");
  check.apart_or_same(a.out, "out", a.b, "b");
  do_add(a);
}

void Elementwise::cast(const CastArgs& a) {
  const Check check("cast");
  check.storage(a.in, "in");
  check.storage(a.out, "out");
  check.memory(a.in, "in");
  check.tensor(a.out, "out", a.out.dtype, a.in.shape, "in's shape");
  check.apart(a.out, "out", a.in, "in");
  do_cast(a);
}

void Elementwise::split_columns(const SplitColumns& a) {
  check_columns(Check("split_columns"), a.whole, a.left, a.right);
  do_split_columns(a);
}

void Elementwise::concat_columns(const ConcatColumns& a) {
  check_columns(Check("concat_columns"), a.whole, a.left, a.right);
  do_concat_columns(a);
}

}  // namespace triptych
