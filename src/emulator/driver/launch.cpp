// Launches.
#include "emulator/driver/launch.h"

#include <algorithm>
#include <cstring>

namespace triptych::emulator::driver {
namespace {

/// CU_LAUNCH_PARAM_BUFFER_POINTER (1) and _SIZE (2) among `extra`, ended by 0.
Result copy_buffer(void** extra, std::vector<std::uint8_t>& to) {
  const void* buffer = nullptr;
  std::size_t bytes = 0;
  for (; *extra != nullptr; extra += 2) {
    if (*extra == reinterpret_cast<void*>(1)) buffer = extra[1];
    if (*extra == reinterpret_cast<void*>(2) && extra[1] != nullptr) bytes = *static_cast<std::size_t*>(extra[1]);
  }
  if ((buffer == nullptr && bytes != 0) || bytes > to.size()) return Result::invalid_value;
  std::copy_n(static_cast<const std::uint8_t*>(buffer), bytes, to.data());
  return Result::success;
}

Result copy_parameters(const FunctionCode& code, void** parameters, void** extra, std::vector<std::uint8_t>& to) {
  to.resize(code.parameter_bytes);
  if (extra != nullptr) return copy_buffer(extra, to);
  const auto& declared = code.source->parameters;
  if (!declared.empty() && parameters == nullptr) return Result::invalid_value;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    if (parameters[i] == nullptr) return Result::invalid_value;
    std::memcpy(to.data() + code.parameter_at.at(declared[i]), parameters[i], declared[i]->bytes);
  }
  return Result::success;
}

/// The cluster that a kernel has by its directives, by its attributes or by the launch.
Result settle_cluster(const LoadedFunction& f, const Extent3& asked, const DeviceLimits& limits, Extent3& cluster) {
  const Directives& d = f.code->source->directives;
  Extent3 required = d.cluster;
  if (required[0] == 0 && f.required_cluster[0] != 0) {
    for (std::size_t a = 0; a < 3; ++a) required[a] = static_cast<std::uint32_t>(f.required_cluster[a]);
  }
  if (required[0] == 0 && asked[0] == 0) return d.explicit_cluster ? Result::invalid_cluster_size : Result::success;
  if (required[0] != 0 && asked[0] != 0 && required != asked) return Result::invalid_cluster_size;
  cluster = required[0] != 0 ? required : asked;
  for (std::uint32_t& c : cluster) c = std::max(1u, c);
  const std::uint64_t size = std::uint64_t{cluster[0]} * cluster[1] * cluster[2];
  const std::uint64_t most = f.non_portable_cluster != 0 ? static_cast<std::uint64_t>(limits.cluster_size) : 8;
  const bool too_many = d.maxclusterrank != 0 && size > d.maxclusterrank;
  return size > most || too_many ? Result::invalid_cluster_size : Result::success;
}

Result check(const LoadedFunction& f, const LaunchShape& s) {
  const auto& n = f.code->source->directives;
  const std::uint64_t threads = std::uint64_t{s.block[0]} * s.block[1] * s.block[2];
  if (s.grid[0] > 2147483647u || s.grid[1] > 65535 || s.grid[2] > 65535 || s.block[2] > 64) return Result::invalid_value;
  if (n.reqntid[0] != 0 && s.block != n.reqntid) return Result::invalid_value;
  if (n.maxntid[0] != 0 && threads > std::uint64_t{n.maxntid[0]} * n.maxntid[1] * n.maxntid[2]) return Result::invalid_value;
  return s.shared > static_cast<std::uint32_t>(f.max_dynamic_shared) ? Result::invalid_value : Result::success;
}

Result enqueue(Call& call, const void* handle, const LaunchShape& shape, Stream* stream, void** parameters, void** extra) {
  Stream* const to = call.stream(stream);
  if (to == nullptr) return Result::invalid_handle;
  KernelOperation operation;
  if (const Result r = prepare(*to->context, handle, shape, parameters, extra, operation); r != Result::success) return r;
  if (const Result r = call.enqueue(stream, std::move(operation)); r != Result::success || shape.completion == nullptr) return r;
  if (!call.engine.events.holds(shape.completion)) return Result::invalid_handle;
  return call.enqueue(stream, RecordOperation{shape.completion, ++shape.completion->recorded});
}

}  // namespace

