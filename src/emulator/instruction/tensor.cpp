// Tensor copies: boxes that a tensor map describes, between global and shared memory. Maps that are edited on
// the device are in tensor_replace.cpp.
#include "emulator/instruction/tensor.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "emulator/instruction/bulk.h"
#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/tensor_box.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/mbarrier.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

// Instr::extra: flags, then the reduction's operation (0: none).
constexpr std::uint32_t multicast = 1, im2col = 2;
constexpr std::string_view operations[] = {"", "add", "min", "max", "inc", "dec", "and", "or", "xor"};

/// The element's type as reductions know it.
Type element_type(TensorType type) {
  constexpr Type types[] = {Type::none, Type::u16, Type::u32, Type::s32, Type::u64, Type::s64, Type::f16,
                            Type::f32,  Type::f64, Type::bf16, Type::f32, Type::f32, Type::f32};
  return types[static_cast<std::size_t>(type)];
}

Reduction reduction_of_map(std::uint32_t extra, const TensorMap& map) {
  const std::uint32_t op = extra >> 8;
  if (op == 0) return nullptr;
  Type type = element_type(map.type);
  if (operations[op] == "and" || operations[op] == "or" || operations[op] == "xor") {
    type = map.element_bytes() == 8 ? Type::b64 : map.element_bytes() == 4 ? Type::b32 : Type::none;
  }
  const Reduction reduce = type == Type::none ? nullptr : reduction_of(operations[op], type);
  if (reduce == nullptr) throw KernelFault{FaultKind::protocol, "cp.reduce.async.bulk.tensor: the map's type has no ." + std::string(operations[op])};
  return reduce;
}

/// The box that lane l asks for: the map at op[at]; in the list coordinates, then im2col's offsets if it has any.
TensorBox box_of(Warp& w, const Instr& i, std::size_t at, int l) {
  Lanes<std::uint64_t> addresses;
  w.addresses(i.op[at], true, at == 0 ? i.imm : 0, addresses);
  const TensorMap map = read_tensor_map(w, i, Space::generic, addresses, l, Proxy::tensormap);
  if (map.rank != i.at_list) {
    throw KernelFault{FaultKind::protocol, "a tensor copy with " + std::to_string(i.at_list) + " coordinates of a map of rank " +
                                               std::to_string(map.rank), Mask{1} << l};
  }
  TensorBox::Coordinates start{};
  TensorBox::Offsets offsets{};
  for (std::uint32_t c = 0; c < i.at_list; ++c) start[c] = w.in<std::int32_t>(w.list(i, c))[l];
  for (std::uint32_t c = i.at_list; c < i.list_count; ++c) {
    offsets[c - i.at_list] = static_cast<std::uint16_t>(w.in<std::uint32_t>(w.list(i, c))[l]);
  }
  return TensorBox(map, start, (i.extra & im2col) != 0 ? &offsets : nullptr);
}

/// Checks the box's places in memory, and gives its host address in shared memory.
std::uint8_t* place(Warp& w, const TensorBox& box, int l, std::uint64_t shared, Access of_shared) {
  if (box.global_bytes() != 0) {
    w.range(Space::global, l, box.global_begin(), box.global_bytes(), 1, of_shared == Access::read ? Access::write : Access::read);
  }
  return w.range(Space::shared, l, shared, box.bytes(), box.alignment(), of_shared);
}

void report_rows(Observer& observer, std::uint64_t token, const TensorBox& box, bool written) {
  const std::uint32_t e = box.map().element_bytes();
  for (const BoxRow& row : box.rows()) {
    if (row.first < row.last) {
      observer.async_touches(token, {Space::global, reinterpret_cast<const std::uint8_t*>(row.global), std::uint64_t{row.last - row.first} * e, written});
    }
  }
}

/// One CTA's copy: the bytes are there, then all of the box is announced, what is out of bounds too.
void load_one(Warp& w, const Instr& i, const std::shared_ptr<const TensorBox>& box, std::uint8_t* to, std::uint32_t at, std::uint8_t* barrier) {
  Observer* observer = w.observer();
  const auto token = std::make_shared<std::uint64_t>(0);
  *token = w.sm().later(w.cta(), copy_ticks(box->bytes()), [box, to, at, barrier, observer, token] {
    if (observer != nullptr) {
      report_rows(*observer, *token, *box, false);
      observer->async_touches(*token, {Space::shared, to, box->bytes(), true});
    }
    box->load(to, at);
    if (observer != nullptr) observer->async_completed(*token, barrier);
    mbarrier::complete_bytes(barrier, static_cast<std::int32_t>(box->bytes()));
  });
  if (observer != nullptr) observer->async_issued(w, i, AsyncKind::tensor, *token, barrier);
}

