/// \file
/// What each subcommand of `triptych ptx` does, once its options have been read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/tool/session.h"

namespace triptych::app {

/// What the command line says.
struct PtxArguments {
  emulator::RunRequest request;
  std::string grid = "1", block, cluster, checks, out = "trace.json", svg, html;
  std::vector<std::string> expectations, dumps;
  double tolerance = 0;
  std::uint64_t schedules = 1;
  std::uint32_t threads = 0;
  int rounds = 5;
  bool json = false;
};

/// What --check may name: "init,race".
std::string check_names();

/// All return the exit code, and throw emulator::ToolError or emulator::ModuleError.
int ptx_run(PtxArguments& arguments);
int ptx_profile(PtxArguments& arguments);
int ptx_trace(PtxArguments& arguments);
int ptx_step(PtxArguments& arguments);
int ptx_check(PtxArguments& arguments);
int ptx_speed(PtxArguments& arguments);

}  // namespace triptych::app
