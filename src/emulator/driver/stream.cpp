// Streams.
#include <algorithm>

#include "emulator/driver/memory.h"

namespace triptych::emulator::driver {
namespace {

/// CUstreamBatchMemOpParams: 48 bytes, whichever operation it is.
struct BatchOperation {
  int type;                      ///< 1 wait32, 2 write32, 4 wait64, 5 write64, 3 flush, 6 barrier
  DevicePointer address;
  std::uint64_t value;
  unsigned flags;
  DevicePointer alias;
  std::uint64_t padding;
};
static_assert(sizeof(BatchOperation) == 48);

/// With a stream that is one.
template <class Body>
Result with(Stream* handle, Body&& body) {
  return in_context([&](Call& call) {
    Stream* stream = call.stream(handle);
    return stream != nullptr ? body(call, *stream) : Result::invalid_handle;
  });
}

template <class T, class V>
Result tell(Stream* handle, T* to, V Stream::*member) {
  return with(handle, [&](Call&, Stream& s) {
    give(to, s.*member);
    return to != nullptr ? Result::success : Result::invalid_value;
  });
}

Result value(Stream* stream, bool wait, bool wide, DevicePointer address, std::uint64_t number, unsigned flags) {
  return with(stream, [&](Call& call, Stream&) {
    constexpr unsigned flush = 1u << 30;
    if ((wait ? flags & ~(3u | flush) : flags & ~1u) != 0) return Result::invalid_value;
    const std::size_t bytes = wide ? 8 : 4;
    if (address % bytes != 0 || !holds(call.engine, address, bytes)) return Result::invalid_value;
    return call.enqueue(stream, ValueOperation{.wait = wait, .wide = wide, .address = address, .value = number,
                                               .comparison = wait ? flags & 3 : 0});
  });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuStreamCreateWithPriority(Stream** stream, unsigned flags, int priority) {
  return in_context([&](Call& call) {
    if (stream == nullptr || flags > 1) return Result::invalid_value;
    *stream = call.engine.make_stream(*call.context, flags == 0, std::clamp(priority, -5, 0));
    return Result::success;
  });
}
TRIPTYCH_CU Result cuStreamCreate(Stream** stream, unsigned flags) { return cuStreamCreateWithPriority(stream, flags, 0); }

/// Its work is done first.
TRIPTYCH_CU Result cuStreamDestroy_v2(Stream* stream) {
  return in_engine([&](Engine& engine, auto& lock) {
    if (!engine.streams.holds(stream) || stream == stream->context->default_stream) return Result::invalid_handle;
    engine.wait(lock, [&] { return !engine.streams.holds(stream) || engine.idle(*stream) || stream->context->failed != Result::success; });
    if (!engine.streams.holds(stream)) return Result::success;
    if (stream->capture != nullptr) stream->capture->invalidated = true;
    // After a fault what began must still end.
    engine.wait(lock, [&] { return stream->work.empty() || !stream->work.front().begun; });
    engine.streams.drop(stream);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuStreamSynchronize(Stream* stream) {
  return in_context([&](Call& call) { return call.finish(stream); });
}

TRIPTYCH_CU Result cuStreamQuery(Stream* stream) {
  return with(stream, [](Call& call, Stream& s) {
    if (s.capture != nullptr) {
      s.capture->invalidated = true;
      return Result::stream_capture_unsupported;
    }
    return call.engine.idle(s) ? Result::success : Result::not_ready;
  });
}

TRIPTYCH_CU Result cuStreamGetPriority(Stream* stream, int* priority) { return tell(stream, priority, &Stream::priority); }
TRIPTYCH_CU Result cuStreamGetId(Stream* stream, unsigned long long* id) { return tell(stream, id, &Stream::id); }
TRIPTYCH_CU Result cuStreamGetCtx(Stream* stream, Context** context) { return tell(stream, context, &Stream::context); }

TRIPTYCH_CU Result cuStreamGetFlags(Stream* stream, unsigned* flags) {
  return with(stream, [&](Call&, Stream& s) {
    give(flags, s.blocking ? 0 : 1);
    return flags != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuStreamGetDevice(Stream* stream, DeviceHandle* device) {
  return with(stream, [&](Call&, Stream& s) {
    give(device, s.context->device);
    return device != nullptr ? Result::success : Result::invalid_value;
  });
}

/// The callback is told what became of the work before it.
TRIPTYCH_CU Result cuStreamAddCallback(Stream* stream, void (*callback)(Stream*, Result, void*), void* data, unsigned flags) {
  struct Message {
    void (*callback)(Stream*, Result, void*);
    Stream* stream;
    void* data;
  };
  return with(stream, [&](Call& call, Stream& s) {
    if (callback == nullptr || flags != 0) return Result::invalid_value;
    if (s.capture != nullptr) return Result::stream_capture_unsupported;
    const auto tell_it = [](void* message) {
      const std::unique_ptr<Message> m(static_cast<Message*>(message));
      m->callback(m->stream, Result::success, m->data);
    };
    return call.enqueue(stream, HostOperation{tell_it, new Message{callback, stream, data}});
  });
}

TRIPTYCH_CU Result cuStreamWaitValue32_v2(Stream* stream, DevicePointer address, std::uint32_t number, unsigned flags) {
  return value(stream, true, false, address, number, flags);
}
TRIPTYCH_CU Result cuStreamWaitValue64_v2(Stream* stream, DevicePointer address, std::uint64_t number, unsigned flags) {
  return value(stream, true, true, address, number, flags);
}
TRIPTYCH_CU Result cuStreamWriteValue32_v2(Stream* stream, DevicePointer address, std::uint32_t number, unsigned flags) {
  return value(stream, false, false, address, number, flags);
}
TRIPTYCH_CU Result cuStreamWriteValue64_v2(Stream* stream, DevicePointer address, std::uint64_t number, unsigned flags) {
  return value(stream, false, true, address, number, flags);
}

TRIPTYCH_CU Result cuStreamBatchMemOp_v2(Stream* stream, unsigned count, const BatchOperation* all, unsigned flags) {
  if (all == nullptr || count == 0 || count > 256 || flags != 0) return Result::invalid_value;
  for (unsigned i = 0; i < count; ++i) {
    const BatchOperation& one = all[i];
    if (one.type == 3 || one.type == 6) continue;   // every operation flushes here
    if (one.type < 1 || one.type > 5) return Result::invalid_value;
    const Result r = value(stream, one.type == 1 || one.type == 4, one.type >= 4, one.address, one.value, one.flags);
    if (r != Result::success) return r;
  }
  return Result::success;
}

/// CUstreamAttrID: 8 is the priority, the others are hints.
TRIPTYCH_CU Result cuStreamGetAttribute(Stream* stream, int which, LaunchAttributeValue* to) {
  return with(stream, [&](Call&, Stream& s) {
    if (to == nullptr || which < 1 || which > 16) return Result::invalid_value;
    *to = {};
    to->number = which == 8 ? s.priority : which == 3 ? 1 : 0;
    return Result::success;
  });
}
TRIPTYCH_CU Result cuStreamSetAttribute(Stream* stream, int which, const LaunchAttributeValue* from) {
  return with(stream, [&](Call&, Stream& s) {
    if (from == nullptr || which < 1 || which > 16) return Result::invalid_value;
    if (which == 8) s.priority = std::clamp(from->number, -5, 0);
    return Result::success;
  });
}
TRIPTYCH_CU Result cuStreamCopyAttributes(Stream* to, Stream* from) {
  return with(to, [&](Call& call, Stream& t) {
    const Stream* f = call.stream(from);
    if (f == nullptr) return Result::invalid_handle;
    t.priority = f->priority;
    return Result::success;
  });
}

TRIPTYCH_CU_ALIAS(cuStreamDestroy, cuStreamDestroy_v2)
TRIPTYCH_CU_ALIAS(cuStreamSynchronize_ptsz, cuStreamSynchronize)
TRIPTYCH_CU_ALIAS(cuStreamQuery_ptsz, cuStreamQuery)
TRIPTYCH_CU_ALIAS(cuStreamGetPriority_ptsz, cuStreamGetPriority)
TRIPTYCH_CU_ALIAS(cuStreamGetId_ptsz, cuStreamGetId)
TRIPTYCH_CU_ALIAS(cuStreamGetCtx_ptsz, cuStreamGetCtx)
TRIPTYCH_CU_ALIAS(cuStreamGetFlags_ptsz, cuStreamGetFlags)
TRIPTYCH_CU_ALIAS(cuStreamGetDevice_ptsz, cuStreamGetDevice)
TRIPTYCH_CU_ALIAS(cuStreamAddCallback_ptsz, cuStreamAddCallback)
TRIPTYCH_CU_ALIAS(cuStreamWaitValue32_v2_ptsz, cuStreamWaitValue32_v2)
TRIPTYCH_CU_ALIAS(cuStreamWaitValue64_v2_ptsz, cuStreamWaitValue64_v2)
TRIPTYCH_CU_ALIAS(cuStreamWriteValue32_v2_ptsz, cuStreamWriteValue32_v2)
TRIPTYCH_CU_ALIAS(cuStreamWriteValue64_v2_ptsz, cuStreamWriteValue64_v2)
TRIPTYCH_CU_ALIAS(cuStreamBatchMemOp_v2_ptsz, cuStreamBatchMemOp_v2)
TRIPTYCH_CU_ALIAS(cuStreamGetAttribute_ptsz, cuStreamGetAttribute)
TRIPTYCH_CU_ALIAS(cuStreamSetAttribute_ptsz, cuStreamSetAttribute)
TRIPTYCH_CU_ALIAS(cuStreamCopyAttributes_ptsz, cuStreamCopyAttributes)
TRIPTYCH_CU_ALIAS(cuStreamWaitValue32, cuStreamWaitValue32_v2)
TRIPTYCH_CU_ALIAS(cuStreamWaitValue32_ptsz, cuStreamWaitValue32_v2)
TRIPTYCH_CU_ALIAS(cuStreamWaitValue64, cuStreamWaitValue64_v2)
TRIPTYCH_CU_ALIAS(cuStreamWaitValue64_ptsz, cuStreamWaitValue64_v2)
TRIPTYCH_CU_ALIAS(cuStreamWriteValue32, cuStreamWriteValue32_v2)
TRIPTYCH_CU_ALIAS(cuStreamWriteValue32_ptsz, cuStreamWriteValue32_v2)
TRIPTYCH_CU_ALIAS(cuStreamWriteValue64, cuStreamWriteValue64_v2)
TRIPTYCH_CU_ALIAS(cuStreamWriteValue64_ptsz, cuStreamWriteValue64_v2)
TRIPTYCH_CU_ALIAS(cuStreamBatchMemOp, cuStreamBatchMemOp_v2)
TRIPTYCH_CU_ALIAS(cuStreamBatchMemOp_ptsz, cuStreamBatchMemOp_v2)
