/// \file
/// Kernels as .ptx files, run on the software device: what chapters about PTX and their checks
/// share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/tool/verdict.h"

namespace triptych::tutorial {

/// A launch of a kernel as `triptych ptx run` is told of it, and what its buffers must hold then.
struct KernelCase {
  std::string about;  ///< for a person: "n 33"
  std::string grid = "1", block = "32";
  std::vector<std::string> arguments, expectations;
  std::uint64_t schedules = 1;  ///< seeds 0 … schedules - 1: all are right and leave the same bits
};

/// What the tool is asked for, all checkers on.
emulator::RunRequest request_of(const KernelCase& c);
std::vector<emulator::Expectation> expectations_of(const KernelCase& c);
/// The command line that runs a file so, on one schedule.
std::string command_of(const std::string& file, const KernelCase& c, std::uint64_t seed = 0);

/// A report without what changes from run to run: addresses of global memory become 0x...
std::string without_addresses(const std::string& report);
/// The first thing that is wrong, in one line; empty if nothing is.
std::string first_wrong(const emulator::Verdict& verdict);

/// The main function of a check whose command line is FILE [CASE]: judges a .ptx file like judge().
/// Places in the verdict go by the file's name alone.
int judge_kernel(int argc, char** argv, const std::vector<KernelCase>& cases);

}  // namespace triptych::tutorial
