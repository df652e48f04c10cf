/// \file
/// Kernels that leave one 32-bit value a thread.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tests/emulator/ptx_run.h"

namespace triptych::emulator::test {

using Words = std::vector<std::uint32_t>;

/// The kernel k(out, in): threads count along x in %i; what is in %v at the end, or at DONE, goes to out[%i].
/// %u and %w are further registers, %a … of 64 bits, p, q and r predicates.
inline std::string thread_kernel(const std::string& body) {
  return ".visible .entry k(.param .u64 out, .param .u64 in)\n{\n.reg .b32 %i, %v, %u<10>, %w<4>; .reg .b64 %a<8>; .reg .pred p, q, r;\n"
         "mov.u32 %u0, %ctaid.x;\nmov.u32 %u1, %ntid.x;\nmov.u32 %i, %tid.x;\nmad.lo.u32 %i, %u0, %u1, %i;\nmov.u32 %v, 0;\n"
         "ld.param.u64 %a0, [in];\n" + body + "\nDONE:\nld.param.u64 %a7, [out];\nmad.wide.u32 %a7, %i, 4, %a7;\nst.global.u32 [%a7], %v;\nret;\n}\n";
}

/// Runs k; its fault must be none. `in` is the values' address, 0 if there are none.
inline Words run_threads(Program& program, const Shape& shape, std::uint64_t in = 0) {
  const std::size_t threads = std::size_t{shape.grid[0]} * shape.block[0];
  const std::uint64_t out = program.buffer(Words(threads, 0xDEAD));
  EXPECT_EQ(program.run("k", {out, in}, shape), "");
  return program.read<std::uint32_t>(out, threads);
}
inline Words values_of(const std::string& module, const std::string& body, std::uint32_t threads = 32) {
  Program program(module + thread_kernel(body));
  return run_threads(program, {.block = {threads, 1, 1}});
}
/// expected(i) of each thread.
template <class F>
Words for_threads(std::uint32_t threads, F&& expected) {
  Words all;
  for (std::uint32_t i = 0; i < threads; ++i) all.push_back(expected(i));
  return all;
}

/// The report of the fault that k ends with.
inline std::string fault_of(const std::string& module, const std::string& body, const Shape& shape = {}) {
  Program program(module + thread_kernel(body));
  const std::uint64_t in = program.buffer(Words(1024));
  return program.run("k", {program.buffer(Words(1024)), in}, shape);
}

/// A report holds all of these.
inline void expect_report(const std::string& report, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) EXPECT_NE(report.find(part), std::string::npos) << part << " is not in: " << report;
}

}  // namespace triptych::emulator::test
