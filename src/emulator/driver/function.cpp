// Functions' attributes; kernels' are those of their functions.
#include "emulator/driver/api.h"

namespace triptych::emulator::driver {
namespace {

constexpr Attribute attribute_count = 16;

int threads_of(const std::array<std::uint32_t, 3>& n) { return static_cast<int>(n[0] * n[1] * n[2]); }

/// Bytes of constant memory of the function's module.
std::uint64_t constant_bytes(const LoadedFunction& f) {
  std::uint64_t sum = 0;
  for (const auto& [variable, at] : f.module->code->address_of) {
    if (variable->space == Space::constant) sum += variable->bytes;
  }
  return sum;
}

/// CUfunction_attribute.
Result get(const Context& context, const LoadedFunction& f, Attribute which, int* value) {
  const auto& limits = Engine::get().machine().limits(context.device);
  const Directives& d = f.code->source->directives;
  const auto cluster = [&](std::size_t axis) {
    return d.cluster[0] != 0 ? static_cast<int>(d.cluster[axis]) : f.required_cluster[axis];
  };
  if (value == nullptr || which < 0 || which >= attribute_count) return Result::invalid_value;
  switch (which) {
    case 0:   // MAX_THREADS_PER_BLOCK
      *value = d.reqntid[0] != 0 ? threads_of(d.reqntid) : d.maxntid[0] != 0 ? threads_of(d.maxntid) : limits.threads_per_cta;
      break;
    case 1: *value = static_cast<int>(f.code->static_shared_bytes); break;   // SHARED_SIZE_BYTES
    case 2: *value = static_cast<int>(constant_bytes(f)); break;             // CONST_SIZE_BYTES
    case 3: *value = static_cast<int>(f.code->local_bytes); break;           // LOCAL_SIZE_BYTES
    case 4: *value = static_cast<int>(f.code->registers); break;             // NUM_REGS
    case 5: *value = f.module->code->source->target; break;                  // PTX_VERSION
    case 6: *value = limits.architecture; break;                             // BINARY_VERSION
    case 7: *value = 0; break;                                               // CACHE_MODE_CA
    case 8: *value = f.max_dynamic_shared; break;                            // MAX_DYNAMIC_SHARED_SIZE_BYTES
    case 9: *value = f.preferred_carveout; break;                            // PREFERRED_SHARED_MEMORY_CARVEOUT
    case 10: *value = d.explicit_cluster || d.cluster[0] != 0; break;        // CLUSTER_SIZE_MUST_BE_SET
    case 11: *value = cluster(0); break;                                     // REQUIRED_CLUSTER_WIDTH
    case 12: *value = cluster(1); break;                                     // REQUIRED_CLUSTER_HEIGHT
    case 13: *value = cluster(2); break;                                     // REQUIRED_CLUSTER_DEPTH
    case 14: *value = f.non_portable_cluster; break;                         // NON_PORTABLE_CLUSTER_SIZE_ALLOWED
    default: *value = f.scheduling_policy; break;                            // CLUSTER_SCHEDULING_POLICY_PREFERENCE
  }
  return Result::success;
}

Result set(const Context& context, LoadedFunction& f, Attribute which, int value) {
  const int most_shared = Engine::get().machine().limits(context.device).shared_per_cta -
                          static_cast<int>(f.code->static_shared_bytes);
  const auto put = [&](int& to, int least, int most) {
    if (value < least || value > most) return Result::invalid_value;
    to = value;
    return Result::success;
  };
  switch (which) {
    case 8: return put(f.max_dynamic_shared, 0, most_shared);
    case 9: return put(f.preferred_carveout, -1, 100);
    case 11:
    case 12:
    case 13:
      if (f.code->source->directives.cluster[0] != 0) return Result::not_permitted;
      return put(f.required_cluster[which - 11], 0, 65535);
    case 14: return put(f.non_portable_cluster, 0, 1);
    case 15: return put(f.scheduling_policy, 0, 2);
    default: return Result::invalid_value;
  }
}

/// With the function that a CUfunction or CUkernel is in the current context.
template <class Body>
Result with(const void* handle, Body&& body) {
  return in_context([&](Call& call) {
    LoadedFunction* f = nullptr;
    const Result r = find_function(*call.context, handle, f);
    return r == Result::success ? body(call, *f) : r;
  });
}

/// The same for a kernel on a device, whose primary context stands for it.
template <class Body>
Result on_device(const Kernel* kernel, DeviceHandle device, Body&& body) {
  return in_engine([&](Engine& engine, auto&) {
    if (!is_device(device)) return Result::invalid_device;
    if (engine.kernels.count(kernel) == 0) return Result::invalid_handle;
    Context* context = &engine.primary(device);
    const auto& stack = context_stack();
    if (!stack.empty() && engine.contexts.holds(stack.back()) && stack.back()->device == device) context = stack.back();
    LoadedFunction* f = nullptr;
    const Result r = function_of(*context, *kernel, f);
    return r == Result::success ? body(*context, *f) : r;
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuFuncGetAttribute(int* value, Attribute which, const void* function) {
  return with(function, [&](Call& call, LoadedFunction& f) { return get(*call.context, f, which, value); });
}
TRIPTYCH_CU Result cuFuncSetAttribute(const void* function, Attribute which, int value) {
  return with(function, [&](Call& call, LoadedFunction& f) { return set(*call.context, f, which, value); });
}
TRIPTYCH_CU Result cuKernelGetAttribute(int* value, Attribute which, const Kernel* kernel, DeviceHandle device) {
  return on_device(kernel, device, [&](Context& c, LoadedFunction& f) { return get(c, f, which, value); });
}
TRIPTYCH_CU Result cuKernelSetAttribute(Attribute which, int value, const Kernel* kernel, DeviceHandle device) {
  return on_device(kernel, device, [&](Context& c, LoadedFunction& f) { return set(c, f, which, value); });
}

/// Preferences of caches and banks are heard and change nothing.
TRIPTYCH_CU Result cuFuncSetCacheConfig(const void* function, int config) {
  return with(function, [&](Call&, LoadedFunction&) {
    return config >= 0 && config <= 3 ? Result::success : Result::invalid_value;
  });
}
TRIPTYCH_CU Result cuKernelSetCacheConfig(const Kernel* kernel, int config, DeviceHandle device) {
  return on_device(kernel, device, [&](Context&, LoadedFunction&) {
    return config >= 0 && config <= 3 ? Result::success : Result::invalid_value;
  });
}
TRIPTYCH_CU Result cuFuncSetSharedMemConfig(const void* function, int config) {
  return with(function, [&](Call&, LoadedFunction&) {
    return config >= 0 && config <= 2 ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuFuncGetModule(LoadedModule** module, const void* function) {
  return with(function, [&](Call&, LoadedFunction& f) {
    give(module, f.module);
    return module != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuFuncGetName(const char** name, const void* function) {
  return with(function, [&](Call&, LoadedFunction& f) {
    if (name == nullptr) return Result::invalid_value;
    *name = f.name.c_str();
    return Result::success;
  });
}

TRIPTYCH_CU Result cuFuncGetParamInfo(const void* function, std::size_t index, std::size_t* offset, std::size_t* bytes) {
  return with(function, [&](Call&, LoadedFunction& f) {
    const auto& parameters = f.code->source->parameters;
    if (index >= parameters.size() || offset == nullptr) return Result::invalid_value;
    *offset = f.code->parameter_at.at(parameters[index]);
    give(bytes, parameters[index]->bytes);
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuKernelGetParamInfo, cuFuncGetParamInfo)

/// Everything is loaded with its module.
TRIPTYCH_CU Result cuFuncIsLoaded(int* state, const void* function) {
  return with(function, [&](Call&, LoadedFunction&) {
    give(state, 1);
    return state != nullptr ? Result::success : Result::invalid_value;
  });
}
TRIPTYCH_CU Result cuFuncLoad(const void* function) {
  return with(function, [](Call&, LoadedFunction&) { return Result::success; });
}
