// Events.
#include <algorithm>

#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {
namespace {

constexpr unsigned event_flags = 7, disable_timing = 2, external = 1;

template <class Body>
Result with(Event* event, Body&& body) {
  return in_context([&](Call& call) {
    return call.engine.events.holds(event) ? body(call, *event) : Result::invalid_handle;
  });
}

/// What waits for an event's record waits for these nodes, if that record was captured.
void join(Stream& stream, const Event& event) {
  stream.capture = event.capture;
  for (Node* node : event.captured) {
    if (std::find(stream.tail.begin(), stream.tail.end(), node) == stream.tail.end()) stream.tail.push_back(node);
  }
}

Result record(Call& call, Event& event, Stream* handle, bool as_node) {
  Stream* stream = call.stream(handle);
  if (stream == nullptr) return Result::invalid_handle;
  if (stream->capture != nullptr && !as_node) {
    if (stream->capture->invalidated) return Result::stream_capture_invalidated;
    event.capture = stream->capture;
    event.captured = stream->tail;
    return Result::success;
  }
  if (stream->capture != nullptr) return call.enqueue(handle, RecordOperation{&event, 0});
  event.capture = nullptr;
  event.captured.clear();
  return call.enqueue(handle, RecordOperation{&event, ++event.recorded});
}

Result wait(Call& call, Stream* handle, Event& event, bool as_node) {
  Stream* stream = call.stream(handle);
  if (stream == nullptr) return Result::invalid_handle;
  if (event.capture != nullptr && event.capture->graph != nullptr) {
    if (stream->capture != nullptr && stream->capture != event.capture) {
      stream->capture->invalidated = event.capture->invalidated = true;
      return Result::stream_capture_merge;
    }
    join(*stream, event);
    return Result::success;
  }
  if (stream->capture != nullptr && !as_node) {
    stream->capture->invalidated = true;
    return Result::stream_capture_isolation;
  }
  return call.enqueue(handle, WaitOperation{&event, stream->capture != nullptr ? 0 : event.recorded});
}

/// Whether nothing that a capture holds stands for the event.
Result captured(Event& event) {
  if (event.capture == nullptr || event.capture->graph == nullptr) return Result::success;
  event.capture->invalidated = true;
  return Result::captured_event;
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuEventCreate(Event** event, unsigned flags) {
  return in_context([&](Call& call) {
    if (event == nullptr || (flags & ~event_flags) != 0) return Result::invalid_value;
    if ((flags & 4) != 0) return Result::not_supported;   // CU_EVENT_INTERPROCESS
    *event = call.engine.events.make();
    (*event)->timed = (flags & disable_timing) == 0;
    return Result::success;
  });
}

/// Work that names the event finds that it is gone.
TRIPTYCH_CU Result cuEventDestroy_v2(Event* event) {
  return in_engine([&](Engine& engine, auto&) {
    if (!engine.events.holds(event)) return Result::invalid_handle;
    engine.events.drop(event);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuEventRecordWithFlags(Event* event, Stream* stream, unsigned flags) {
  if (flags > external) return Result::invalid_value;
  return with(event, [&](Call& call, Event& e) { return record(call, e, stream, flags == external); });
}
TRIPTYCH_CU Result cuEventRecord(Event* event, Stream* stream) { return cuEventRecordWithFlags(event, stream, 0); }

TRIPTYCH_CU Result cuStreamWaitEvent(Stream* stream, Event* event, unsigned flags) {
  if (flags > external) return Result::invalid_value;
  return with(event, [&](Call& call, Event& e) { return wait(call, stream, e, flags == external); });
}

TRIPTYCH_CU Result cuEventSynchronize(Event* event) {
  return with(event, [&](Call& call, Event& e) {
    if (const Result r = captured(e); r != Result::success) return r;
    const std::uint64_t number = e.recorded;
    Context& context = *call.context;
    call.engine.wait(call.lock, [&] {
      return !call.engine.events.holds(event) || e.done >= number || context.failed != Result::success;
    });
    return context.failed;
  });
}

TRIPTYCH_CU Result cuEventQuery(Event* event) {
  return with(event, [](Call&, Event& e) {
    if (const Result r = captured(e); r != Result::success) return r;
    return e.done >= e.recorded ? Result::success : Result::not_ready;
  });
}

/// Ticks of the machine's clock, which are not time: events order things here and measure nothing.
TRIPTYCH_CU Result cuEventElapsedTime_v2(float* milliseconds, Event* start, Event* end) {
  return with(start, [&](Call& call, Event& s) {
    if (milliseconds == nullptr) return Result::invalid_value;
    if (!call.engine.events.holds(end)) return Result::invalid_handle;
    if (!s.timed || !end->timed || s.recorded == 0 || end->recorded == 0) return Result::invalid_handle;
    if (s.done < s.recorded || end->done < end->recorded) return Result::not_ready;
    *milliseconds = static_cast<float>((static_cast<double>(end->nanoseconds) - static_cast<double>(s.nanoseconds)) * 1e-6);
    return Result::success;
  });
}

/// Work that is enqueued later in any stream of the context waits; and an event for all that was before.
TRIPTYCH_CU Result cuCtxRecordEvent(Context* context, Event* event) {
  return with(event, [&](Call& call, Event& e) {
    if (!call.engine.contexts.holds(context)) return Result::invalid_context;
    return record(call, e, context->default_stream, false);
  });
}
TRIPTYCH_CU Result cuCtxWaitEvent(Context* context, Event* event) {
  return with(event, [&](Call& call, Event& e) {
    if (!call.engine.contexts.holds(context)) return Result::invalid_context;
    for (const auto& stream : call.engine.streams) {
      if (stream->context != context) continue;
      if (const Result r = wait(call, stream.get(), e, false); r != Result::success) return r;
    }
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuEventDestroy, cuEventDestroy_v2)
TRIPTYCH_CU_ALIAS(cuEventElapsedTime, cuEventElapsedTime_v2)
TRIPTYCH_CU_ALIAS(cuEventRecord_ptsz, cuEventRecord)
TRIPTYCH_CU_ALIAS(cuEventRecordWithFlags_ptsz, cuEventRecordWithFlags)
TRIPTYCH_CU_ALIAS(cuStreamWaitEvent_ptsz, cuStreamWaitEvent)
