// Errors: the last of each thread, names and texts.
#include <cstring>
#include <string>

#include "emulator/runtime/runtime.h"

namespace triptych::emulator::runtime {
namespace {

thread_local Result last = Result::success;

struct Own {
  int code;
  const char *name, *text;
};
/// What the driver has no code for.
constexpr Own own[] = {
    {9, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {12, "cudaErrorInvalidPitchValue", "invalid pitch argument"},
    {13, "cudaErrorInvalidSymbol", "invalid device symbol"},
    {21, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {98, "cudaErrorInvalidDeviceFunction", "invalid device function"},
};

/// Names that are not the driver's in another spelling.
struct Name {
  Result result;
  const char* name;
};
constexpr Name names[] = {
    {Result::success, "cudaSuccess"},
    {Result::out_of_memory, "cudaErrorMemoryAllocation"},
    {Result::not_initialized, "cudaErrorInitializationError"},
    {Result::deinitialized, "cudaErrorCudartUnloading"},
    {Result::invalid_image, "cudaErrorInvalidKernelImage"},
    {Result::invalid_context, "cudaErrorDeviceUninitialized"},
    {Result::map_failed, "cudaErrorMapBufferObjectFailed"},
    {Result::unmap_failed, "cudaErrorUnmapBufferObjectFailed"},
    {Result::no_binary_for_gpu, "cudaErrorNoKernelImageForDevice"},
    {Result::context_already_in_use, "cudaErrorDeviceAlreadyInUse"},
    {Result::invalid_handle, "cudaErrorInvalidResourceHandle"},
    {Result::not_found, "cudaErrorSymbolNotFound"},
    {Result::launch_failed, "cudaErrorLaunchFailure"},
    {Result::primary_context_active, "cudaErrorSetOnActiveProcess"},
};

/// "CUDA_ERROR_ILLEGAL_ADDRESS" as "cudaErrorIllegalAddress".
std::string respell(const char* name) {
  std::string text = "cuda";
  bool upper = true;
  for (const char* c = name + std::strlen("CUDA_"); *c != 0; ++c) {
    if (*c == '_') {
      upper = true;
      continue;
    }
    text += upper ? *c : static_cast<char>(*c - 'A' + 'a');
    if (*c >= '0' && *c <= '9') text.back() = *c;
    upper = false;
  }
  return text;
}

}  // namespace

Result note(Result result) {
  if (result != Result::success && result != Result::not_ready) last = result;
  return result;
}

}  // namespace triptych::emulator::runtime

using namespace triptych::emulator::runtime;

TRIPTYCH_CUDA Result cudaPeekAtLastError() { return last; }

TRIPTYCH_CUDA Result cudaGetLastError() {
  const Result was = last;
  last = Result::success;
  return was;
}

TRIPTYCH_CUDA const char* cudaGetErrorName(Result error) {
  for (const Own& o : own) {
    if (o.code == static_cast<int>(error)) return o.name;
  }
  for (const Name& n : names) {
    if (n.result == error) return n.name;
  }
  const char* name = nullptr;
  if (cuGetErrorName(error, &name) != Result::success) return "unrecognized error code";
  thread_local std::string text;
  text = respell(name);
  return text.c_str();
}

TRIPTYCH_CUDA const char* cudaGetErrorString(Result error) {
  for (const Own& o : own) {
    if (o.code == static_cast<int>(error)) return o.text;
  }
  const char* text = nullptr;
  return cuGetErrorString(error, &text) == Result::success ? text : "unrecognized error code";
}