/// Operands [dst], [map, {…}], [mbarrier]{, {offsets}}{, ctaMask}.
void load(Warp& w, const Instr& i) {
  Lanes<std::uint64_t> to, barrier;
  w.addresses(i.op[0], false, i.imm, to);
  w.addresses(i.op[2], false, 0, barrier);
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    const auto box = std::make_shared<const TensorBox>(box_of(w, i, 1, l));
    const auto offset = static_cast<std::uint32_t>(to[l] & 0xFFFFFF);
    std::uint8_t* const host = place(w, *box, l, to[l], Access::write);
    std::uint8_t* const object = w.range(Space::shared, l, barrier[l], 8, 8, Access::atomic);
    if ((i.extra & multicast) == 0) {
      if (&w.cta_of(to[l], l) != &w.cta_of(barrier[l], l)) {
        throw KernelFault{FaultKind::protocol, "a tensor copy's mbarrier lies in another CTA than its destination", Mask{1} << l};
      }
      load_one(w, i, box, host, offset, object);
      continue;
    }
    // The same place in every CTA of the mask.
    const std::uint32_t ctas = w.in<std::uint32_t>(i.op[3])[l] & 0xFFFF;
    for (std::uint32_t r = 0; r < 16; ++r) {
      if ((ctas >> r & 1) == 0) continue;
      const std::uint64_t rank = std::uint64_t{r + 1} << 24;
      load_one(w, i, box, w.range(Space::shared, l, rank | offset, box->bytes(), box->alignment(), Access::write), offset,
               w.range(Space::shared, l, rank | (barrier[l] & 0xFFFFFF), 8, 8, Access::atomic));
    }
  }
  w.note_effect();
}

/// Operands [map, {…}], [src]: first the source has been read, later the tensor is written.
void store(Warp& w, const Instr& i) {
  Lanes<std::uint64_t> from;
  w.addresses(i.op[1], false, 0, from);
  for (Mask left = w.exec(); left != 0; left &= left - 1) {
    const int l = std::countr_zero(left);
    const auto box = std::make_shared<const TensorBox>(box_of(w, i, 0, l));
    const Reduction reduce = reduction_of_map(i.extra, box->map());
    const auto offset = static_cast<std::uint32_t>(from[l] & 0xFFFFFF);
    const std::uint8_t* const host = place(w, *box, l, from[l], Access::read);
    const std::shared_ptr<AsyncGroup> group = w.bulk_groups().open(Mask{1} << l);
    ++group->pending;
    ++group->reading;
    Observer* observer = w.observer();
    Sm& sm = w.sm();
    Cta& cta = w.cta();
    const auto token = std::make_shared<std::uint64_t>(0);
    const std::uint64_t ticks = copy_ticks(box->bytes()) / 2;
    *token = sm.later(cta, ticks, [=, &sm, &cta] {
      if (observer != nullptr) observer->async_touches(*token, {Space::shared, host, box->bytes(), false});
      auto data = std::make_shared<std::vector<std::uint8_t>>(box->gather(host, offset));
      --group->reading;
      sm.later(cta, ticks, [=] {
        if (observer != nullptr) report_rows(*observer, *token, *box, true);
        box->store(*data, reduce);
        --group->pending;
        if (observer != nullptr) observer->async_completed(*token, nullptr);
      });
    });
    if (observer != nullptr) observer->async_issued(w, i, AsyncKind::tensor, *token, nullptr);
  }
  w.note_effect();
}

/// Moves nothing; the map has to be one.
void prefetch(Warp& w, const Instr& i) {
  for (Mask left = w.exec(); left != 0; left &= left - 1) box_of(w, i, 0, std::countr_zero(left));
}

template <Run run>
Run choose(Choice& c) {
  const auto op = std::find(std::begin(operations), std::end(operations), c["A"]) - std::begin(operations);
  const bool columns = c.has("im2col") || c.has("im2col_no_offs");
  c.extra = (c.has("multicast::cluster") ? multicast : 0u) | (columns ? im2col : 0u) | static_cast<std::uint32_t>(op) << 8;
  if (c.has("im2col")) c.vector_length = {c["N"][0] - '2'};
  c.ticks = 8;
  return run;
}

