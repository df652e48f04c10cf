// The calling thread's contexts, and what an entry point begins with.
#include <new>
#include <stdexcept>

#include "emulator/driver/api.h"

namespace triptych::emulator::driver {

std::vector<Context*>& context_stack() {
  thread_local std::vector<Context*> stack;
  return stack;
}

Call::Call() : engine(Engine::get()), lock(engine.mutex()) {
  auto& stack = context_stack();
  if (!initialised()) {
    result = Result::not_initialized;
  } else if (stack.empty() || stack.back() == nullptr) {
    result = Result::invalid_context;
  } else if (!engine.contexts.holds(stack.back())) {
    result = Result::context_is_destroyed;
  } else {
    context = stack.back();
    result = context->failed;
  }
}

Result Call::enqueue(Stream* handle, Operation operation) {
  Stream* to = stream(handle);
  if (to == nullptr) return Result::invalid_handle;
  if (to == to->context->default_stream) {
    // It would wait for what is being recorded and not done.
    for (const auto& other : engine.streams) {
      if (other->context != to->context || other->capture == nullptr || !other->blocking) continue;
      other->capture->invalidated = true;
      return Result::stream_capture_implicit;
    }
  }
  return engine.enqueue(*to, std::move(operation));
}

Result Call::finish(Stream* handle) {
  Stream* one = stream(handle);
  if (one == nullptr) return Result::invalid_handle;
  if (one->capture != nullptr) {
    one->capture->invalidated = true;
    return Result::stream_capture_unsupported;
  }
  // Another thread may destroy the stream meanwhile.
  engine.wait(lock, [&] { return context->failed != Result::success || !engine.streams.holds(one) || engine.idle(*one); });
  return context->failed;
}

Result Call::finish() {
  engine.wait(lock, [&] { return engine.all_idle(*context) || context->failed != Result::success; });
  return context->failed;
}

Result result_of(const std::exception& error) {
  const bool too_much = dynamic_cast<const std::bad_alloc*>(&error) != nullptr || dynamic_cast<const std::length_error*>(&error) != nullptr;
  return too_much ? Result::out_of_memory : Result::unknown;
}

bool is_device(DeviceHandle device) { return device >= 0 && device < Engine::get().device_count(); }

}  // namespace triptych::emulator::driver
