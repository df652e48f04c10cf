// Libraries: modules that belong to no context, and kernels that are functions in whichever is current.
#include "emulator/driver/api.h"

namespace triptych::emulator::driver {

Result module_of(Context& context, Library& library, LoadedModule*& module) {
  const auto found = library.modules.find(&context);
  if (found != library.modules.end()) {
    module = found->second;
    return Result::success;
  }
  // Once is enough to say what is wrong with it.
  if (const auto refused = library.refused.find(&context); refused != library.refused.end()) return refused->second;
  const Result r = load_ptx(context, library.ptx, ErrorLog(0, nullptr, nullptr), module);
  if (r == Result::success) {
    library.modules[&context] = module;
  } else {
    library.refused[&context] = r;
  }
  return r;
}

Result function_of(Context& context, const Kernel& kernel, LoadedFunction*& function) {
  LoadedModule* module = nullptr;
  if (const Result r = module_of(context, *kernel.library, module); r != Result::success) return r;
  const auto found = module->functions.find(kernel.name);
  if (found == module->functions.end()) return Result::not_found;
  function = found->second.get();
  return Result::success;
}

Result find_function(Context& context, const void* handle, LoadedFunction*& function) {
  Engine& engine = Engine::get();
  if (engine.functions.count(handle) != 0) {
    function = static_cast<LoadedFunction*>(const_cast<void*>(handle));
    return Result::success;
  }
  if (engine.kernels.count(handle) == 0) return Result::invalid_handle;
  return function_of(context, *static_cast<const Kernel*>(handle), function);
}

namespace {

Result load(Library** library, const char* code, std::size_t bytes, const ErrorLog& log) {
  return in_engine([&](Engine& engine, auto&) {
    const int architecture = engine.machine().limits(0).architecture;
    const Ptx ptx = ptx_of(code, architecture, bytes);
    if (ptx.text.empty()) {
      log.write(ptx.refusal.empty() ? "an empty image" : ptx.refusal);
      return ptx.refusal.empty() ? Result::invalid_image : Result::no_binary_for_gpu;
    }
    // Its kernels' names, and whether it can be loaded at all.
    Parsed parsed = parse(ptx.text, "module");
    if (parsed.error) {
      log.write(parsed.error->str());
      return Result::invalid_ptx;
    }
    Library* made = engine.libraries.make(Library{.ptx = ptx.text});
    for (const auto& f : parsed.module->functions) {
      if (!f.entry) continue;
      std::string name(f.name);
      auto kernel = std::make_unique<Kernel>(Kernel{.library = made, .name = name});
      engine.kernels.insert(kernel.get());
      made->kernels.emplace(std::move(name), std::move(kernel));
    }
    *library = made;
    return Result::success;
  });
}

Result global(Call& call, DevicePointer* address, std::size_t* bytes, Library* library, const char* name, bool managed) {
  if (name == nullptr) return Result::invalid_value;
  if (!call.engine.libraries.holds(library)) return Result::invalid_handle;
  LoadedModule* module = nullptr;
  if (const Result r = module_of(*call.context, *library, module); r != Result::success) return r;
  for (const auto& [variable, at] : module->code->address_of) {
    if (variable->name != name || (managed && !variable->managed)) continue;
    give(address, at);
    give(bytes, variable->bytes);
    return Result::success;
  }
  return Result::not_found;
}

/// With a kernel that is one.
template <class Body>
Result with(const Kernel* kernel, Body&& body) {
  return in_context([&](Call& call) {
    return call.engine.kernels.count(kernel) != 0 ? body(call, *kernel) : Result::invalid_handle;
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuLibraryLoadData(Library** library, const void* code, int* options, void** values, unsigned count,
                                     int*, void**, unsigned) {
  if (library == nullptr || code == nullptr) return Result::invalid_value;
  return load(library, static_cast<const char*>(code), unknown_bytes, ErrorLog(count, options, values));
}

TRIPTYCH_CU Result cuLibraryLoadFromFile(Library** library, const char* path, int* options, void** values, unsigned count,
                                         int*, void**, unsigned) {
  if (library == nullptr || path == nullptr) return Result::invalid_value;
  std::string content;
  if (!read_file(path, content)) return Result::file_not_found;
  return load(library, content.c_str(), content.size() + 1, ErrorLog(count, options, values));
}

TRIPTYCH_CU Result cuLibraryUnload(Library* library) {
  return in_engine([&](Engine& engine, auto& lock) {
    if (!engine.libraries.holds(library)) return Result::invalid_handle;
    engine.wait(lock, [&] {
      bool idle = true;
      for (const auto& [context, module] : library->modules) idle = idle && engine.all_idle(*context);
      return idle;
    });
    while (!library->modules.empty()) unload(library->modules.begin()->second);
    for (const auto& [name, kernel] : library->kernels) engine.kernels.erase(kernel.get());
    engine.libraries.drop(library);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuLibraryGetKernel(Kernel** kernel, Library* library, const char* name) {
  return in_engine([&](Engine& engine, auto&) {
    if (kernel == nullptr || name == nullptr) return Result::invalid_value;
    if (!engine.libraries.holds(library)) return Result::invalid_handle;
    const auto found = library->kernels.find(std::string_view(name));
    if (found == library->kernels.end()) return Result::not_found;
    *kernel = found->second.get();
    return Result::success;
  });
}

TRIPTYCH_CU Result cuLibraryGetKernelCount(unsigned* count, Library* library) {
  return in_engine([&](Engine& engine, auto&) {
    if (count == nullptr) return Result::invalid_value;
    if (!engine.libraries.holds(library)) return Result::invalid_handle;
    *count = static_cast<unsigned>(library->kernels.size());
    return Result::success;
  });
}

TRIPTYCH_CU Result cuLibraryEnumerateKernels(Kernel** kernels, unsigned count, Library* library) {
  return in_engine([&](Engine& engine, auto&) {
    if (kernels == nullptr) return Result::invalid_value;
    if (!engine.libraries.holds(library)) return Result::invalid_handle;
    for (const auto& [name, kernel] : library->kernels) {
      if (count-- == 0) break;
      *kernels++ = kernel.get();
    }
    return Result::success;
  });
}

TRIPTYCH_CU Result cuLibraryGetModule(LoadedModule** module, Library* library) {
  return in_context([&](Call& call) {
    if (module == nullptr) return Result::invalid_value;
    return call.engine.libraries.holds(library) ? module_of(*call.context, *library, *module) : Result::invalid_handle;
  });
}

TRIPTYCH_CU Result cuLibraryGetGlobal(DevicePointer* address, std::size_t* bytes, Library* library, const char* name) {
  return in_context([&](Call& call) { return global(call, address, bytes, library, name, false); });
}

TRIPTYCH_CU Result cuLibraryGetManaged(DevicePointer* address, std::size_t* bytes, Library* library, const char* name) {
  return in_context([&](Call& call) { return global(call, address, bytes, library, name, true); });
}

TRIPTYCH_CU Result cuKernelGetFunction(LoadedFunction** function, const Kernel* kernel) {
  return with(kernel, [&](Call& call, const Kernel& k) {
    return function != nullptr ? function_of(*call.context, k, *function) : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuKernelGetLibrary(Library** library, const Kernel* kernel) {
  return with(kernel, [&](Call&, const Kernel& k) {
    give(library, k.library);
    return library != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuKernelGetName(const char** name, const Kernel* kernel) {
  return with(kernel, [&](Call&, const Kernel& k) {
    if (name == nullptr) return Result::invalid_value;
    *name = k.name.c_str();
    return Result::success;
  });
}
