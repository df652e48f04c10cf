/// \file
/// What a module holds, without running it: kernels, registers, shared memory, parameters,
/// occupancy.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "emulator/machine/machine.h"
#include "emulator/tool/source.h"

namespace triptych::emulator {

struct KernelSurvey {
  std::string name;
  std::vector<std::pair<std::string, std::string>>
      parameters;  ///< names with types, "u32" or "24 bytes"
  std::uint32_t parameter_bytes = 0, registers = 0, shared = 0, local = 0, instructions = 0;
  std::uint32_t threads = 0;  ///< of the block that occupancy is of
  int ctas = 0;               ///< such blocks that fit on an SM; 0: none
  std::string limit;          ///< by what: "threads", "registers", "shared memory", "CTAs"
};

struct Survey {
  std::string file;
  int version = 0, target = 0;
  bool target_a = false;
  std::vector<KernelSurvey> kernels;
  std::vector<std::string> functions;
};

/// Parses and decodes it. `threads` of a block; 0: what the kernel's directives say, or 256. Throws
/// ModuleError.
Survey survey(const Source& source, std::uint32_t threads, std::uint32_t dynamic_shared);
std::string text_of(const Survey& survey);
nlohmann::ordered_json json_of(const Survey& survey);

}  // namespace triptych::emulator
