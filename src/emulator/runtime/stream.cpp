// Streams, events, captures; the driver's entry points by name.
#include "emulator/runtime/runtime.h"

using namespace triptych::emulator::runtime;

/// cudaStreamCaptureStatus and -Mode, cudaStreamAttrID and cudaEventFlags have the driver's numbers.
TRIPTYCH_FORWARD(cudaStreamCreate, cuStreamCreateWithPriority, (Stream * *stream), (stream, 0, 0))
TRIPTYCH_FORWARD(cudaStreamCreateWithFlags, cuStreamCreateWithPriority, (Stream * *stream, unsigned flags), (stream, flags, 0))
TRIPTYCH_FORWARD(cudaStreamCreateWithPriority, cuStreamCreateWithPriority, (Stream * *stream, unsigned flags, int priority),
                 (stream, flags, priority))
TRIPTYCH_FORWARD(cudaStreamDestroy, cuStreamDestroy_v2, (Stream * stream), (stream))
TRIPTYCH_FORWARD(cudaStreamSynchronize, cuStreamSynchronize, (Stream * stream), (stream))
TRIPTYCH_FORWARD(cudaStreamQuery, cuStreamQuery, (Stream * stream), (stream))
TRIPTYCH_FORWARD(cudaStreamGetPriority, cuStreamGetPriority, (Stream * stream, int* priority), (stream, priority))
TRIPTYCH_FORWARD(cudaStreamGetFlags, cuStreamGetFlags, (Stream * stream, unsigned* flags), (stream, flags))
TRIPTYCH_FORWARD(cudaStreamGetId, cuStreamGetId, (Stream * stream, unsigned long long* id), (stream, id))
TRIPTYCH_FORWARD(cudaStreamGetDevice, cuStreamGetDevice, (Stream * stream, int* device), (stream, device))
TRIPTYCH_FORWARD(cudaStreamWaitEvent, cuStreamWaitEvent, (Stream * stream, Event* event, unsigned flags), (stream, event, flags))
TRIPTYCH_FORWARD(cudaStreamAddCallback, cuStreamAddCallback,
                 (Stream * stream, void (*callback)(Stream*, Result, void*), void* data, unsigned flags), (stream, callback, data, flags))
TRIPTYCH_FORWARD(cudaStreamGetAttribute, cuStreamGetAttribute, (Stream * stream, int which, LaunchAttributeValue* to), (stream, which, to))
TRIPTYCH_FORWARD(cudaStreamSetAttribute, cuStreamSetAttribute, (Stream * stream, int which, const LaunchAttributeValue* from),
                 (stream, which, from))
TRIPTYCH_FORWARD(cudaStreamCopyAttributes, cuStreamCopyAttributes, (Stream * to, Stream* from), (to, from))
TRIPTYCH_FORWARD(cudaStreamBeginCapture, cuStreamBeginCapture_v2, (Stream * stream, int mode), (stream, mode))
TRIPTYCH_FORWARD(cudaStreamBeginCaptureToGraph, cuStreamBeginCaptureToGraph,
                 (Stream * stream, Graph* graph, Node* const* nodes, const void* edges, std::size_t count, int mode),
                 (stream, graph, nodes, edges, count, mode))
TRIPTYCH_FORWARD(cudaStreamEndCapture, cuStreamEndCapture, (Stream * stream, Graph** graph), (stream, graph))
TRIPTYCH_FORWARD(cudaStreamIsCapturing, cuStreamIsCapturing, (Stream * stream, int* status), (stream, status))
TRIPTYCH_FORWARD(cudaStreamGetCaptureInfo, cuStreamGetCaptureInfo_v3,
                 (Stream * stream, int* status, std::uint64_t* id, Graph** graph, Node* const** nodes, const void** edges, std::size_t* count),
                 (stream, status, id, graph, nodes, edges, count))
TRIPTYCH_FORWARD(cudaStreamUpdateCaptureDependencies, cuStreamUpdateCaptureDependencies_v2,
                 (Stream * stream, Node* const* nodes, const void* edges, std::size_t count, unsigned flags),
                 (stream, nodes, edges, count, flags))
TRIPTYCH_FORWARD(cudaThreadExchangeStreamCaptureMode, cuThreadExchangeStreamCaptureMode, (int* mode), (mode))

