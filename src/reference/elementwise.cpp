#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "reference/numeric.h"
#include "reference/reference.h"

namespace triptych::reference {
namespace {

constexpr std::int64_t elements_a_task = 1 << 14;

/// The f32 between which and `value` no bf16 nor any midpoint of two bf16s lies: truncated, its lowest
/// bit set if anything was cut off ("round to odd"). Rounding it to bf16 is rounding `value`.
float round_to_odd(double value) {
  float narrow = static_cast<float>(value);
  if (!std::isfinite(narrow) || static_cast<double>(narrow) == value) return narrow;
  auto bits = std::bit_cast<std::uint32_t>(narrow);
  if (std::fabs(static_cast<double>(narrow)) > std::fabs(value)) --bits;  // back toward zero
  return std::bit_cast<float>(bits | 1u);
}

/// One rounding to nearest even, whatever the two types are.
template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<To, bf16> && std::is_same_v<From, double>) {
    return bf16(round_to_odd(value));
  } else {
    return static_cast<To>(load(value));
  }
}

}  // namespace

void ReferenceTier::do_add(const AddArgs& args) {
  with_storage(args.a.dtype, [&]<class S, class A>() {
    const S *a = args.a.as<S>(), *b = args.b.as<S>();
    S* out = args.out.as<S>();
    const std::int64_t n = args.a.count();
    pool_.run(tiles(n, elements_a_task), [&](std::int64_t task, int) {
      const std::int64_t end = std::min(n, (task + 1) * elements_a_task);
      // 1. out = a + b in A, rounded once. By chunks, because out may be a or b.
      for (std::int64_t i = task * elements_a_task; i < end; i += lanes) {
        const Chunk<A> sum = load_chunk<A>(a, i, end) + load_chunk<A>(b, i, end);
        store_chunk(out, i, end, sum);
      }
    });
  });
}

void ReferenceTier::do_cast(const CastArgs& args) {
  with_storage(args.in.dtype, [&]<class From, class>() {
    with_storage(args.out.dtype, [&]<class To, class>() {
      const From* in = args.in.as<From>();
      To* out = args.out.as<To>();
      const std::int64_t n = args.in.count();
      pool_.run(tiles(n, elements_a_task), [&](std::int64_t task, int) {
        const std::int64_t end = std::min(n, (task + 1) * elements_a_task);
        // 1. Each element rounded once.
        for (std::int64_t i = task * elements_a_task; i < end; ++i) out[i] = converted<To>(in[i]);
      });
    });
  });
}

void ReferenceTier::do_split_columns(const SplitColumns& a) {
  const std::size_t size = size_of(a.whole.dtype);
  const std::size_t left = static_cast<std::size_t>(a.left.shape[1]) * size;
  const std::size_t right = static_cast<std::size_t>(a.right.shape[1]) * size;
  for_rows(a.whole.shape[0], [&](std::int64_t r, int) {
    // 1. A row's first columns go left, the others right.
    const auto row = static_cast<std::size_t>(r);
    const auto* whole = static_cast<const std::byte*>(a.whole.data) + row * (left + right);
    if (left > 0) std::memcpy(static_cast<std::byte*>(a.left.data) + row * left, whole, left);
    if (right > 0) {
      std::memcpy(static_cast<std::byte*>(a.right.data) + row * right, whole + left, right);
    }
  });
}

void ReferenceTier::do_concat_columns(const ConcatColumns& a) {
  const std::size_t size = size_of(a.whole.dtype);
  const std::size_t left = static_cast<std::size_t>(a.left.shape[1]) * size;
  const std::size_t right = static_cast<std::size_t>(a.right.shape[1]) * size;
  for_rows(a.whole.shape[0], [&](std::int64_t r, int) {
    // 1. A row of left, then the same row of right.
    const auto row = static_cast<std::size_t>(r);
    auto* whole = static_cast<std::byte*>(a.whole.data) + row * (left + right);
    if (left > 0) std::memcpy(whole, static_cast<const std::byte*>(a.left.data) + row * left, left);
    if (right > 0) {
      std::memcpy(whole + left, static_cast<const std::byte*>(a.right.data) + row * right, right);
    }
  });
}

}  // namespace triptych::reference
