// Modules, functions and launches.
#include <cstring>

#include "emulator/driver/api.h"

namespace triptych::emulator::driver {
namespace {

/// Options of cuModuleLoadDataEx that matter here: where the log of errors goes.
struct ErrorLog {
  char* text = nullptr;
  std::size_t bytes = 0;

  ErrorLog(unsigned count, const int* options, void** values) {
    for (unsigned i = 0; i < count; ++i) {
      if (options[i] == 5) text = static_cast<char*>(values[i]);
      if (options[i] == 6) bytes = reinterpret_cast<std::size_t>(values[i]);
    }
  }
  void write(const std::string& message) const {
    if (text == nullptr || bytes == 0) return;
    const std::size_t length = std::min(bytes - 1, message.size());
    std::memcpy(text, message.data(), length);
    text[length] = 0;
  }
};

/// PTX text begins with white space, a comment or a directive; machine code with an ELF or fatbin header.
bool is_text(const void* image) {
  const auto* bytes = static_cast<const unsigned char*>(image);
  return bytes[0] != 0x7F && bytes[0] < 0x80 && std::memcmp(bytes, "\x50\xED\x55\xBA", 4) != 0;
}

Result load(LoadedModule** module, const void* image, const ErrorLog& log) {
  Call call;
  if (call.refused()) return call.result;
  if (module == nullptr || image == nullptr) return Result::invalid_value;
  if (!is_text(image)) {
    log.write("the software device runs PTX text, and this image is machine code; build with PTX inside "
              "(nvcc -gencode arch=compute_90a,code=compute_90a)");
    return Result::invalid_image;
  }
  Parsed parsed = parse(static_cast<const char*>(image), "module");
  if (parsed.error) {
    log.write(parsed.error->str());
    return Result::invalid_ptx;
  }
  try {
    auto loaded = std::make_unique<LoadedModule>();
    loaded->code = load_module(call.engine.machine(), std::move(parsed.module), call.device());
    loaded->device = call.device();
    for (const auto& f : loaded->code->functions) {
      if (!f->source->entry) continue;
      auto function = std::make_unique<LoadedFunction>();
      function->module = loaded.get();
      function->code = f.get();
      loaded->functions.emplace(std::string(f->source->name), std::move(function));
    }
    *module = loaded.release();
    return Result::success;
  } catch (const DecodeError& error) {
    log.write(error.message);
    return Result::invalid_ptx;
  }
}

/// A launch as the machine takes it, from pointers to the parameters' values.
Result prepare(const LoadedFunction& f, const Extent3& grid, const Extent3& block, unsigned shared, void** parameters,
               void** extra, Launch& launch) {
  launch.module = f.module->code.get();
  launch.function = f.code;
  launch.grid = grid;
  launch.block = block;
  launch.dynamic_shared = shared;
  launch.device = f.module->device;
  for (std::size_t a = 0; a < 3; ++a) {
    if (f.code->source->directives.cluster[a] != 0) launch.cluster[a] = f.code->source->directives.cluster[a];
  }
  if (static_cast<int>(shared) > f.max_dynamic_shared) return Result::invalid_value;
  launch.parameters.resize(f.code->parameter_bytes);
  if (extra != nullptr) {
    // CU_LAUNCH_PARAM_BUFFER_POINTER (1) and _SIZE (2), ended by 0.
    const void* buffer = nullptr;
    std::size_t bytes = 0;
    for (; *extra != nullptr; extra += 2) {
      if (*extra == reinterpret_cast<void*>(1)) buffer = extra[1];
      if (*extra == reinterpret_cast<void*>(2)) bytes = *static_cast<std::size_t*>(extra[1]);
    }
    if (buffer == nullptr || bytes > launch.parameters.size()) return Result::invalid_value;
    std::memcpy(launch.parameters.data(), buffer, bytes);
    return Result::success;
  }
  const auto& declared = f.code->source->parameters;
  if (!declared.empty() && parameters == nullptr) return Result::invalid_value;
  for (std::size_t i = 0; i < declared.size(); ++i) {
    std::memcpy(launch.parameters.data() + f.code->parameter_at.at(declared[i]), parameters[i], declared[i]->bytes);
  }
  return Result::success;
}

Result enqueue_launch(Call& call, LoadedFunction* f, Extent3 grid, Extent3 block, unsigned shared, Stream* handle,
                      void** parameters, void** extra, bool cooperative) {
  if (f == nullptr) return Result::invalid_handle;
  auto launch = std::make_shared<Launch>();
  if (const Result r = prepare(*f, grid, block, shared, parameters, extra, *launch); r != Result::success) return r;
  launch->cooperative = cooperative;
  if (const std::string reason = call.engine.machine().refuse(*launch); !reason.empty()) {
    return cooperative ? Result::cooperative_launch_too_large
           : reason.find("registers") != std::string::npos ? Result::launch_out_of_resources
                                                            : Result::invalid_value;
  }
  Stream& stream = call.stream(handle);
  launch->stream = stream.id;
  const auto over = std::make_shared<bool>(false);
  Engine& engine = call.engine;
  launch->ended = [over, &engine](Launch& l) {
    *over = true;
    if (l.failed) engine.fail(l.device, l.fault_kind, l.fault);
  };
  Context& context = *call.context;
  engine.enqueue(stream, {.begin = [launch, over, &engine, &context] {
                            // After a fault nothing of the context runs any more.
                            if (context.failed != Result::success) return true;
                            engine.machine().submit(launch);
                            return false;
                          },
                          .done = [over] { return *over; }});
  return Result::success;
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;
using triptych::emulator::Extent3;

TRIPTYCH_CU Result cuModuleLoadDataEx(LoadedModule** module, const void* image, unsigned count, int* options, void** values) {
  return load(module, image, ErrorLog(count, options, values));
}

TRIPTYCH_CU Result cuModuleLoadData(LoadedModule** module, const void* image) {
  return load(module, image, ErrorLog(0, nullptr, nullptr));
}

TRIPTYCH_CU Result cuModuleUnload(LoadedModule* module) {
  Call call;
  if (call.refused()) return call.result;
  if (module == nullptr) return Result::invalid_handle;
  Context& context = *call.context;
  call.engine.wait(call.lock, [&] { return call.engine.all_idle(module->device) || context.failed != Result::success; });
  unload_module(call.engine.machine(), *module->code);
  delete module;
  return Result::success;
}

TRIPTYCH_CU Result cuModuleGetFunction(LoadedFunction** function, LoadedModule* module, const char* name) {
  Call call;
  if (call.refused()) return call.result;
  if (function == nullptr || name == nullptr) return Result::invalid_value;
  if (module == nullptr) return Result::invalid_handle;
  const auto found = module->functions.find(std::string_view(name));
  if (found == module->functions.end()) return Result::not_found;
  *function = found->second.get();
  return Result::success;
}

TRIPTYCH_CU Result cuModuleGetGlobal_v2(DevicePointer* address, std::size_t* bytes, LoadedModule* module, const char* name) {
  Call call;
  if (call.refused()) return call.result;
  if (module == nullptr) return Result::invalid_handle;
  if (name == nullptr) return Result::invalid_value;
  for (const auto& [variable, at] : module->code->address_of) {
    if (variable->name != name) continue;
    if (address != nullptr) *address = at;
    if (bytes != nullptr) *bytes = variable->bytes;
    return Result::success;
  }
  return Result::not_found;
}

TRIPTYCH_CU Result cuFuncGetAttribute(int* value, int which, LoadedFunction* function) {
  Call call;
  if (call.refused()) return call.result;
  if (value == nullptr) return Result::invalid_value;
  if (function == nullptr) return Result::invalid_handle;
  const auto& limits = call.engine.machine().limits(call.device());
  const auto& ntid = function->code->source->directives.maxntid;
  switch (which) {
    case 0: *value = ntid[0] != 0 ? static_cast<int>(ntid[0] * ntid[1] * ntid[2]) : limits.threads_per_cta; break;
    case 1: *value = static_cast<int>(function->code->static_shared_bytes); break;
    case 3: *value = static_cast<int>(function->code->local_bytes); break;
    case 4: *value = static_cast<int>(function->code->registers); break;
    case 5: *value = function->module->code->source->version; break;
    case 6: *value = function->module->code->source->target; break;
    case 8: *value = function->max_dynamic_shared; break;
    default: *value = 0; break;
  }
  return Result::success;
}

TRIPTYCH_CU Result cuFuncSetAttribute(LoadedFunction* function, int which, int value) {
  Call call;
  if (call.refused()) return call.result;
  if (function == nullptr) return Result::invalid_handle;
  if (which == 8) {
    const int most = call.engine.machine().limits(call.device()).shared_per_cta -
                     static_cast<int>(function->code->static_shared_bytes);
    if (value < 0 || value > most) return Result::invalid_value;
    function->max_dynamic_shared = value;
  }
  return Result::success;
}

TRIPTYCH_CU Result cuFuncGetParamInfo(LoadedFunction* function, std::size_t index, std::size_t* offset, std::size_t* bytes) {
  Call call;
  if (call.refused()) return call.result;
  if (function == nullptr) return Result::invalid_handle;
  const auto& parameters = function->code->source->parameters;
  if (index >= parameters.size()) return Result::invalid_value;
  if (offset != nullptr) *offset = function->code->parameter_at.at(parameters[index]);
  if (bytes != nullptr) *bytes = parameters[index]->bytes;
  return Result::success;
}

TRIPTYCH_CU Result cuLaunchKernel(LoadedFunction* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                  unsigned bz, unsigned shared, Stream* stream, void** parameters, void** extra) {
  Call call;
  if (call.refused()) return call.result;
  return enqueue_launch(call, f, {gx, gy, gz}, {bx, by, bz}, shared, stream, parameters, extra, false);
}

TRIPTYCH_CU Result cuLaunchCooperativeKernel(LoadedFunction* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                                             unsigned by, unsigned bz, unsigned shared, Stream* stream, void** parameters) {
  Call call;
  if (call.refused()) return call.result;
  return enqueue_launch(call, f, {gx, gy, gz}, {bx, by, bz}, shared, stream, parameters, nullptr, true);
}