TRIPTYCH_FORWARD(cudaEventCreate, cuEventCreate, (Event * *event), (event, 0))
TRIPTYCH_FORWARD(cudaEventCreateWithFlags, cuEventCreate, (Event * *event, unsigned flags), (event, flags))
TRIPTYCH_FORWARD(cudaEventDestroy, cuEventDestroy_v2, (Event * event), (event))
TRIPTYCH_FORWARD(cudaEventRecord, cuEventRecordWithFlags, (Event * event, Stream* stream), (event, stream, 0))
TRIPTYCH_FORWARD(cudaEventRecordWithFlags, cuEventRecordWithFlags, (Event * event, Stream* stream, unsigned flags), (event, stream, flags))
TRIPTYCH_FORWARD(cudaEventQuery, cuEventQuery, (Event * event), (event))
TRIPTYCH_FORWARD(cudaEventSynchronize, cuEventSynchronize, (Event * event), (event))
TRIPTYCH_FORWARD(cudaEventElapsedTime, cuEventElapsedTime_v2, (float* milliseconds, Event* start, Event* end), (milliseconds, start, end))

/// cudaDriverEntryPointQueryResult has the driver's numbers.
TRIPTYCH_CUDA Result cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned version, unsigned long long flags,
                                                      int* status) {
  return on_device([&] { return cuGetProcAddress_v2(name, function, static_cast<int>(version), flags, status); });
}
TRIPTYCH_CUDA Result cudaGetDriverEntryPoint(const char* name, void** function, unsigned long long flags, int* status) {
  return cudaGetDriverEntryPointByVersion(name, function, driver_version, flags, status);
}
TRIPTYCH_CUDA Result cudaGetExportTable(const void** table, const void* id) {
  if (table == nullptr || id == nullptr) return note(Result::invalid_value);
  *table = nullptr;
  return note(Result::not_found);
}

TRIPTYCH_CUDA_ALIAS(cudaStreamSynchronize_ptsz, cudaStreamSynchronize)
TRIPTYCH_CUDA_ALIAS(cudaStreamQuery_ptsz, cudaStreamQuery)
TRIPTYCH_CUDA_ALIAS(cudaStreamGetPriority_ptsz, cudaStreamGetPriority)
TRIPTYCH_CUDA_ALIAS(cudaStreamGetFlags_ptsz, cudaStreamGetFlags)
TRIPTYCH_CUDA_ALIAS(cudaStreamGetId_ptsz, cudaStreamGetId)
TRIPTYCH_CUDA_ALIAS(cudaStreamGetDevice_ptsz, cudaStreamGetDevice)
TRIPTYCH_CUDA_ALIAS(cudaStreamWaitEvent_ptsz, cudaStreamWaitEvent)
TRIPTYCH_CUDA_ALIAS(cudaStreamAddCallback_ptsz, cudaStreamAddCallback)
TRIPTYCH_CUDA_ALIAS(cudaStreamGetAttribute_ptsz, cudaStreamGetAttribute)
TRIPTYCH_CUDA_ALIAS(cudaStreamSetAttribute_ptsz, cudaStreamSetAttribute)
TRIPTYCH_CUDA_ALIAS(cudaStreamCopyAttributes_ptsz, cudaStreamCopyAttributes)
TRIPTYCH_CUDA_ALIAS(cudaStreamBeginCapture_ptsz, cudaStreamBeginCapture)
TRIPTYCH_CUDA_ALIAS(cudaStreamBeginCaptureToGraph_ptsz, cudaStreamBeginCaptureToGraph)
TRIPTYCH_CUDA_ALIAS(cudaStreamEndCapture_ptsz, cudaStreamEndCapture)
TRIPTYCH_CUDA_ALIAS(cudaStreamIsCapturing_ptsz, cudaStreamIsCapturing)
TRIPTYCH_CUDA_ALIAS(cudaStreamGetCaptureInfo_ptsz, cudaStreamGetCaptureInfo)
TRIPTYCH_CUDA_ALIAS(cudaStreamUpdateCaptureDependencies_ptsz, cudaStreamUpdateCaptureDependencies)
TRIPTYCH_CUDA_ALIAS(cudaEventRecord_ptsz, cudaEventRecord)
TRIPTYCH_CUDA_ALIAS(cudaEventRecordWithFlags_ptsz, cudaEventRecordWithFlags)
TRIPTYCH_CUDA_ALIAS(cudaGetDriverEntryPoint_ptsz, cudaGetDriverEntryPoint)
TRIPTYCH_CUDA_ALIAS(cudaGetDriverEntryPointByVersion_ptsz, cudaGetDriverEntryPointByVersion)
