// Contexts.
#include "emulator/driver/api.h"

namespace triptych::emulator::driver {
namespace {

constexpr unsigned context_flags = 0xFF;                   // CU_CTX_FLAGS_MASK
constexpr int least_priority = 0, greatest_priority = -5;  // as on Hopper

/// CUlimit: what each begins with; the last three are CIG's, which this device has not.
constexpr std::size_t first_limits[] = {1024, 7340032, 8388608, 2, 2048, 128, 0, 0};
constexpr int limit_count = 8;

Result create(Context** context, unsigned flags, DeviceHandle device) {
  return in_engine([&](Engine& engine, auto&) {
    if (context == nullptr || (flags & ~context_flags) != 0 || (flags & 7) == 3 || (flags & 7) > 4) return Result::invalid_value;
    if (!is_device(device)) return Result::invalid_device;
    *context = engine.make_context(device, flags);
    context_stack().push_back(*context);
    return Result::success;
  });
}

/// With a context that the caller names, or the current one for null.
template <class Body>
Result with(Context* context, Body&& body) {
  return in_engine([&](Engine& engine, auto& lock) {
    if (context == nullptr && !context_stack().empty()) context = context_stack().back();
    if (context == nullptr) return Result::invalid_context;
    if (!engine.contexts.holds(context)) return Result::context_is_destroyed;
    return body(engine, lock, *context);
  });
}

Result synchronize(Engine& engine, std::unique_lock<std::mutex>& lock, Context& context) {
  engine.wait(lock, [&] {
    return !engine.contexts.holds(&context) || engine.all_idle(context) || context.failed != Result::success;
  });
  return engine.contexts.holds(&context) ? context.failed : Result::context_is_destroyed;
}

void end(Engine& engine, std::unique_lock<std::mutex>& lock, Context* context) {
  engine.wait(lock, [&] { return !engine.contexts.holds(context) || engine.all_idle(*context); });
  if (engine.contexts.holds(context)) engine.drop_context(context);
}

Result with_primary(DeviceHandle device, const std::function<Result(Engine&, std::unique_lock<std::mutex>&, Context&)>& body) {
  return in_engine([&](Engine& engine, auto& lock) {
    return is_device(device) ? body(engine, lock, engine.primary(device)) : Result::invalid_device;
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuDevicePrimaryCtxRetain(Context** context, DeviceHandle device) {
  return with_primary(device, [&](Engine&, auto&, Context& primary) {
    if (context == nullptr) return Result::invalid_value;
    ++primary.references;
    *context = &primary;
    return Result::success;
  });
}

/// The last release ends what the context owns, a kernel's error too.
TRIPTYCH_CU Result cuDevicePrimaryCtxRelease_v2(DeviceHandle device) {
  return with_primary(device, [&](Engine& engine, auto& lock, Context& primary) {
    if (primary.references == 0) return Result::invalid_context;
    if (--primary.references == 0) end(engine, lock, &primary);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuDevicePrimaryCtxReset_v2(DeviceHandle device) {
  return with_primary(device, [&](Engine& engine, auto& lock, Context& primary) {
    const int references = primary.references;
    end(engine, lock, &primary);
    primary.references = references;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuDevicePrimaryCtxSetFlags_v2(DeviceHandle device, unsigned flags) {
  return with_primary(device, [&](Engine&, auto&, Context& primary) {
    if ((flags & ~context_flags) != 0) return Result::invalid_value;
    primary.flags = flags;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuDevicePrimaryCtxGetState(DeviceHandle device, unsigned* flags, int* active) {
  return with_primary(device, [&](Engine&, auto&, Context& primary) {
    if (flags == nullptr || active == nullptr) return Result::invalid_value;
    *flags = primary.flags;
    *active = primary.references > 0;
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2)
TRIPTYCH_CU_ALIAS(cuDevicePrimaryCtxReset, cuDevicePrimaryCtxReset_v2)
TRIPTYCH_CU_ALIAS(cuDevicePrimaryCtxSetFlags, cuDevicePrimaryCtxSetFlags_v2)

TRIPTYCH_CU Result cuCtxCreate_v2(Context** context, unsigned flags, DeviceHandle device) { return create(context, flags, device); }

/// Affinities to a number of SMs are another process's business: none is taken.
TRIPTYCH_CU Result cuCtxCreate_v3(Context** context, const void*, int affinities, unsigned flags, DeviceHandle device) {
  return affinities != 0 ? Result::unsupported_exec_affinity : create(context, flags, device);
}

TRIPTYCH_CU Result cuCtxCreate_v4(Context** context, const void* const* parameters, unsigned flags, DeviceHandle device) {
  // CUctxCreateParams: affinities, their number, and a graphics queue to share with.
  if (parameters != nullptr && (parameters[0] != nullptr || parameters[2] != nullptr)) return Result::not_supported;
  return create(context, flags, device);
}
TRIPTYCH_CU_ALIAS(cuCtxCreate, cuCtxCreate_v2)

TRIPTYCH_CU Result cuCtxDestroy_v2(Context* context) {
  return in_engine([&](Engine& engine, auto& lock) {
    if (!engine.contexts.holds(context) || context->primary) return Result::invalid_context;
    end(engine, lock, context);
    auto& stack = context_stack();
    if (!stack.empty() && stack.back() == context) stack.pop_back();
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuCtxDestroy, cuCtxDestroy_v2)
TRIPTYCH_CU_ALIAS(cuCtxDetach, cuCtxDestroy_v2)

TRIPTYCH_CU Result cuCtxPushCurrent_v2(Context* context) {
  return in_engine([&](Engine& engine, auto&) {
    if (!engine.contexts.holds(context)) return Result::invalid_context;
    context_stack().push_back(context);
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuCtxPushCurrent, cuCtxPushCurrent_v2)

TRIPTYCH_CU Result cuCtxPopCurrent_v2(Context** context) {
  return in_engine([&](Engine&, auto&) {
    auto& stack = context_stack();
    if (stack.empty()) return Result::invalid_context;
    give(context, stack.back());
    stack.pop_back();
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuCtxPopCurrent, cuCtxPopCurrent_v2)

TRIPTYCH_CU Result cuCtxSetCurrent(Context* context) {
  return in_engine([&](Engine& engine, auto&) {
    if (context != nullptr && !engine.contexts.holds(context)) return Result::invalid_context;
    auto& stack = context_stack();
    if (!stack.empty()) stack.pop_back();
    if (context != nullptr) stack.push_back(context);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxGetCurrent(Context** context) {
  return in_engine([&](Engine&, auto&) {
    if (context == nullptr) return Result::invalid_value;
    *context = context_stack().empty() ? nullptr : context_stack().back();
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxGetDevice_v2(DeviceHandle* device, Context* context) {
  return with(context, [&](Engine&, auto&, Context& c) {
    give(device, c.device);
    return device != nullptr ? Result::success : Result::invalid_value;
  });
}
TRIPTYCH_CU Result cuCtxGetDevice(DeviceHandle* device) { return cuCtxGetDevice_v2(device, nullptr); }

TRIPTYCH_CU Result cuCtxGetId(Context* context, unsigned long long* id) {
  return with(context, [&](Engine&, auto&, Context& c) {
    give(id, c.id);
    return id != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuCtxGetApiVersion(Context* context, unsigned* version) {
  return with(context, [&](Engine&, auto&, Context&) {
    give(version, driver_version);
    return version != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuCtxGetFlags(unsigned* flags) {
  return in_context([&](Call& call) {
    give(flags, call.context->flags);
    return flags != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuCtxSetFlags(unsigned flags) {
  return in_context([&](Call& call) {
    if ((flags & ~context_flags) != 0) return Result::invalid_value;
    call.context->flags = flags;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxSynchronize() { return with(nullptr, synchronize); }
TRIPTYCH_CU Result cuCtxSynchronize_v2(Context* context) { return with(context, synchronize); }

TRIPTYCH_CU Result cuCtxSetLimit(int limit, std::size_t value) {
  return in_context([&](Call& call) {
    if (limit < 0 || limit >= limit_count) return limit < 10 && limit > 0 ? Result::unsupported_limit : Result::invalid_value;
    call.context->limits[limit] = value;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxGetLimit(std::size_t* value, int limit) {
  return in_context([&](Call& call) {
    if (value == nullptr) return Result::invalid_value;
    if (limit < 0 || limit >= limit_count) return limit < 10 && limit > 0 ? Result::unsupported_limit : Result::invalid_value;
    const auto set = call.context->limits.find(limit);
    *value = set != call.context->limits.end() ? set->second : first_limits[limit];
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxSetCacheConfig(int config) {
  return in_context([&](Call& call) {
    if (config < 0 || config > 3) return Result::invalid_value;
    call.context->cache_config = config;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxGetCacheConfig(int* config) {
  return in_context([&](Call& call) {
    give(config, call.context->cache_config);
    return config != nullptr ? Result::success : Result::invalid_value;
  });
}

/// Banks have four bytes since Maxwell.
TRIPTYCH_CU Result cuCtxGetSharedMemConfig(int* config) {
  return in_context([&](Call&) {
    give(config, 1);
    return config != nullptr ? Result::success : Result::invalid_value;
  });
}
TRIPTYCH_CU Result cuCtxSetSharedMemConfig(int config) {
  return in_context([&](Call&) { return config >= 0 && config <= 2 ? Result::success : Result::invalid_value; });
}

TRIPTYCH_CU Result cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  return in_context([&](Call&) {
    give(least, least_priority);
    give(greatest, greatest_priority);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxResetPersistingL2Cache() {
  return in_context([](Call&) { return Result::success; });
}