constexpr std::uint8_t m = Instr::memory;
#define TILE(before, after) "cp" before ".<N: 1d 2d 3d 4d 5d>" after
#define COLUMNS(before, after) "cp" before ".<N: 3d 4d 5d>" after
#define LOAD(space, mode) ".<D: shared::" space ">.global" mode ".mbarrier::complete_tx::bytes"
#define HINT "{.L2::cache_hint}"
#define POLICY ", u64?.L2::cache_hint"
const Form table[] = {
    {TILE(".async.bulk.tensor", LOAD("cluster", "{.tile}") "{.multicast::cluster}" HINT), "[D], [map,N], [D], b16?.multicast::cluster" POLICY,
     choose<load>, m, 80, 90, false, "tensor"},
    {TILE(".async.bulk.tensor", LOAD("cta", "{.tile}") HINT), "[D], [map,N], [D]" POLICY, choose<load>, m, 86, 90, false, "tensor"},
    {TILE(".async.bulk.tensor", ".global.shared::cta{.tile}.bulk_group" HINT), "[map,N], [shared]" POLICY, choose<store>, m, 80, 90, false, "tensor"},
    {TILE(".reduce.async.bulk.tensor", ".global.shared::cta.<A: add min max inc dec and or xor>{.tile}.bulk_group" HINT),
     "[map,N], [shared]" POLICY, choose<store>, m, 80, 90, false, "tensor"},
    {TILE(".async.bulk.prefetch.tensor", ".L2.global{.tile}" HINT), "[map,N]" POLICY, choose<prefetch>, m, 80, 90, false, "tensor"},
    {COLUMNS(".async.bulk.tensor", LOAD("cluster", ".im2col") "{.multicast::cluster}" HINT),
     "[D], [map,N], [D], ?*b16, b16?.multicast::cluster" POLICY, choose<load>, m, 80, 90, false, "tensor_im2col"},
    {COLUMNS(".async.bulk.tensor", LOAD("cta", ".im2col") HINT), "[D], [map,N], [D], ?*b16" POLICY, choose<load>, m, 86, 90, false, "tensor_im2col"},
    {COLUMNS(".async.bulk.tensor", ".global.shared::cta.im2col_no_offs.bulk_group" HINT), "[map,N], [shared]" POLICY,
     choose<store>, m, 80, 90, false, "tensor_im2col"},
    {COLUMNS(".reduce.async.bulk.tensor", ".global.shared::cta.<A: add min max inc dec and or xor>.im2col_no_offs.bulk_group" HINT),
     "[map,N], [shared]" POLICY, choose<store>, m, 80, 90, false, "tensor_im2col"},
    {COLUMNS(".async.bulk.prefetch.tensor", ".L2.global.im2col" HINT), "[map,N], ?*b16" POLICY, choose<prefetch>, m, 80, 90, false, "tensor_im2col"},
};

}  // namespace

TensorMap read_tensor_map(Warp& w, const Instr& i, Space space, const Lanes<std::uint64_t>& addresses, int l, Proxy proxy, std::uint8_t** host) {
  // In two halves of 64 bytes, which is also its alignment.
  std::array<std::uint8_t, 128> bytes;
  for (std::uint64_t half = 0; half < 2; ++half) {
    Lanes<std::uint64_t> at = addresses;
    Lanes<std::uint8_t*> hosts;
    at[l] += 64 * half;
    w.resolve_lanes(Mask{1} << l, space, at, 64, Access::read, {Order::weak, Scope::gpu, proxy, false}, i, hosts);
    std::memcpy(bytes.data() + 64 * half, hosts[l], 64);
    if (half == 0 && host != nullptr) *host = hosts[l];
  }
  TensorMap map;
  if (TensorMap::decode(bytes.data(), map)) return map;
  throw KernelFault{FaultKind::protocol, "the address holds no tensor map of this device; make one with cuTensorMapEncodeTiled", Mask{1} << l};
}

std::span<const Form> tensor_forms() {
  static const std::vector<Form> all = join({table, tensor_replace_forms()});
  return all;
}

}  // namespace triptych::emulator
