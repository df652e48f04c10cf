// Streams that are recorded into a graph.
#include <algorithm>
#include <set>

#include "emulator/driver/api.h"

namespace triptych::emulator::driver {
namespace {

template <class Body>
Result with(Stream* handle, Body&& body) {
  return in_context([&](Call& call) {
    Stream* stream = call.stream(handle);
    return stream != nullptr ? body(call, *stream) : Result::invalid_handle;
  });
}

Result begin(Call& call, Stream& stream, int mode, Graph* graph, std::vector<Node*> tail) {
  if (mode < 0 || mode > 2) return Result::invalid_value;
  if (stream.capture != nullptr) return Result::illegal_state;
  // The legacy stream is what all others wait for: it is not captured.
  if (&stream == stream.context->default_stream) return Result::stream_capture_unsupported;
  const bool own = graph == nullptr;
  if (own) graph = call.engine.graphs.make();
  stream.capture = std::make_shared<Capture>(Capture{.graph = graph, .origin = &stream, .id = call.engine.next_id(), .mode = mode,
                                                     .owns_graph = own});
  stream.tail = std::move(tail);
  return Result::success;
}

/// Whether every stream that joined the capture was joined back: its last nodes come before the origin's.
bool is_joined(Engine& engine, const Stream& origin) {
  std::set<const Node*> before;
  std::vector<const Node*> open(origin.tail.begin(), origin.tail.end());
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (before.insert(node).second) open.insert(open.end(), node->after.begin(), node->after.end());
  }
  for (const auto& s : engine.streams) {
    if (s->capture != origin.capture) continue;
    for (const Node* node : s->tail) {
      if (before.count(node) == 0) return false;
    }
  }
  return true;
}

Result end(Call& call, Stream& stream, Graph** graph) {
  const std::shared_ptr<Capture> capture = stream.capture;
  if (capture == nullptr) return Result::illegal_state;
  if (capture->origin != &stream) {
    capture->invalidated = true;
    return Result::stream_capture_unmatched;
  }
  const bool joined = is_joined(call.engine, stream);
  for (const auto& s : call.engine.streams) {
    if (s->capture != capture) continue;
    s->capture = nullptr;
    s->tail.clear();
  }
  Graph* made = capture->graph;
  capture->graph = nullptr;   // events that were recorded in it stand for nothing now
  if (capture->invalidated || !joined) {
    if (capture->owns_graph) drop_graph(made);
    give(graph, nullptr);
    return capture->invalidated ? Result::stream_capture_invalidated : Result::stream_capture_unjoined;
  }
  *graph = made;
  return Result::success;
}

int status(const Stream& stream) {
  return stream.capture == nullptr ? 0 : stream.capture->invalidated ? 2 : 1;
}

bool are_nodes(Engine& engine, const Graph* graph, Node* const* nodes, std::size_t count) {
  if (nodes == nullptr && count != 0) return false;
  return std::all_of(nodes, nodes + count, [&](Node* n) { return engine.nodes.holds(n) && n->graph == graph; });
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuStreamBeginCapture_v2(Stream* stream, int mode) {
  return with(stream, [&](Call& call, Stream& s) { return begin(call, s, mode, nullptr, {}); });
}

TRIPTYCH_CU Result cuStreamBeginCaptureToGraph(Stream* stream, Graph* graph, Node* const* nodes, const void*,
                                               std::size_t count, int mode) {
  return with(stream, [&](Call& call, Stream& s) {
    if (!call.engine.graphs.holds(graph) || !are_nodes(call.engine, graph, nodes, count)) return Result::invalid_value;
    return begin(call, s, mode, graph, {nodes, nodes + count});
  });
}

TRIPTYCH_CU Result cuStreamEndCapture(Stream* stream, Graph** graph) {
  return with(stream, [&](Call& call, Stream& s) { return graph != nullptr ? end(call, s, graph) : Result::invalid_value; });
}

TRIPTYCH_CU Result cuStreamIsCapturing(Stream* stream, int* to) {
  return with(stream, [&](Call&, Stream& s) {
    give(to, status(s));
    return to != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuStreamGetCaptureInfo_v3(Stream* stream, int* to, std::uint64_t* id, Graph** graph, Node* const** nodes,
                                             const void** edges, std::size_t* count) {
  return with(stream, [&](Call&, Stream& s) {
    if (to == nullptr) return Result::invalid_value;
    *to = status(s);
    give(edges, nullptr);
    if (*to != 1) return Result::success;
    give(id, s.capture->id);
    give(graph, s.capture->graph);
    give(nodes, s.tail.data());
    give(count, s.tail.size());
    return Result::success;
  });
}
TRIPTYCH_CU Result cuStreamGetCaptureInfo_v2(Stream* stream, int* to, std::uint64_t* id, Graph** graph, Node* const** nodes,
                                             std::size_t* count) {
  return cuStreamGetCaptureInfo_v3(stream, to, id, graph, nodes, nullptr, count);
}
TRIPTYCH_CU Result cuStreamGetCaptureInfo(Stream* stream, int* to, std::uint64_t* id) {
  return cuStreamGetCaptureInfo_v3(stream, to, id, nullptr, nullptr, nullptr, nullptr);
}

/// CU_STREAM_ADD_CAPTURE_DEPENDENCIES (0) or _SET_ (1).
TRIPTYCH_CU Result cuStreamUpdateCaptureDependencies_v2(Stream* stream, Node* const* nodes, const void*, std::size_t count,
                                                        unsigned flags) {
  return with(stream, [&](Call& call, Stream& s) {
    if (s.capture == nullptr) return Result::illegal_state;
    if (flags > 1 || !are_nodes(call.engine, s.capture->graph, nodes, count)) return Result::invalid_value;
    if (flags == 1) s.tail.clear();
    s.tail.insert(s.tail.end(), nodes, nodes + count);
    return Result::success;
  });
}
TRIPTYCH_CU Result cuStreamUpdateCaptureDependencies(Stream* stream, Node* const* nodes, std::size_t count, unsigned flags) {
  return cuStreamUpdateCaptureDependencies_v2(stream, nodes, nullptr, count, flags);
}

/// Which calls a capture forbids to its thread: none here, but the mode is kept.
TRIPTYCH_CU Result cuThreadExchangeStreamCaptureMode(int* mode) {
  thread_local int current = 0;
  if (mode == nullptr || *mode < 0 || *mode > 2) return Result::invalid_value;
  std::swap(current, *mode);
  return Result::success;
}
TRIPTYCH_CU_ALIAS(cuStreamBeginCapture_v2_ptsz, cuStreamBeginCapture_v2)
TRIPTYCH_CU_ALIAS(cuStreamBeginCaptureToGraph_ptsz, cuStreamBeginCaptureToGraph)
TRIPTYCH_CU_ALIAS(cuStreamEndCapture_ptsz, cuStreamEndCapture)
TRIPTYCH_CU_ALIAS(cuStreamIsCapturing_ptsz, cuStreamIsCapturing)
TRIPTYCH_CU_ALIAS(cuStreamGetCaptureInfo_v3_ptsz, cuStreamGetCaptureInfo_v3)
TRIPTYCH_CU_ALIAS(cuStreamGetCaptureInfo_v2_ptsz, cuStreamGetCaptureInfo_v2)
TRIPTYCH_CU_ALIAS(cuStreamGetCaptureInfo_ptsz, cuStreamGetCaptureInfo)
TRIPTYCH_CU_ALIAS(cuStreamUpdateCaptureDependencies_v2_ptsz, cuStreamUpdateCaptureDependencies_v2)
TRIPTYCH_CU_ALIAS(cuStreamUpdateCaptureDependencies_ptsz, cuStreamUpdateCaptureDependencies)
