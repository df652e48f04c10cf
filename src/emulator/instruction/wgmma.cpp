// wgmma: products of 64 rows by a warpgroup. The fourth warp's issue starts an operation, which reads its
// operands and writes D some time later, in the order of the program. The arithmetic is in wgmma_job.cpp.
#include <charconv>
#include <memory>

#include "emulator/instruction/bulk.h"
#include "emulator/instruction/dispatch.h"
#include "emulator/instruction/fragment.h"
#include "emulator/instruction/matrix.h"
#include "emulator/instruction/wgmma_job.h"
#include "emulator/instruction/wgmma_matrix.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"

namespace triptych::emulator {
namespace {

/// Where an operand of n · 16 bytes along K lies; faults belong to the warp that issued last.
std::vector<std::uint32_t> find(Warp& w, std::uint64_t bits, int extent, std::uint32_t n, bool turned) {
  const MatrixDescriptor descriptor(bits);
  if (!turned && descriptor.width > 16 && descriptor.width < 16 * n) {
    throw KernelFault{FaultKind::protocol, "a matrix with a swizzle of 32 bytes has 64 bytes along K: where the second 32 lie is not "
                                           "known; use a swizzle of 64 or 128 bytes"};
  }
  if (descriptor.base_offset != 0) {
    throw KernelFault{FaultKind::protocol, "a matrix descriptor with base offset " + std::to_string(descriptor.base_offset) +
                                               ": begin the operand's swizzle pattern at a multiple of 8 of its rows"};
  }
  std::vector<std::uint32_t> pieces = descriptor.pieces(extent, n, turned);
  for (const std::uint32_t at : pieces) {
    if (at >= shared_reserved && at + 16 <= w.cta().shared_bytes()) continue;
    throw KernelFault{FaultKind::illegal_address,
                      "a matrix descriptor leads to shared address " + std::to_string(at) + ": the CTA has shared memory from " +
                          std::to_string(shared_reserved) + " to " + std::to_string(w.cta().shared_bytes())};
  }
  return pieces;
}

void report_pieces(Observer& observer, std::uint64_t token, const std::uint8_t* shared, const std::vector<std::uint32_t>& pieces) {
  for (std::size_t n = 0; n < pieces.size();) {
    const std::size_t first = n++;
    while (n < pieces.size() && pieces[n] == pieces[n - 1] + 16) ++n;
    observer.async_touches(token, {Space::shared, shared + pieces[first], (n - first) * 16, false});
  }
}

/// What Warpgroup::Operation::execute holds from the first warp's issue on.
struct Execution {
  std::shared_ptr<WgmmaJob> job = std::make_shared<WgmmaJob>();
  Observer* observer = nullptr;
  std::uint64_t token = 0;

