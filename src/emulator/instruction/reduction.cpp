// Reductions by type and operation.
#include "emulator/instruction/reduction.h"

#include "emulator/instruction/atomic_operation.h"

namespace triptych::emulator {
namespace {

using U16 = std::uint16_t;
using U32 = std::uint32_t;
using U64 = std::uint64_t;
using S32 = std::int32_t;
using S64 = std::int64_t;

/// One element of an asynchronous reduction.
template <class B, class Op>
void reduce_element(std::uint8_t* host, const std::uint8_t* value) {
  B b;
  std::memcpy(&b, value, sizeof(B));
  swap<B, Op>(host, b, B(0));
}

template <class Half>
Reduction half_reduction(std::string_view op) {
  if (op == "add") return reduce_element<U16, OnHalves<Half, HalfOp::add>>;
  if (op == "min") return reduce_element<U16, OnHalves<Half, HalfOp::min>>;
  return op == "max" ? reduce_element<U16, OnHalves<Half, HalfOp::max>> : nullptr;
}

template <class U, class S>
Reduction integer_reduction(std::string_view op, bool sign) {
  if (op == "add") return reduce_element<U, Add>;
  if (op == "and") return reduce_element<U, And>;
  if (op == "or") return reduce_element<U, Or>;
  if (op == "xor") return reduce_element<U, Xor>;
  if (op == "inc") return reduce_element<U, Inc>;
  if (op == "dec") return reduce_element<U, Dec>;
  if (op == "min") return sign ? Reduction(reduce_element<U, AsSigned<S, Min>>) : reduce_element<U, Min>;
  return sign ? Reduction(reduce_element<U, AsSigned<S, Max>>) : reduce_element<U, Max>;
}

}  // namespace

Reduction reduction_of(std::string_view op, Type type) {
  switch (type) {
    case Type::f16: return half_reduction<F16>(op);
    case Type::bf16: return half_reduction<Bf16>(op);
    case Type::f32: return op == "add" ? reduce_element<U32, AddFlushing> : nullptr;
    case Type::f64: return op == "add" ? reduce_element<U64, AddReal<double>> : nullptr;
    default: break;
  }
  return bits_of(type) == 64 ? integer_reduction<U64, S64>(op, is_signed(type))
                             : integer_reduction<U32, S32>(op, is_signed(type));
}

}  // namespace triptych::emulator
