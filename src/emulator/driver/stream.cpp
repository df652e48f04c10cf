// Streams and events.
#include "emulator/driver/api.h"

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuStreamCreateWithPriority(Stream** stream, unsigned flags, int priority) {
  Call call;
  if (call.refused()) return call.result;
  if (stream == nullptr || flags > 1) return Result::invalid_value;
  *stream = call.engine.make_stream(call.device(), flags == 0, priority);
  return Result::success;
}

TRIPTYCH_CU Result cuStreamCreate(Stream** stream, unsigned flags) { return cuStreamCreateWithPriority(stream, flags, 0); }

TRIPTYCH_CU Result cuStreamDestroy_v2(Stream* stream) {
  Call call;
  if (call.context == nullptr) return call.result;
  if (reinterpret_cast<std::uintptr_t>(stream) <= 2) return Result::invalid_handle;
  Context& context = *call.context;
  call.engine.wait(call.lock, [&] { return call.engine.idle(*stream) || context.failed != Result::success; });
  call.engine.forget(stream);
  return Result::success;
}

TRIPTYCH_CU Result cuStreamSynchronize(Stream* stream) {
  Call call;
  return call.refused() ? call.result : call.finish(call.stream(stream));
}

TRIPTYCH_CU Result cuStreamQuery(Stream* stream) {
  Call call;
  if (call.refused()) return call.result;
  return call.engine.idle(call.stream(stream)) ? Result::success : Result::not_ready;
}

TRIPTYCH_CU Result cuEventCreate(Event** event, unsigned) {
  Call call;
  if (call.refused()) return call.result;
  if (event == nullptr) return Result::invalid_value;
  *event = new Event;
  return Result::success;
}

TRIPTYCH_CU Result cuEventDestroy_v2(Event* event) {
  Call call;
  if (call.context == nullptr) return call.result;
  if (event == nullptr) return Result::invalid_handle;
  // Work that names the event may still be enqueued.
  call.engine.wait(call.lock, [&] { return event->done == event->recorded || call.context->failed != Result::success; });
  delete event;
  return Result::success;
}

TRIPTYCH_CU Result cuEventRecord(Event* event, Stream* stream) {
  Call call;
  if (call.refused()) return call.result;
  if (event == nullptr) return Result::invalid_handle;
  const std::uint64_t number = ++event->recorded;
  Engine& engine = call.engine;
  engine.enqueue(call.stream(stream), {.begin = [event, number, &engine] {
                                         event->done = number;
                                         event->nanoseconds = engine.machine().now();
                                         return true;
                                       }});
  return Result::success;
}

TRIPTYCH_CU Result cuStreamWaitEvent(Stream* stream, Event* event, unsigned) {
  Call call;
  if (call.refused()) return call.result;
  if (event == nullptr) return Result::invalid_handle;
  const std::uint64_t number = event->recorded;
  call.engine.enqueue(call.stream(stream), {.begin = [event, number] { return event->done >= number; },
                                            .done = [event, number] { return event->done >= number; }});
  return Result::success;
}

TRIPTYCH_CU Result cuEventSynchronize(Event* event) {
  Call call;
  if (call.refused()) return call.result;
  if (event == nullptr) return Result::invalid_handle;
  const std::uint64_t number = event->recorded;
  Context& context = *call.context;
  call.engine.wait(call.lock, [&] { return event->done >= number || context.failed != Result::success; });
  return context.failed;
}

TRIPTYCH_CU Result cuEventQuery(Event* event) {
  Call call;
  if (call.refused()) return call.result;
  if (event == nullptr) return Result::invalid_handle;
  return event->done == event->recorded ? Result::success : Result::not_ready;
}

/// Ticks of the machine's clock, which are not time: events order things here and measure nothing.
TRIPTYCH_CU Result cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
  Call call;
  if (call.refused()) return call.result;
  if (milliseconds == nullptr) return Result::invalid_value;
  if (start == nullptr || end == nullptr) return Result::invalid_handle;
  *milliseconds = static_cast<float>(static_cast<double>(end->nanoseconds - start->nanoseconds) * 1e-6);
  return Result::success;
}
