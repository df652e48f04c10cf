/// \file
/// What the entry points share: the engine under its lock, and the calling thread's context.
#pragma once

#include "emulator/driver/engine.h"
#include "emulator/driver/export.h"

namespace triptych::emulator::driver {

bool initialised();
void set_initialised();
/// The calling thread's context; null if it has none.
Context*& current_context();

/// An API call that needs a context: holds the engine's lock. `result` is success if the call may go on;
/// else what it has to return: no initialisation, no context, or the error a kernel of the context made.
class Call {
 public:
  Call() : engine(Engine::get()), lock(engine.mutex()) {
    if (!initialised()) {
      result = Result::not_initialized;
    } else if (current_context() == nullptr) {
      result = Result::invalid_context;
    } else {
      context = current_context();
      result = context->failed;
    }
  }
  bool refused() const { return result != Result::success; }
  int device() const { return context->device; }
  /// The stream of a handle: 0, 1 (legacy) and 2 (per thread) are the device's default stream.
  Stream& stream(Stream* handle) {
    return reinterpret_cast<std::uintptr_t>(handle) <= 2 ? engine.default_stream(device()) : *handle;
  }
  /// Waits until a stream has nothing left; the context's error if a kernel failed meanwhile.
  Result finish(Stream& stream) {
    engine.wait(lock, [&] { return engine.idle(stream) || context->failed != Result::success; });
    return context->failed;
  }

  Engine& engine;
  std::unique_lock<std::mutex> lock;
  Context* context = nullptr;
  Result result = Result::success;
};

}  // namespace triptych::emulator::driver
