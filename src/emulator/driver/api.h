/// \file
/// What the entry points share: the engine under its lock, and the calling thread's context.
#pragma once

#include <exception>

#include "emulator/driver/engine.h"
#include "emulator/driver/export.h"

namespace triptych::emulator::driver {

bool initialised();
/// The calling thread's contexts, the current one last.
std::vector<Context*>& context_stack();

/// An API call that needs a context: holds the engine's lock. `result` is success if the call may go on;
/// else what it has to return: no initialisation, no context, or the error a kernel of the context made.
class Call {
 public:
  Call();
  bool refused() const { return result != Result::success; }
  int device() const { return context->device; }
  /// The stream of a handle: 0, 1 (legacy) and 2 (per thread) are the context's default stream. Null if it is none.
  Stream* stream(Stream* handle) {
    if (reinterpret_cast<std::uintptr_t>(handle) <= 2) return context->default_stream;
    return engine.streams.holds(handle) ? handle : nullptr;
  }
  /// Enqueues on the stream of a handle.
  Result enqueue(Stream* handle, Operation operation);
  /// Waits until a stream has nothing left; the context's error if a kernel failed meanwhile.
  Result finish(Stream* handle);
  /// Waits for all work of the context.
  Result finish();

  Engine& engine;
  std::unique_lock<std::mutex> lock;
  Context* context = nullptr;
  Result result = Result::success;
};

/// The code for what was thrown: no exception leaves an entry point.
Result result_of(const std::exception& error);

/// Runs the body of an entry point that needs a context.
template <class Body>
Result in_context(Body&& body) {
  try {
    Call call;
    return call.refused() ? call.result : body(call);
  } catch (const std::exception& error) {
    return result_of(error);
  }
}

/// The body of one that needs none, and that a failed context does not keep from working.
template <class Body>
Result in_engine(Body&& body) {
  if (!initialised()) return Result::not_initialized;
  try {
    Engine& engine = Engine::get();
    std::unique_lock lock(engine.mutex());
    return body(engine, lock);
  } catch (const std::exception& error) {
    return result_of(error);
  }
}

/// Stores where the caller wants it, if it does.
template <class T, class V>
void give(T* to, const V& value) {
  if (to != nullptr) *to = static_cast<T>(value);
}

bool is_device(DeviceHandle device);

}  // namespace triptych::emulator::driver
