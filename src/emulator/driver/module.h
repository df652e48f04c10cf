/// \file
/// Loaded modules and what programs ask them for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "emulator/driver/types.h"
#include "emulator/machine/code.h"

namespace triptych::emulator::driver {

struct Context;
struct LoadedModule;
struct Library;

/// CUfunction: a kernel of a loaded module, and what was set for it.
struct LoadedFunction {
  LoadedModule* module = nullptr;
  const FunctionCode* code = nullptr;
  std::string name = {};
  int max_dynamic_shared = 48 * 1024;
  int preferred_carveout = -1;
  int required_cluster[3] = {0, 0, 0};
  int non_portable_cluster = 0;
  int scheduling_policy = 0;
};

/// CUmodule.
struct LoadedModule {
  std::unique_ptr<ModuleCode> code = nullptr;
  std::map<std::string, std::unique_ptr<LoadedFunction>, std::less<>> functions = {};
  Context* context = nullptr;
};

/// CUkernel: a function's name, found in whatever context is current.
struct Kernel {
  Library* library = nullptr;
  std::string name = {};
};

/// CUlibrary: PTX that is loaded into each context that asks for something of it.
struct Library {
  std::string ptx = {};
  std::map<Context*, LoadedModule*> modules = {};
  std::map<Context*, Result> refused = {};   ///< where it could not be loaded, and why
  std::map<std::string, std::unique_ptr<Kernel>, std::less<>> kernels = {};
};

/// Where the caller wants the log of errors: CU_JIT_ERROR_LOG_BUFFER among the options.
class ErrorLog {
 public:
  ErrorLog(unsigned count, const int* options, void** values);
  void write(const std::string& message) const;

 private:
  char* text_ = nullptr;
  std::size_t bytes_ = 0;
};

/// The PTX text in an image: text itself, or a fatbin's (with nvcc's wrapper or without). Else one line that
/// says why there is none.
struct Ptx {
  std::string text = {}, refusal = {};
};
inline constexpr std::size_t unknown_bytes = ~std::size_t{0} >> 1;
Ptx ptx_of(const void* image, int architecture, std::size_t most = unknown_bytes);
/// A file's content, if it can be read.
bool read_file(const char* path, std::string& content);

/// Parses, decodes and places PTX in a context. Called with the engine locked.
Result load_ptx(Context& context, const std::string& ptx, const ErrorLog& log, LoadedModule*& module);
/// Gives back a module with its variables; nothing of it may run any more.
void unload(LoadedModule* module);
/// A kernel's function in a context; loads the library there if need be.
Result function_of(Context& context, const Kernel& kernel, LoadedFunction*& function);
/// The module of a library in a context.
Result module_of(Context& context, Library& library, LoadedModule*& module);
/// The CUfunction or CUkernel that a handle is, as a function in a context.
Result find_function(Context& context, const void* handle, LoadedFunction*& function);

}  // namespace triptych::emulator::driver
