// Modules.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "emulator/driver/api.h"

namespace triptych::emulator::driver {

ErrorLog::ErrorLog(unsigned count, const int* options, void** values) {
  for (unsigned i = 0; i < count && options != nullptr && values != nullptr; ++i) {
    if (options[i] == 5) text_ = static_cast<char*>(values[i]);                     // CU_JIT_ERROR_LOG_BUFFER
    if (options[i] == 6) bytes_ = reinterpret_cast<std::size_t>(values[i]) & ~0u;   // …_SIZE_BYTES, 32 bits
  }
}

void ErrorLog::write(const std::string& message) const {
  if (text_ == nullptr || bytes_ == 0) {
    std::fprintf(stderr, "triptych: %s\n", message.c_str());
    return;
  }
  const std::size_t length = std::min(bytes_ - 1, message.size());
  std::memcpy(text_, message.data(), length);
  text_[length] = 0;
}

bool read_file(const char* path, std::string& content) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return false;
  content.assign(std::istreambuf_iterator<char>(file), {});
  return !file.bad();
}

Result load_ptx(Context& context, const std::string& ptx, const ErrorLog& log, LoadedModule*& module) {
  Engine& engine = Engine::get();
  Parsed parsed = parse(ptx, "module");
  if (parsed.error) {
    log.write(parsed.error->str());
    return Result::invalid_ptx;
  }
  try {
    auto code = load_module(engine.machine(), std::move(parsed.module), context.device);
    module = engine.modules.make(LoadedModule{.code = std::move(code), .context = &context});
  } catch (const DecodeError& error) {
    log.write(error.message);
    return Result::invalid_ptx;
  }
  for (const auto& [variable, at] : module->code->address_of) {
    engine.ranges.add({.begin = at, .bytes = std::max<std::uint64_t>(1, variable->bytes),
                       .kind = variable->managed ? RangeKind::managed : RangeKind::device, .context = &context,
                       .device = context.device, .id = engine.next_id(), .variable = true});
  }
  for (const auto& f : module->code->functions) {
    if (!f->source->entry) continue;
    std::string name(f->source->name);
    auto function = std::make_unique<LoadedFunction>(LoadedFunction{.module = module, .code = f.get(), .name = name});
    engine.functions.insert(function.get());
    module->functions.emplace(std::move(name), std::move(function));
  }
  return Result::success;
}

void unload(LoadedModule* module) {
  Engine& engine = Engine::get();
  for (const auto& [name, function] : module->functions) engine.functions.erase(function.get());
  for (const auto& [variable, at] : module->code->address_of) engine.ranges.remove(at);
  unload_module(engine.machine(), *module->code);
  for (const auto& library : engine.libraries) std::erase_if(library->modules, [&](const auto& m) { return m.second == module; });
  engine.modules.drop(module);
}

namespace {

Result load(Call& call, LoadedModule** module, const void* image, std::size_t bytes, const ErrorLog& log) {
  const Ptx ptx = ptx_of(image, call.engine.machine().limits(call.device()).architecture, bytes);
  if (ptx.text.empty()) {
    log.write(ptx.refusal.empty() ? "an empty image" : ptx.refusal);
    return ptx.refusal.empty() ? Result::invalid_image : Result::no_binary_for_gpu;
  }
  return load_ptx(*call.context, ptx.text, log, *module);
}

Result load_data(LoadedModule** module, const void* image, const ErrorLog& log) {
  return in_context([&](Call& call) {
    if (module == nullptr || image == nullptr) return Result::invalid_value;
    return load(call, module, image, unknown_bytes, log);
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuModuleLoadDataEx(LoadedModule** module, const void* image, unsigned count, int* options, void** values) {
  return load_data(module, image, ErrorLog(count, options, values));
}
TRIPTYCH_CU Result cuModuleLoadData(LoadedModule** module, const void* image) {
  return load_data(module, image, ErrorLog(0, nullptr, nullptr));
}
TRIPTYCH_CU_ALIAS(cuModuleLoadFatBinary, cuModuleLoadData)

TRIPTYCH_CU Result cuModuleLoad(LoadedModule** module, const char* path) {
  return in_context([&](Call& call) {
    if (module == nullptr || path == nullptr) return Result::invalid_value;
    std::string content;
    if (!read_file(path, content)) return Result::file_not_found;
    return load(call, module, content.c_str(), content.size() + 1, ErrorLog(0, nullptr, nullptr));
  });
}

/// Kernels of the module may still run: it goes when they have ended.
TRIPTYCH_CU Result cuModuleUnload(LoadedModule* module) {
  return in_engine([&](Engine& engine, auto& lock) {
    if (!engine.modules.holds(module)) return Result::invalid_handle;
    engine.wait(lock, [&] { return !engine.modules.holds(module) || engine.all_idle(*module->context); });
    if (engine.modules.holds(module)) unload(module);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuModuleGetFunction(LoadedFunction** function, LoadedModule* module, const char* name) {
  return in_context([&](Call& call) {
    if (function == nullptr || name == nullptr) return Result::invalid_value;
    if (!call.engine.modules.holds(module)) return Result::invalid_handle;
    const auto found = module->functions.find(std::string_view(name));
    if (found == module->functions.end()) return Result::not_found;
    *function = found->second.get();
    return Result::success;
  });
}

TRIPTYCH_CU Result cuModuleGetFunctionCount(unsigned* count, LoadedModule* module) {
  return in_context([&](Call& call) {
    if (count == nullptr) return Result::invalid_value;
    if (!call.engine.modules.holds(module)) return Result::invalid_handle;
    *count = static_cast<unsigned>(module->functions.size());
    return Result::success;
  });
}

TRIPTYCH_CU Result cuModuleEnumerateFunctions(LoadedFunction** functions, unsigned count, LoadedModule* module) {
  return in_context([&](Call& call) {
    if (functions == nullptr) return Result::invalid_value;
    if (!call.engine.modules.holds(module)) return Result::invalid_handle;
    for (const auto& [name, function] : module->functions) {
      if (count-- == 0) break;
      *functions++ = function.get();
    }
    return Result::success;
  });
}

TRIPTYCH_CU Result cuModuleGetGlobal_v2(DevicePointer* address, std::size_t* bytes, LoadedModule* module, const char* name) {
  return in_context([&](Call& call) {
    if (name == nullptr) return Result::invalid_value;
    if (!call.engine.modules.holds(module)) return Result::invalid_handle;
    for (const auto& [variable, at] : module->code->address_of) {
      if (variable->name != name) continue;
      give(address, at);
      give(bytes, variable->bytes);
      return Result::success;
    }
    return Result::not_found;
  });
}

/// CU_MODULE_EAGER_LOADING.
TRIPTYCH_CU Result cuModuleGetLoadingMode(int* mode) {
  if (mode == nullptr) return Result::invalid_value;
  *mode = 1;
  return Result::success;
}
