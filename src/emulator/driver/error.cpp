// Names and texts of the result codes.
#include "emulator/driver/export.h"

namespace triptych::emulator::driver {
namespace {

struct Entry {
  Result result;
  const char *name, *text;
};

constexpr Entry entries[] = {
#define X(enumerator, code, name, text) {Result::enumerator, code == 0 ? "CUDA_" name : "CUDA_ERROR_" name, text},
#include "emulator/driver/result.inc"
#undef X
};

const Entry* find(Result result) {
  for (const Entry& e : entries) {
    if (e.result == result) return &e;
  }
  return nullptr;
}

Result give(Result result, const char** to, const char* Entry::*what) {
  if (to == nullptr) return Result::invalid_value;
  const Entry* entry = find(result);
  *to = entry != nullptr ? entry->*what : nullptr;
  return entry != nullptr ? Result::success : Result::invalid_value;
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuGetErrorName(Result result, const char** name) { return give(result, name, &Entry::name); }
TRIPTYCH_CU Result cuGetErrorString(Result result, const char** text) { return give(result, text, &Entry::text); }
