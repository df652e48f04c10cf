/// \file
/// A decoded module: what the machine executes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/machine/instr.h"
#include "emulator/ptx/syntax.h"

namespace triptych::emulator {

/// Special registers that a module reads, each a row that every warp has for itself.
enum class Special : std::uint8_t {
  tid_x, tid_y, tid_z, ntid_x, ntid_y, ntid_z, laneid, warpid, nwarpid,
  ctaid_x, ctaid_y, ctaid_z, nctaid_x, nctaid_y, nctaid_z, smid, nsmid, gridid,
  is_explicit_cluster, clusterid_x, clusterid_y, clusterid_z, nclusterid_x, nclusterid_y, nclusterid_z,
  cluster_ctaid_x, cluster_ctaid_y, cluster_ctaid_z, cluster_nctaid_x, cluster_nctaid_y, cluster_nctaid_z,
  cluster_ctarank, cluster_nctarank,
  lanemask_eq, lanemask_le, lanemask_lt, lanemask_ge, lanemask_gt,
  clock, clock_hi, clock64, globaltimer, globaltimer_lo, globaltimer_hi,
  total_smem_size, aggr_smem_size, dynamic_smem_size, reserved_smem_offset_begin, reserved_smem_offset_end,
  reserved_smem_offset_cap, reserved_smem_offset_0, reserved_smem_offset_1, current_graph_exec,
  pm, envreg,
  dynamic_smem_begin,   ///< not PTX's: the address of dynamic shared memory, for device functions
  count
};

/// Whether it has 64 bits.
bool is_wide(Special special);
/// Whether it changes while a warp runs: read by an instruction each time, never from a row.
bool is_volatile(Special special);

/// The row of ModuleCode::specials[i] begins at byte i · special_row_bytes of the bank `specials`.
inline constexpr std::uint32_t special_row_bytes = 256;

/// Where a decoded instruction came from; cold, beside the hot array.
struct Site {
  const Instruction* source = nullptr;
};

/// A run of instructions that is entered at its beginning and left at its end.
struct Block {
  std::uint32_t begin = 0, end = 0;      ///< instructions
  std::uint32_t order = 0;               ///< key of the schedule: within a function smaller runs first
  /// For the header of a loop, which is its first block in the text: the order just after its body, which no
  /// block has; else 0. Only backward branches lead to an order that is not greater.
  std::uint32_t loop_end = 0;
};

struct FunctionCode;

inline constexpr std::uint64_t most_local = 512 << 10;   ///< bytes of local memory a thread, as on hardware

/// An argument or result of a call, or the parameter of the callee: in a frame's local memory or in a slot
/// (of an argument also a constant).
struct CallValue {
  Slot slot;                             ///< absent: in memory
  std::uint32_t local = 0;               ///< offset in the frame
  std::uint32_t bytes = 0;               ///< 0: the slot is a predicate
};

/// What a call instruction passes. The n-th value goes to, or comes from, the n-th of the callee's
/// FunctionCode::parameters or ::results.
struct CallSite {
  const FunctionCode* callee = nullptr;  ///< null: op[0] of the call holds addresses of functions
  std::vector<CallValue> results, arguments;
};

/// Addresses of functions, as mov gives them: this, and the index in ModuleCode::functions.
inline constexpr std::uint64_t function_addresses = 0x4000'0000'0000'0000;

/// A kernel or device function. One without a body (a system's function, see is_builtin) has no instrs.
struct FunctionCode {
  const Function* source = nullptr;
  std::vector<Instr> instrs;             ///< the last one never falls through
  std::vector<Site> sites;               ///< one an instruction
  std::vector<Block> blocks;             ///< in the order of instructions
  std::vector<std::uint32_t> block_of;   ///< of each instruction
  std::vector<Slot> lists;               ///< further operands
  std::vector<std::uint32_t> targets;    ///< of brx.idx
  std::vector<CallSite> calls;
  std::vector<std::uint8_t> constants;   ///< rows of the bank `constants`
  std::uint32_t frame_bytes = 0;         ///< of rows in the frame
  std::uint32_t predicates = 0;          ///< masks in the frame
  std::uint32_t registers = 0;           ///< estimate of 32-bit registers a thread: the most that live at once
  std::uint32_t local_bytes = 0;         ///< of local and call-parameter memory a thread, a frame
  std::uint32_t local_align = 16;        ///< of the frame in a thread's local memory
  std::vector<Slot> slot_of_register;    ///< of Function::registers; for the debugger; absent: never used
  /// Of a device function, in order: where they lie in its frame: rows, or local memory.
  std::vector<CallValue> results, parameters;
  // Entries only:
  std::uint32_t static_shared_bytes = 0; ///< at shared_reserved; dynamic shared memory begins just after
  std::uint32_t parameter_bytes = 0;
  std::map<const Variable*, std::uint32_t> shared_at, local_at, parameter_at;  ///< offsets
};

/// A module after linking with nothing: its functions, and what its variables need.
struct ModuleCode {
  std::unique_ptr<Module> source;
  std::vector<std::unique_ptr<FunctionCode>> functions;
  std::map<std::string_view, FunctionCode*> by_name;
  std::vector<std::pair<Special, int>> specials;   ///< special registers in use, and which (envreg, pm)
  /// Device addresses of module-scope variables, once it is loaded (load_module).
  std::map<const Variable*, std::uint64_t> address_of;
};

}  // namespace triptych::emulator