Result shape_of(const LaunchConfig& config, LaunchShape& shape) {
  std::copy_n(config.grid, 3, shape.grid.begin());
  std::copy_n(config.block, 3, shape.block.begin());
  shape.shared = config.shared;
  if (config.attribute_count != 0 && config.attributes == nullptr) return Result::invalid_value;
  for (std::uint32_t i = 0; i < config.attribute_count; ++i) {
    const LaunchAttribute& a = config.attributes[i];
    if (static_cast<int>(a.id) < 0 || a.id > LaunchAttributeId::last) return Result::invalid_value;
    switch (a.id) {
      case LaunchAttributeId::cooperative: shape.cooperative = a.value.number != 0; break;
      case LaunchAttributeId::cluster_dimension:
        if (a.value.cluster[0] == 0 || a.value.cluster[1] == 0 || a.value.cluster[2] == 0) return Result::invalid_cluster_size;
        std::copy_n(a.value.cluster, 3, shape.cluster.begin());
        break;
      case LaunchAttributeId::programmatic_serialization: shape.programmatic = a.value.number != 0; break;
      case LaunchAttributeId::programmatic_event:
      case LaunchAttributeId::launch_completion_event: shape.completion = a.value.event.event; break;
      default: break;   // hints: priorities, caches, carveouts, domains, policies
    }
  }
  return Result::success;
}

Result prepare(Context& context, const void* handle, const LaunchShape& shape, void** parameters, void** extra,
               KernelOperation& operation) {
  LoadedFunction* f = nullptr;
  if (const Result r = find_function(context, handle, f); r != Result::success) return r;
  if (f->module->context->device != context.device) return Result::invalid_handle;
  Machine& machine = Engine::get().machine();
  if (const Result r = check(*f, shape); r != Result::success) return r;
  operation = {.function = f, .grid = shape.grid, .block = shape.block, .shared = shape.shared,
               .cooperative = shape.cooperative, .programmatic = shape.programmatic};
  const Result cluster = settle_cluster(*f, shape.cluster, machine.limits(context.device), operation.cluster);
  if (cluster != Result::success) return cluster;
  if (const std::string reason = machine.refuse(*launch_of(context, operation)); !reason.empty()) {
    return shape.cooperative && reason.find("cooperative") != std::string::npos ? Result::cooperative_launch_too_large
           : reason.find("registers") != std::string::npos                      ? Result::launch_out_of_resources
           : reason.find("a cluster of") != std::string::npos                   ? Result::invalid_cluster_size
                                                                                 : Result::invalid_value;
  }
  return copy_parameters(*f->code, parameters, extra, operation.parameters);
}

std::shared_ptr<Launch> launch_of(const Context& context, const KernelOperation& k) {
  auto launch = std::make_shared<Launch>();
  launch->module = k.function->module->code.get();
  launch->function = k.function->code;
  launch->grid = k.grid;
  launch->block = k.block;
  launch->cluster = k.cluster;
  launch->dynamic_shared = k.shared;
  launch->parameters = k.parameters;
  launch->cooperative = k.cooperative;
  launch->programmatic = k.programmatic;
  launch->device = context.device;
  launch->sms = context.sms;
  return launch;
}

}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuLaunchKernel(const void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                  unsigned bz, unsigned shared, Stream* stream, void** parameters, void** extra) {
  return in_context([&](Call& call) {
    return enqueue(call, f, {.grid = {gx, gy, gz}, .block = {bx, by, bz}, .shared = shared}, stream, parameters, extra);
  });
}

TRIPTYCH_CU Result cuLaunchKernelEx(const LaunchConfig* config, const void* f, void** parameters, void** extra) {
  return in_context([&](Call& call) {
    if (config == nullptr) return Result::invalid_value;
    LaunchShape shape;
    const Result r = shape_of(*config, shape);
    return r == Result::success ? enqueue(call, f, shape, config->stream, parameters, extra) : r;
  });
}

TRIPTYCH_CU Result cuLaunchCooperativeKernel(const void* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                             unsigned bz, unsigned shared, Stream* stream, void** parameters) {
  return in_context([&](Call& call) {
    const LaunchShape shape{.grid = {gx, gy, gz}, .block = {bx, by, bz}, .shared = shared, .cooperative = true};
    return enqueue(call, f, shape, stream, parameters, nullptr);
  });
}

TRIPTYCH_CU Result cuLaunchHostFunc(Stream* stream, HostFunction function, void* data) {
  return in_context([&](Call& call) {
    return function != nullptr ? call.enqueue(stream, HostOperation{function, data}) : Result::invalid_value;
  });
}
TRIPTYCH_CU_ALIAS(cuLaunchKernel_ptsz, cuLaunchKernel)
TRIPTYCH_CU_ALIAS(cuLaunchKernelEx_ptsz, cuLaunchKernelEx)
TRIPTYCH_CU_ALIAS(cuLaunchCooperativeKernel_ptsz, cuLaunchCooperativeKernel)
TRIPTYCH_CU_ALIAS(cuLaunchHostFunc_ptsz, cuLaunchHostFunc)
