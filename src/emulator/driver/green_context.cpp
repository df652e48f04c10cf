// Green contexts: contexts whose kernels run on some of a device's SMs only.
#include <algorithm>
#include <numeric>

#include "emulator/driver/api.h"
#include "emulator/driver/structs.h"

namespace triptych::emulator::driver {

/// CUdevResourceDesc, CUgreenCtx.
struct ResourceDescription {
  std::uint32_t first = 0, count = 0;
};
struct GreenContext {
  Context* context = nullptr;
  std::uint32_t first = 0, count = 0;
};

namespace {

constexpr std::uint32_t partition = 8;   // Hopper's least number of SMs, and what partitions are multiples of

Handles<ResourceDescription>& descriptions() {
  static Handles<ResourceDescription> all;
  return all;
}
Handles<GreenContext>& green_contexts() {
  static Handles<GreenContext> all;
  return all;
}

DeviceResource resource(std::uint32_t first, std::uint32_t count) {
  return {.type = 1, .first = first, .padding = {}, .count = count, .least = partition, .alignment = partition, .rest = {}};
}

GreenContext* green_of(const Context* context) {
  for (const auto& g : green_contexts()) {
    if (g->context == context) return g.get();
  }
  return nullptr;
}

template <class Body>
Result with(GreenContext* green, Body&& body) {
  return in_engine([&](Engine& engine, auto& lock) {
    return green_contexts().holds(green) ? body(engine, lock) : Result::invalid_context;
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuDeviceGetDevResource(DeviceHandle device, DeviceResource* to, int type) {
  return in_engine([&](Engine& engine, auto&) {
    if (to == nullptr) return Result::invalid_value;
    if (!is_device(device)) return Result::invalid_device;
    if (type != 1) return Result::invalid_resource_type;
    *to = resource(0, static_cast<std::uint32_t>(engine.machine().limits(device).sms));
    return Result::success;
  });
}

TRIPTYCH_CU Result cuGreenCtxGetDevResource(GreenContext* green, DeviceResource* to, int type) {
  return with(green, [&](Engine&, auto&) {
    if (to == nullptr) return Result::invalid_value;
    if (type != 1) return Result::invalid_resource_type;
    *to = resource(green->first, green->count);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxGetDevResource(Context* context, DeviceResource* to, int type) {
  DeviceHandle device = 0;
  GreenContext* green = nullptr;
  const Result found = in_engine([&](Engine& engine, auto&) {
    if (!engine.contexts.holds(context)) return Result::invalid_context;
    device = context->device;
    green = green_of(context);
    return Result::success;
  });
  if (found != Result::success) return found;
  return green != nullptr ? cuGreenCtxGetDevResource(green, to, type) : cuDeviceGetDevResource(device, to, type);
}

/// Groups of at least `least` SMs, each a multiple of a partition; without a place for them only their number.
TRIPTYCH_CU Result cuDevSmResourceSplitByCount(DeviceResource* groups, unsigned* count, const DeviceResource* input,
                                               DeviceResource* remaining, unsigned flags, unsigned least) {
  if (count == nullptr || input == nullptr || flags > 3) return Result::invalid_value;
  if (input->type != 1) return Result::invalid_resource_type;
  const std::uint32_t unit = (flags & 1) != 0 ? 2 : partition;   // IGNORE_SM_COSCHEDULING: SMs in pairs
  const std::uint32_t size = std::max(unit, (least + unit - 1) / unit * unit);
  if (size < least || size > input->count) return Result::invalid_resource_configuration;
  const std::uint32_t most = input->count / size;
  if (groups == nullptr) {
    *count = most;
    return Result::success;
  }
  *count = std::min(*count, most);
  for (std::uint32_t g = 0; g < *count; ++g) groups[g] = resource(input->first + g * size, size);
  const std::uint32_t used = *count * size;
  if (remaining != nullptr) {
    *remaining = used < input->count ? resource(input->first + used, input->count - used) : DeviceResource{};
  }
  return Result::success;
}

/// Several resources must be neighbours, as splitting gives them.
TRIPTYCH_CU Result cuDevResourceGenerateDesc(ResourceDescription** description, const DeviceResource* resources, unsigned count) {
  return in_engine([&](Engine&, auto&) {
    if (description == nullptr || resources == nullptr || count == 0) return Result::invalid_value;
    ResourceDescription all{resources[0].first, 0};
    for (unsigned i = 0; i < count; ++i) {
      if (resources[i].type != 1) return Result::invalid_resource_type;
      if (resources[i].first != all.first + all.count) return Result::invalid_resource_configuration;
      all.count += resources[i].count;
    }
    *description = descriptions().make(all);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuGreenCtxCreate(GreenContext** green, ResourceDescription* description, DeviceHandle device, unsigned flags) {
  return in_engine([&](Engine& engine, auto&) {
    if (green == nullptr || flags != 1) return Result::invalid_value;   // CU_GREEN_CTX_DEFAULT_STREAM
    if (!is_device(device)) return Result::invalid_device;
    if (!descriptions().holds(description)) return Result::invalid_value;
    const std::uint32_t first = description->first, count = description->count;
    if (count == 0 || first + count > static_cast<std::uint32_t>(engine.machine().limits(device).sms)) {
      return Result::invalid_resource_configuration;
    }
    std::vector<int> sms(count);
    std::iota(sms.begin(), sms.end(), static_cast<int>(first));
    *green = green_contexts().make(GreenContext{engine.make_context(device, 0, std::move(sms)), first, count});
    return Result::success;
  });
}

TRIPTYCH_CU Result cuGreenCtxDestroy(GreenContext* green) {
  return with(green, [&](Engine& engine, auto& lock) {
    Context* const context = green->context;
    engine.wait(lock, [&] { return engine.all_idle(*context); });
    engine.drop_context(context);
    green_contexts().drop(green);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuCtxFromGreenCtx(Context** context, GreenContext* green) {
  return with(green, [&](Engine&, auto&) {
    give(context, green->context);
    return context != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuGreenCtxGetId(GreenContext* green, unsigned long long* id) {
  return with(green, [&](Engine&, auto&) {
    give(id, green->context->id);
    return id != nullptr ? Result::success : Result::invalid_value;
  });
}

/// Such streams never wait for the default stream: flags is CU_STREAM_NON_BLOCKING.
TRIPTYCH_CU Result cuGreenCtxStreamCreate(Stream** stream, GreenContext* green, unsigned flags, int priority) {
  return with(green, [&](Engine& engine, auto&) {
    if (stream == nullptr || flags != 1) return Result::invalid_value;
    *stream = engine.make_stream(*green->context, false, std::clamp(priority, -5, 0));
    return Result::success;
  });
}

TRIPTYCH_CU Result cuStreamGetGreenCtx(Stream* stream, GreenContext** green) {
  return in_context([&](Call& call) {
    const Stream* s = call.stream(stream);
    if (s == nullptr) return Result::invalid_handle;
    give(green, green_of(s->context));
    return green != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuStreamGetCtx_v2(Stream* stream, Context** context, GreenContext** green) {
  return in_context([&](Call& call) {
    const Stream* s = call.stream(stream);
    if (s == nullptr) return Result::invalid_handle;
    if (context == nullptr || green == nullptr) return Result::invalid_value;
    *green = green_of(s->context);
    *context = *green == nullptr ? s->context : nullptr;
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuStreamGetCtx_v2_ptsz, cuStreamGetCtx_v2)
