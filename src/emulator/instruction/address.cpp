// Addresses: from a space to generic ones and back, and into other CTAs of a cluster.
#include "emulator/instruction/convert.h"
#include "emulator/instruction/dispatch.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator {
namespace {

using U32 = std::uint32_t;
using U64 = std::uint64_t;

/// The window of a space among generic addresses; 0 for global and const, whose addresses are generic.
U64 window_of(std::string_view space) {
  if (space.starts_with("shared")) return window::shared;
  if (space.starts_with("param")) return window::param;
  return space == "local" ? window::local : 0;
}

template <U64 base>
struct ToGeneric {
  U64 operator()(U64 a) const { return base + window::offset(a); }
};
struct FromGeneric {
  U64 operator()(U64 a) const { return window::offset(a); }
};
struct Same {
  template <class T>
  T operator()(T a) const { return a; }
};
/// 32-bit generic addresses have no windows.
Run cvta_of(Choice& c) {
  if (c["T"] == "u32") return unary<U32, Same>;
  const U64 base = window_of(c["S"]);
  if (base == 0) return unary<U64, Same>;
  if (c.has("to")) return unary<U64, FromGeneric>;
  if (base == window::shared) return unary<U64, ToGeneric<window::shared>>;
  return base == window::local ? unary<U64, ToGeneric<window::local>> : unary<U64, ToGeneric<window::param>>;
}

// The rank of the CTA that a shared address lies in, plus one, is in its bits 24 … 31; 0 is the own CTA.
constexpr U32 rank_shift = 24;
constexpr U32 offset_mask = (1u << rank_shift) - 1;

U32 rank_of(const Cta& cta, U32 address) {
  const U32 field = address >> rank_shift;
  return field == 0 ? cta.rank() : field - 1;
}

enum class Question : U32 { constant, global, local, shared_cta, shared_cluster, param };

bool lies_in(Warp& w, Question question, U64 address) {
  const U64 in = window::of(address);
  switch (question) {
    case Question::local: return in == window::local;
    case Question::param: return in == window::param;
    case Question::shared_cta: return in == window::shared && rank_of(w.cta(), window::offset(address)) == w.cta().rank();
    case Question::shared_cluster:
      return in == window::shared && rank_of(w.cta(), window::offset(address)) < w.cta().cluster().ctas.size();
    default: break;
  }
  // Parameters count as global memory.
  if (in != 0) return question == Question::global && in == window::param;
  return w.machine().memory().find(address, 1).constant == (question == Question::constant);
}
template <class T>
void isspacep(Warp& w, const Instr& i) {
  const auto* a = w.in<T>(i.op[1]);
  const auto question = static_cast<Question>(i.extra);
  w.set_predicate(i.op[0], lanes_where([&](int l) { return (w.exec() >> l & 1) != 0 && lies_in(w, question, a[l]); }));
}
Run isspacep_of(Choice& c) {
  const std::string_view space = c["S"];
  const Question question = space == "const"             ? Question::constant
                            : space == "global"          ? Question::global
                            : space == "local"           ? Question::local
                            : space == "shared::cluster" ? Question::shared_cluster
                            : space.starts_with("param") ? Question::param
                                                         : Question::shared_cta;
  c.extra = static_cast<U32>(question);
  return isspacep<U64>;
}

/// The same place in the CTA of another rank; a generic address stays in its window.
template <class T>
void mapa(Warp& w, const Instr& i) {
  const auto* a = w.in<T>(i.op[1]);
  const auto* rank = w.in<U32>(i.op[2]);
  const T keep = static_cast<T>(window::of(~U64{0})) | offset_mask;
  for_lanes(w, w.out<T>(i.op[0]), [=](int l) {
    return static_cast<T>((a[l] & keep) | static_cast<U32>((rank[l] + 1) << rank_shift));
  });
}
template <class T>
void getctarank(Warp& w, const Instr& i) {
  const auto* a = w.in<T>(i.op[1]);
  const Cta& cta = w.cta();
  for_lanes(w, w.out<U32>(i.op[0]), [&](int l) { return rank_of(cta, static_cast<U32>(a[l])); });
}
Run mapa_of(Choice& c) { return c["T"] == "u32" ? mapa<U32> : mapa<U64>; }
Run getctarank_of(Choice& c) { return c["T"] == "u32" ? getctarank<U32> : getctarank<U64>; }

/// A form for each group of spaces that a version of PTX brought.
#define SPACES(root, rest, operands, select)                                                              \
  {root ".<S: const global local shared>" rest, operands, select, 0, 20, 20, false, "address"},           \
      {root ".<S: param>" rest, operands, select, 0, 77, 70, false, "address"},                           \
      {root ".<S: shared::cta shared::cluster>" rest, operands, select, 0, 78, 30, false, "address"},     \
      {root ".<S: param::entry>" rest, operands, select, 0, 83, 70, false, "address"}

const Form table[] = {
    SPACES("cvta", ".<T: u32 u64>", "=T, &T", cvta_of),
    SPACES("cvta.to", ".<T: u32 u64>", "=T, T", cvta_of),
    SPACES("isspacep", "", "=pred, u64", isspacep_of),
    {"mapa{.shared::cluster}.<T: u32 u64>", "=T, &T, u32", mapa_of, 0, 78, 90, false, "address"},
    {"getctarank{.shared::cluster}.<T: u32 u64>", "=u32, &T", getctarank_of, 0, 78, 90, false, "address"},
};

}  // namespace

std::span<const Form> address_forms() { return table; }

}  // namespace triptych::emulator
