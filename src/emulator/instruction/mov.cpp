// mov: copies, and values that are put together of narrower ones or taken apart.
#include "emulator/instruction/convert.h"
#include "emulator/instruction/dispatch.h"

namespace triptych::emulator {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

struct alignas(16) Wide {
  U64 low, high;
};

template <class L>
void mov(Warp& w, const Instr& i) {
  const auto* source = w.in<L>(i.op[1]);
  for_lanes(w, w.out<L>(i.op[0]), [=](int l) { return source[l]; });
}
void mov_pred(Warp& w, const Instr& i) { w.set_predicate(i.op[0], w.predicate(i.op[1])); }

/// The second half of the list goes to the first, where the same registers may stand in another order.
template <class L>
void mov_vector(Warp& w, const Instr& i) {
  constexpr U32 most = 4;
  Lanes<L> values[most];
  const U32 n = i.list_count / 2u;
  for (U32 k = 0; k < n; ++k) std::memcpy(values[k].at, w.in<L>(w.list(i, n + k)), sizeof values[k].at);
  for (U32 k = 0; k < n; ++k) {
    for_lanes(w, w.out<L>(w.list(i, k)), [&](int l) { return values[k][l]; });
  }
}

Run mov_of(Choice& c) {
  switch (bits_of(c.type("T"))) {
    case 64: return mov<U64>;
    case 128: return mov<Wide>;
    default: return mov<U32>;
  }
}
Run mov_vector_of(Choice& c) { return bits_of(c.type("T")) == 64 ? mov_vector<U64> : mov_vector<U32>; }

/// n elements of `bits` each become one value, the first element lowest.
template <class Whole, class Part, int n, int bits>
void pack(Warp& w, const Instr& i) {
  constexpr Whole mask = ~Whole{0} >> (8 * sizeof(Whole) - bits);
  const Part* parts[n];
  for (U32 k = 0; k < n; ++k) parts[k] = w.in<Part>(w.list(i, k));
  for_lanes(w, w.out<Whole>(i.op[0]), [=](int l) {
    Whole value = 0;
    for (int k = 0; k < n; ++k) value |= (Whole{parts[k][l]} & mask) << (bits * k);
    return value;
  });
}
/// One value is taken apart.
template <class Whole, class Part, int n, int bits>
void unpack(Warp& w, const Instr& i) {
  const auto* value = w.in<Whole>(i.op[0]);
  for (U32 k = 0; k < n; ++k) {
    for_lanes(w, w.out<Part>(w.list(i, k)), [=](int l) {
      const Whole part = value[l] >> (bits * k);
      return static_cast<Part>(bits < 32 ? part & ((Whole{1} << (bits % 32)) - 1) : part);
    });
  }
}

// Of 128 bits: a lane is two words of 64 or four of 32.
template <class Part, int n>
void pack_wide(Warp& w, const Instr& i) {
  auto* out = reinterpret_cast<Part*>(w.out<Wide>(i.op[0]));
  for (U32 k = 0; k < n; ++k) {
    const auto* part = w.in<Part>(w.list(i, k));
    for (int l = 0; l < warp_size; ++l) {
      if ((w.exec() >> l & 1) != 0) out[static_cast<U32>(l) * n + k] = part[l];
    }
  }
}
template <class Part, int n>
void unpack_wide(Warp& w, const Instr& i) {
  const auto* value = reinterpret_cast<const Part*>(w.in<Wide>(i.op[0]));
  for (U32 k = 0; k < n; ++k) {
    for_lanes(w, w.out<Part>(w.list(i, k)), [=](int l) { return value[static_cast<U32>(l) * n + k]; });
  }
}

const Form table[] = {
    {"mov.pred", "=pred, pred", always<mov_pred>, 0, 10, 10, false, "mov"},
    {"mov.<T: b16 b32 b64 u16 u32 u64 s16 s32 s64 f32 f64>", "=T, &T", mov_of, 0, 10, 10, false, "mov"},
    {"mov.<T: b128>", "=T, T", mov_of, 0, 83, 70, false, "mov"},
    {"mov.<V: v2>.<T: b64 u64 s64 f64>", "=V*T, V*T", mov_vector_of, 0, 10, 10, false, "mov"},
    {"mov.<V: v2 v4>.<T: b16 b32 u16 u32 s16 s32 f32>", "=V*T, V*T", mov_vector_of, 0, 10, 10, false, "mov"},
    {"mov.b16", "=b16, 2*b8", always<pack<U32, U32, 2, 8>>, 0, 10, 10, false, "mov"},
    {"mov.b16", "=2*b8, b16", always<unpack<U32, U32, 2, 8>>, 0, 10, 10, false, "mov"},
    {"mov.b32", "=b32, 2*b16", always<pack<U32, U32, 2, 16>>, 0, 10, 10, false, "mov"},
    {"mov.b32", "=b32, 4*b8", always<pack<U32, U32, 4, 8>>, 0, 10, 10, false, "mov"},
    {"mov.b32", "=2*b16, b32", always<unpack<U32, U32, 2, 16>>, 0, 10, 10, false, "mov"},
    {"mov.b32", "=4*b8, b32", always<unpack<U32, U32, 4, 8>>, 0, 10, 10, false, "mov"},
    {"mov.b64", "=b64, 2*b32", always<pack<U64, U32, 2, 32>>, 0, 10, 10, false, "mov"},
    {"mov.b64", "=b64, 4*b16", always<pack<U64, U32, 4, 16>>, 0, 10, 10, false, "mov"},
    {"mov.b64", "=2*b32, &b64", always<unpack<U64, U32, 2, 32>>, 0, 10, 10, false, "mov"},
    {"mov.b64", "=4*b16, &b64", always<unpack<U64, U32, 4, 16>>, 0, 10, 10, false, "mov"},
    {"mov.b128", "=b128, 2*b64", always<pack_wide<U64, 2>>, 0, 83, 70, false, "mov"},
    {"mov.b128", "=b128, 4*b32", always<pack_wide<U32, 4>>, 0, 83, 70, false, "mov"},
    {"mov.b128", "=2*b64, b128", always<unpack_wide<U64, 2>>, 0, 83, 70, false, "mov"},
    {"mov.b128", "=4*b32, b128", always<unpack_wide<U32, 4>>, 0, 83, 70, false, "mov"},
};

}  // namespace

std::span<const Form> mov_forms() { return table; }

}  // namespace triptych::emulator