  void operator()() const {
    if (observer != nullptr) {
      report_pieces(*observer, token, job->shared, job->a);
      report_pieces(*observer, token, job->shared, job->b);
    }
    execute(*job);
    if (observer != nullptr) observer->async_completed(token, nullptr);
  }
};

/// All warps have issued operation `number`: finds its operands and lets it happen later.
void start(Warp& w, const Instr& i, Warpgroup& group, Warpgroup::Operation& op, std::uint64_t number) {
  auto& execution = *op.execute.target<Execution>();
  WgmmaJob& job = *execution.job;
  job.product = WgmmaProduct(i.extra);
  const WgmmaProduct& p = job.product;
  const std::uint32_t results = i.list_count - (p.registers ? 4u : 0u) - (p.sparse ? 1u : 0u);
  job.columns = static_cast<int>(results * (p.half ? 4 : 2));
  job.adds = op.values[2] != 0;
  job.exact = w.machine().options().exact_tensor;
  job.shared = w.cta().shared();
  if (!p.registers) job.a = find(w, op.values[0], 64, p.a_pieces, p.a_turned);
  job.b = find(w, op.values[1], job.columns, p.b_pieces(), p.b_turned);
  for (std::size_t m = 0; m < warpgroup_warps; ++m) {
    for (std::uint32_t r = 0; r < i.list_count; ++r) {
      const Slot slot = w.list(i, r);
      job.rows[m].push_back(slot.bank() == Slot::frame ? op.frames[m]->rows + slot.byte_offset()
                                                       : const_cast<std::uint8_t*>(w.in<std::uint8_t>(slot)));
    }
  }
  constexpr std::uint64_t latency = 32;
  const auto ticks = latency + static_cast<std::uint64_t>(job.columns) / 2;   // 2048 16-bit products a cycle
  execution.token = w.sm().later(w.cta(), ticks, [&group, number] { group.execute_through(number); });
  execution.observer = w.observer();
  if (execution.observer == nullptr) return;
  for (int m = 0; m < warpgroup_warps; ++m) {
    execution.observer->async_issued(*w.cta().warps()[static_cast<std::size_t>(w.index() / warpgroup_warps * warpgroup_warps + m)], i, AsyncKind::wgmma, execution.token, nullptr);
  }
}

/// A sparse A's places in the warp's 16 rows. The metadata's register is free as soon as the warp has issued.
void take_metadata(Warp& w, const Instr& i, const WgmmaProduct& p, std::size_t member, WgmmaJob& job) {
  const auto* metadata = w.in<std::uint32_t>(w.list(i, i.list_count - 1));
  const int depth = 8 * per_word(p.a);
  for (std::size_t half = 0; half < 2; ++half) {
    job.places[2 * member + half] = sparse_places(metadata, p.a, depth, p.selector, false, static_cast<int>(half));
  }
}

void issue(Warp& w, const Instr& i) {
  if (!whole_warp(w)) return;
  const auto which = static_cast<std::size_t>(w.index() / warpgroup_warps), member = static_cast<std::size_t>(w.index() % warpgroup_warps);
  if (which >= w.cta().warpgroups().size()) {
    throw KernelFault{FaultKind::protocol, "wgmma by a warp that belongs to no warpgroup: the CTA's number of warps is not a multiple of 4"};
  }
  Warpgroup& group = w.cta().warpgroups()[which];
  const std::uint64_t number = group.issued[member]++;
  if (number - group.executed == group.operations.size()) group.operations.emplace_back().execute = Execution();
  Warpgroup::Operation& op = group.operations[number - group.executed];
  const WgmmaProduct product(i.extra);
  const bool registers = product.registers;
  const std::size_t b = registers ? 0 : 1;
  const std::array<std::uint64_t, 3> values = {registers ? 0 : w.in<std::uint64_t>(i.op[0])[0], w.in<std::uint64_t>(i.op[b])[0],
                                               w.predicate(i.op[b + 1]) & 1};
  if (op.issued != 0 && (op.instr != &i || op.values != values)) {
    throw KernelFault{FaultKind::protocol, op.instr != &i ? "the warps of a warpgroup execute different wgmma instructions"
                                                          : "the warps of a warpgroup give different descriptors or scale-d"};
  }
  op.instr = &i;
  op.values = values;
  if (product.sparse) take_metadata(w, i, product, member, *op.execute.target<Execution>()->job);
  op.frames[member] = w.shared_frame();
  op.groups[member] = w.wgmma_groups().open(all_lanes);
  ++op.groups[member]->pending;
  if (++op.issued == warpgroup_warps) start(w, i, group, op, number);
  w.note_effect();
}

void fence(Warp& w, const Instr&) { whole_warp(w); }

void commit(Warp& w, const Instr&) {
  if (!whole_warp(w)) return;
  w.wgmma_groups().commit(all_lanes);
  w.note_effect();
}

void wait_group(Warp& w, const Instr& i) {
  if (!whole_warp(w) || !group_complete(w, w.wgmma_groups().waits_for(all_lanes, i.extra, false), false)) return;
  if (w.observer() != nullptr) w.observer()->group_waited(w, AsyncKind::wgmma, i.extra, false);
}

Run choose_wait(Choice& c) {
  if (!c.imm.empty()) c.extra = static_cast<std::uint32_t>(c.imm[0]);
  return c.imm.empty() || c.imm[0] >= 0 ? Run(wait_group) : nullptr;
}

/// The immediates: a sparse A's selector, scales of A and B, then transpositions of what lies in shared memory.
template <bool registers>
Run choose(Choice& c) {
  WgmmaProduct p;
  p.sparse = c.has("sp");
  p.a = c.type("A");
  p.b = c.type("B");
  p.registers = registers;
  p.half = c["D"] == "f16";
  p.saturate = c.has("satfinite");
  std::span<const std::int64_t> rest(c.imm);
  if (p.sparse && !rest.empty()) {
    if (rest[0] < 0 || rest[0] >= sparse_selectors(p.a, 8 * per_word(p.a))) return nullptr;
    p.selector = static_cast<int>(rest[0]);
    rest = rest.subspan(1);
  }
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (i < 2 ? rest[i] != 1 && rest[i] != -1 : rest[i] != 0 && rest[i] != 1) return nullptr;
  }
  if (rest.size() >= 2) p.negative = rest[0] != rest[1];
  if (rest.size() == 4) p.a_turned = rest[2] == 1;
  if (rest.size() > 2) p.b_turned = rest.back() == 1;
  c.extra = p.pack();
  int columns = 0;
  const std::string_view shape = c["P"];
  std::from_chars(shape.data() + 4, shape.data() + shape.size(), columns);
  if (!is_float(p.a) && columns > 32 && columns % 16 != 0) return nullptr;
  c.vector_length = {columns / (p.half ? 4 : 2)};
  c.ticks = 16;
  return issue;
}

constexpr std::uint8_t f = Instr::control | Instr::memory | Instr::aligned | Instr::tensor, k = Instr::control | Instr::aligned;
#define BY_EIGHT(k) \
    "m64n8k" k " m64n16k" k " m64n24k" k " m64n32k" k " m64n40k" k " m64n48k" k " m64n56k" k " m64n64k" k \
    " m64n72k" k " m64n80k" k " m64n88k" k " m64n96k" k " m64n104k" k " m64n112k" k " m64n120k" k " m64n128k" k \
    " m64n136k" k " m64n144k" k " m64n152k" k " m64n160k" k " m64n168k" k " m64n176k" k " m64n184k" k \
    " m64n192k" k " m64n200k" k " m64n208k" k " m64n216k" k " m64n224k" k " m64n232k" k " m64n240k" k \
    " m64n248k" k " m64n256k" k
#define BY_SIXTEEN(k) \
    "m64n8k" k " m64n16k" k " m64n24k" k " m64n32k" k " m64n48k" k " m64n64k" k " m64n80k" k " m64n96k" k \
    " m64n112k" k " m64n128k" k " m64n144k" k " m64n160k" k " m64n176k" k " m64n192k" k " m64n208k" k \
    " m64n224k" k " m64n240k" k " m64n256k" k
#define WGMMA(k) ".sync.aligned.<P: " BY_EIGHT(k) ">"
#define WGMMA_INTEGER(k) ".sync.aligned.<P: " BY_SIXTEEN(k) ">"
// The types of registers are ptxas' own: of bf16x2 and tf32 untyped ones alone.
#define FORMS(pattern, d, a, immediates_a, immediates_r) \
    {"wgmma.mma_async" pattern, "+?*" d ", u64, u64, pred" immediates_a, choose<false>, f, 80, 90, true, "wgmma"}, \
    {"wgmma.mma_async" pattern, "+?*" d ", 4*" a ", u64, pred" immediates_r, choose<true>, f, 80, 90, true, "wgmma"}
#define SPARSE(pattern, d, a, immediates_a, immediates_r) \
    {"wgmma.mma_async.sp" pattern, "+?*" d ", u64, u64, !1*b32, imm, pred" immediates_a, choose<false>, f, 82, 90, true, "wgmma_sparse"}, \
    {"wgmma.mma_async.sp" pattern, "+?*" d ", 4*" a ", u64, !1*b32, imm, pred" immediates_r, choose<true>, f, 82, 90, true, "wgmma_sparse"}
const Form table[] = {
    FORMS(WGMMA("16") ".f32.<A: f16>.<B: f16>", "f32", "f16x2", ", imm, imm, imm, imm", ", imm, imm, imm"),
    FORMS(WGMMA("16") ".<D: f16>.<A: f16>.<B: f16>", "f16x2", "f16x2", ", imm, imm, imm, imm", ", imm, imm, imm"),
    FORMS(WGMMA("16") ".f32.<A: bf16>.<B: bf16>", "f32", "f16x2", ", imm, imm, imm, imm", ", imm, imm, imm"),
    FORMS(WGMMA("8") ".f32.<A: tf32>.<B: tf32>", "f32", "tf32", ", imm, imm", ", imm, imm"),
    FORMS(WGMMA("32") ".f32.<A: e4m3 e5m2>.<B: e4m3 e5m2>", "f32", "bf16x2", ", imm, imm", ", imm, imm"),
    FORMS(WGMMA("32") ".<D: f16>.<A: e4m3 e5m2>.<B: e4m3 e5m2>", "f16x2", "bf16x2", ", imm, imm", ", imm, imm"),
    FORMS(WGMMA_INTEGER("32") "{.satfinite}.s32.<A: s8 u8>.<B: s8 u8>", "s32", "b32", "", ""),
    FORMS(WGMMA_INTEGER("256") ".s32.<A: b1>.<B: b1>.and.popc", "s32", "b32", "", ""),
    SPARSE(WGMMA("32") ".f32.<A: f16>.<B: f16>", "f32", "f16x2", ", imm, imm, imm, imm", ", imm, imm, imm"),
    SPARSE(WGMMA("32") ".<D: f16>.<A: f16>.<B: f16>", "f16x2", "f16x2", ", imm, imm, imm, imm", ", imm, imm, imm"),
    SPARSE(WGMMA("32") ".f32.<A: bf16>.<B: bf16>", "f32", "f16x2", ", imm, imm, imm, imm", ", imm, imm, imm"),
    SPARSE(WGMMA("16") ".f32.<A: tf32>.<B: tf32>", "f32", "tf32", ", imm, imm", ", imm, imm"),
    SPARSE(WGMMA("64") ".f32.<A: e4m3 e5m2>.<B: e4m3 e5m2>", "f32", "bf16x2", ", imm, imm", ", imm, imm"),
    SPARSE(WGMMA("64") ".<D: f16>.<A: e4m3 e5m2>.<B: e4m3 e5m2>", "f16x2", "bf16x2", ", imm, imm", ", imm, imm"),
    SPARSE(WGMMA_INTEGER("64") "{.satfinite}.s32.<A: s8 u8>.<B: s8 u8>", "s32", "b32", "", ""),
    {"wgmma.fence.sync.aligned", "", always<fence>, k, 80, 90, true, "wgmma"},
    {"wgmma.commit_group.sync.aligned", "", always<commit>, k, 80, 90, true, "wgmma"},
    {"wgmma.wait_group.sync.aligned", "imm", choose_wait, k, 80, 90, true, "wgmma"},
};

}  // namespace

std::span<const Form> wgmma_forms() { return table; }

}  // namespace triptych::emulator
