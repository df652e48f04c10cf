#include "emulator/tool/survey.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/decode/decode.h"

namespace triptych::emulator {
namespace {

std::uint32_t threads_of(const Directives& d) {
  const auto product = [](const std::array<std::uint32_t, 3>& e) {
    return e[0] * std::max(1u, e[1]) * std::max(1u, e[2]);
  };
  if (d.reqntid[0] != 0) return product(d.reqntid);
  return d.maxntid[0] != 0 ? product(d.maxntid) : 256;
}

std::string limit_of(const Machine& machine, const Launch& launch, int ctas) {
  const DeviceLimits& l = machine.limits(0);
  const auto uses = [&](std::uint32_t each, int all) {
    return static_cast<int>(each) * (ctas + 1) > all;
  };
  if (uses(launch.shared_bytes(), l.shared_per_sm)) return "shared memory";
  if (uses(launch.registers(), l.registers_per_sm)) return "registers";
  if (uses(launch.warps() * warp_size, l.threads_per_sm)) return "threads";
  return "CTAs";
}

KernelSurvey survey_kernel(const Machine& machine, const ModuleCode& code, const FunctionCode& f,
                           std::uint32_t threads, std::uint32_t dynamic_shared) {
  Launch launch;
  launch.module = &code;
  launch.function = &f;
  launch.block[0] = threads != 0 ? threads : threads_of(f.source->directives);
  launch.dynamic_shared = dynamic_shared;
  KernelSurvey k{.name = std::string(f.source->name),
                 .parameter_bytes = f.parameter_bytes,
                 .registers = launch.registers_a_thread(),
                 .shared = f.static_shared_bytes,
                 .local = f.local_bytes,
                 .instructions = static_cast<std::uint32_t>(f.source->body.size()),
                 .threads = launch.block[0],
                 .ctas = machine.occupancy(launch)};
  k.limit = limit_of(machine, launch, k.ctas);
  for (const Variable* p : f.source->parameters) {
    const bool scalar = p->bytes == static_cast<std::uint64_t>(bytes_of(p->type));
    k.parameters.emplace_back(
        p->name, scalar ? std::string(name_of(p->type)) : fmt::format("{} bytes", p->bytes));
  }
  return k;
}

}  // namespace

Survey survey(const Source& source, std::uint32_t threads, std::uint32_t dynamic_shared) {
  Machine machine{MachineOptions()};
  std::unique_ptr<ModuleCode> code;
  try {
    code = load_module(machine, parse_source(source), 0);
  } catch (const DecodeError& error) {
    throw ModuleError{error.message};
  }
  const Module& module = *code->source;
  Survey all{.file = source.name,
             .version = module.version,
             .target = module.target,
             .target_a = module.target_a};
  for (const auto& f : code->functions) {
    if (f->source->entry) {
      all.kernels.push_back(survey_kernel(machine, *code, *f, threads, dynamic_shared));
    } else if (f->source->defined) {
      all.functions.emplace_back(f->source->name);
    }
  }
  return all;
}

std::string text_of(const Survey& s) {
  std::string text = fmt::format("{}: PTX {}.{}, sm_{}{}, {} kernel{}\n", s.file, s.version / 10,
                                 s.version % 10, s.target, s.target_a ? "a" : "", s.kernels.size(),
                                 s.kernels.size() == 1 ? "" : "s");
  for (const KernelSurvey& k : s.kernels) {
    std::string parameters;
    for (const auto& [name, type] : k.parameters)
      parameters += fmt::format("{}{} {}", parameters.empty() ? "" : ", ", type, name);
    text += fmt::format("{}({})\n", k.name, parameters);
    text += fmt::format(
        "  {} instructions, about {} registers a thread, {} bytes of shared memory, {} of local, "
        "{} of parameters\n",
        k.instructions, k.registers, k.shared, k.local, k.parameter_bytes);
    text += fmt::format("  {} CTAs of {} threads on an SM; {} are the limit\n", k.ctas, k.threads,
                        k.limit);
  }
  if (!s.functions.empty())
    text += fmt::format("and {} device function{}: {}\n", s.functions.size(),
                        s.functions.size() == 1 ? "" : "s", fmt::join(s.functions, ", "));
  return text;
}

nlohmann::ordered_json json_of(const Survey& s) {
  using Json = nlohmann::ordered_json;
  Json kernels = Json::array();
  for (const KernelSurvey& k : s.kernels) {
    Json parameters = Json::array();
    for (const auto& [name, type] : k.parameters)
      parameters.push_back({{"name", name}, {"type", type}});
    kernels.push_back({{"name", k.name},
                       {"parameters", parameters},
                       {"parameter_bytes", k.parameter_bytes},
                       {"instructions", k.instructions},
                       {"registers", k.registers},
                       {"shared_bytes", k.shared},
                       {"local_bytes", k.local},
                       {"threads", k.threads},
                       {"ctas_per_sm", k.ctas},
                       {"limit", k.limit}});
  }
  return {{"file", s.file},
          {"version", s.version},
          {"target", s.target},
          {"kernels", kernels},
          {"functions", s.functions}};
}

}  // namespace triptych::emulator
