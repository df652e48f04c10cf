// Entry points by name and version.
#include <string_view>
#include <utility>

#include "emulator/driver/export.h"

// Here only their addresses matter, whatever their types are.
#define X(name, symbol, version, stream) extern __attribute__((visibility("default"))) const char at_##symbol __asm__(#symbol);
#include "emulator/driver/entries.inc"
#undef X

namespace triptych::emulator::driver {
namespace {

enum class Default : std::uint8_t { legacy, per_thread };

struct Entry {
  const char *name, *function;
  int version;
  Default stream;
};

constexpr Entry entries[] = {
#define X(name, symbol, version, stream) {#name, &at_##symbol, version, Default::stream},
#include "emulator/driver/entries.inc"
#undef X
};

/// CUdriverProcAddressQueryResult.
enum class Found : int { success = 0, no_symbol = 1, version_too_old = 2 };

Found find(std::string_view name, int version, bool per_thread, void*& function) {
  const Entry* best = nullptr;
  bool any = false;
  for (const Entry& e : entries) {
    if (e.name != name) continue;
    any = true;
    if (e.version > version || (e.stream == Default::per_thread && !per_thread)) continue;
    // Where there is one for the thread's default stream, that is meant.
    if (best == nullptr || std::pair(e.stream, e.version) > std::pair(best->stream, best->version)) best = &e;
  }
  function = best != nullptr ? const_cast<char*>(best->function) : nullptr;
  return best != nullptr ? Found::success : any ? Found::version_too_old : Found::no_symbol;
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

/// flags: 0, 1 (legacy default stream) or 2 (the thread's). What is not found is no error, but null.
TRIPTYCH_CU Result cuGetProcAddress_v2(const char* name, void** function, int version, std::uint64_t flags, int* status) {
  if (name == nullptr || function == nullptr || flags > 2 || version > driver_version) return Result::invalid_value;
  const Found found = find(name, version, flags == 2, *function);
  if (status != nullptr) *status = static_cast<int>(found);
  return Result::success;
}

TRIPTYCH_CU Result cuGetProcAddress(const char* name, void** function, int version, std::uint64_t flags) {
  return cuGetProcAddress_v2(name, function, version, flags, nullptr);
}

/// Tables of what the driver has and documents nowhere: there are none.
TRIPTYCH_CU Result cuGetExportTable(const void** table, const void* id) {
  if (table == nullptr || id == nullptr) return Result::invalid_value;
  *table = nullptr;
  return Result::not_found;
}
