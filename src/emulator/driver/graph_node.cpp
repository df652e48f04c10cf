// Graphs' nodes: made, asked and changed, in a graph and in an instantiated one.
#include "emulator/driver/graph_node.h"

#include <algorithm>
#include <cstring>

namespace triptych::emulator::driver {
namespace {

Result kernel(Call& call, const KernelNodeParameters* p, Operation& operation) {
  if (p == nullptr) return Result::invalid_value;
  LaunchShape shape{.shared = p->shared};
  std::copy_n(p->grid, 3, shape.grid.begin());
  std::copy_n(p->block, 3, shape.block.begin());
  Context& context = p->context != nullptr && call.engine.contexts.holds(p->context) ? *p->context : *call.context;
  KernelOperation k;
  if (const auto* old = std::get_if<KernelOperation>(&operation)) {
    // Attributes stay when parameters change.
    shape.cooperative = old->cooperative;
    shape.programmatic = old->programmatic;
    if (old->cluster != Extent3{1, 1, 1}) shape.cluster = old->cluster;
  }
  const void* const function = p->function != nullptr ? p->function : p->kernel;
  const Result r = prepare(context, function, shape, p->parameters, p->extra, k);
  if (r == Result::success) operation = std::move(k);
  return r;
}

Result copy(Call& call, const Copy3D* p, Operation& operation) {
  CopyOperation c;
  if (const Result r = operation_of(p, c); r != Result::success) return r;
  if (c.to == 0 || c.from == 0 || c.width == 0 || c.height == 0 || c.depth == 0) return Result::invalid_value;
  const auto reaches = [&](const Side3D& side, std::uint64_t at, std::size_t pitch, std::size_t slice) {
    return side.type != 2 || holds(call.engine, at, span(c.width, c.height, c.depth, pitch, slice));
  };
  if (!reaches(p->from, c.from, c.from_pitch, c.from_slice) || !reaches(p->to, c.to, c.to_pitch, c.to_slice)) return Result::invalid_value;
  operation = std::move(c);
  return Result::success;
}

Result fill(Call& call, const MemsetNodeParameters* p, Operation& operation) {
  if (p == nullptr) return Result::invalid_value;
  const FillOperation f{p->to, p->pitch, p->width, p->height, p->value, p->element};
  const Result r = check(call.engine, f);
  if (r == Result::success) operation = f;
  return r;
}

}  // namespace

Result make_operation(Call& call, int type, const void* p, Operation& operation) {
  if (p == nullptr && type != 5) return Result::invalid_value;
  const auto event = [&]() -> Event* {
    Event* e = *static_cast<Event* const*>(p);
    return call.engine.events.holds(e) ? e : nullptr;
  };
  switch (type) {
    case 0: return kernel(call, static_cast<const KernelNodeParameters*>(p), operation);
    case 1: return copy(call, static_cast<const Copy3D*>(p), operation);
    case 2: return fill(call, static_cast<const MemsetNodeParameters*>(p), operation);
    case 3: {
      const auto& h = *static_cast<const HostNodeParameters*>(p);
      if (h.function == nullptr) return Result::invalid_value;
      operation = HostOperation{h.function, h.data};
      return Result::success;
    }
    case 4: {
      const Graph* child = *static_cast<Graph* const*>(p);
      if (!call.engine.graphs.holds(child)) return Result::invalid_value;
      operation = PlanOperation{.graph = clone_graph(*child)};
      return Result::success;
    }
    case 5: operation = EmptyOperation{}; return Result::success;
    case 6:
      if (event() == nullptr) return Result::invalid_handle;
      operation = WaitOperation{event(), 0};
      return Result::success;
    case 7:
      if (event() == nullptr) return Result::invalid_handle;
      operation = RecordOperation{event(), 0};
      return Result::success;
    default: return Result::not_supported;
  }
}

namespace {

Result add(Node** node, Graph* graph, Node* const* after, std::size_t count, int type, const void* parameters) {
  return in_context([&](Call& call) {
    if (node == nullptr || (after == nullptr && count != 0)) return Result::invalid_value;
    if (!call.engine.graphs.holds(graph)) return Result::invalid_value;
    const bool known = std::all_of(after, after + count, [&](Node* n) { return call.engine.nodes.holds(n) && n->graph == graph; });
    if (!known) return Result::invalid_value;
    Operation operation = EmptyOperation{};
    const Result r = make_operation(call, type, parameters, operation);
    if (r == Result::success) *node = add_node(*graph, std::move(operation), {after, after + count});
    return r;
  });
}

/// Changes a node's operation, of the same type as it has.
Result set(Node* node, int type, const void* parameters) {
  return in_context([&](Call& call) {
    if (!call.engine.nodes.holds(node) || type_of(node->operation) != type) return Result::invalid_value;
    return make_operation(call, type, parameters, node->operation);
  });
}

Result set(GraphExec* executable, const Node* node, int type, const void* parameters) {
  return in_context([&](Call& call) {
    if (!call.engine.executables.holds(executable)) return Result::invalid_value;
    // Runs that are enqueued keep the plan that they began with.
    auto plan = std::make_shared<Plan>(*executable->plan);
    for (Plan::Step& step : plan->steps) {
      if (step.node != node || type_of(step.operation) != type) continue;
      const Result r = make_operation(call, type, parameters, step.operation);
      if (r == Result::success) executable->plan = plan;
      return r;
    }
    return Result::invalid_value;
  });
}

/// With the operation of a node, of the type O.
template <class O, class Body>
Result get(Node* node, const void* to, Body&& body) {
  return in_context([&](Call& call) {
    if (to == nullptr || !call.engine.nodes.holds(node)) return Result::invalid_value;
    const O* operation = std::get_if<O>(&node->operation);
    if (operation == nullptr) return Result::invalid_value;
    body(*operation);
    return Result::success;
  });
}

/// CUgraphNodeParams: a type, padding, and at 16 what the type has.
const void* inner(const void* parameters) {
  const auto* bytes = static_cast<const char*>(parameters);
  const int type = *static_cast<const int*>(parameters);
  return bytes + 16 + (type == 1 ? 16 : 0);   // a copy's description follows flags and a context
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

/// Add…, …SetParams and Exec…SetParams of one type of node. The context, where there is one, changes nothing.
#define TRIPTYCH_NODE(Name, form, type, Type, ...)                                                                     \
  TRIPTYCH_CU Result cuGraphAdd##Name##Node##form(Node** node, Graph* graph, Node* const* after, std::size_t count,    \
                                                  const Type* p __VA_OPT__(, ) __VA_ARGS__) {                          \
    return add(node, graph, after, count, type, p);                                                                    \
  }                                                                                                                    \
  TRIPTYCH_CU Result cuGraph##Name##NodeSetParams##form(Node* node, const Type* p) { return set(node, type, p); }      \
  TRIPTYCH_CU Result cuGraphExec##Name##NodeSetParams##form(GraphExec* executable, Node* node,                         \
                                                            const Type* p __VA_OPT__(, ) __VA_ARGS__) {                \
    return set(executable, node, type, p);                                                                             \
  }

TRIPTYCH_NODE(Kernel, _v2, 0, KernelNodeParameters)
TRIPTYCH_NODE(Memcpy, , 1, Copy3D, Context*)
TRIPTYCH_NODE(Memset, , 2, MemsetNodeParameters, Context*)
TRIPTYCH_NODE(Host, , 3, HostNodeParameters)

/// The same for events, which are given themselves.
#define TRIPTYCH_EVENT_NODE(Name, type, O)                                                                              \
  TRIPTYCH_CU Result cuGraphAdd##Name##Node(Node** node, Graph* graph, Node* const* after, std::size_t count,           \
                                            Event* event) {                                                             \
    return add(node, graph, after, count, type, &event);                                                                \
  }                                                                                                                     \
  TRIPTYCH_CU Result cuGraph##Name##NodeSetEvent(Node* node, Event* event) { return set(node, type, &event); }          \
  TRIPTYCH_CU Result cuGraphExec##Name##NodeSetEvent(GraphExec* executable, Node* node, Event* event) {                 \
    return set(executable, node, type, &event);                                                                         \
  }                                                                                                                     \
  TRIPTYCH_CU Result cuGraph##Name##NodeGetEvent(Node* node, Event** event) {                                           \
    return get<O>(node, event, [&](const O& o) { *event = o.event; });                                                  \
  }

TRIPTYCH_EVENT_NODE(EventWait, 6, WaitOperation)
TRIPTYCH_EVENT_NODE(EventRecord, 7, RecordOperation)

TRIPTYCH_CU Result cuGraphAddEmptyNode(Node** node, Graph* graph, Node* const* after, std::size_t count) {
  return add(node, graph, after, count, 5, nullptr);
}
TRIPTYCH_CU Result cuGraphAddChildGraphNode(Node** node, Graph* graph, Node* const* after, std::size_t count, Graph* child) {
  return add(node, graph, after, count, 4, &child);
}
TRIPTYCH_CU Result cuGraphChildGraphNodeGetGraph(Node* node, Graph** child) {
  return get<PlanOperation>(node, child, [&](const PlanOperation& p) { *child = p.graph; });
}

TRIPTYCH_CU Result cuGraphAddNode_v2(Node** node, Graph* graph, Node* const* after, const void*, std::size_t count, void* parameters) {
  if (parameters == nullptr) return Result::invalid_value;
  return add(node, graph, after, count, *static_cast<int*>(parameters), inner(parameters));
}
TRIPTYCH_CU Result cuGraphAddNode(Node** node, Graph* graph, Node* const* after, std::size_t count, void* parameters) {
  return cuGraphAddNode_v2(node, graph, after, nullptr, count, parameters);
}
TRIPTYCH_CU Result cuGraphNodeSetParams(Node* node, void* parameters) {
  if (parameters == nullptr) return Result::invalid_value;
  return set(node, *static_cast<int*>(parameters), inner(parameters));
}
TRIPTYCH_CU Result cuGraphExecNodeSetParams(GraphExec* executable, Node* node, void* parameters) {
  if (parameters == nullptr) return Result::invalid_value;
  return set(executable, node, *static_cast<int*>(parameters), inner(parameters));
}

/// CUkernelNodeAttrID: what a launch's attributes are; the hints are heard and forgotten.
TRIPTYCH_CU Result cuGraphKernelNodeSetAttribute(Node* node, LaunchAttributeId which, const LaunchAttributeValue* value) {
  return in_context([&](Call& call) {
    if (value == nullptr || !call.engine.nodes.holds(node)) return Result::invalid_value;
    auto* const k = std::get_if<KernelOperation>(&node->operation);
    if (k == nullptr || call.engine.functions.count(k->function) == 0) return Result::invalid_value;
    KernelOperation changed = *k;
    if (which == LaunchAttributeId::cooperative) changed.cooperative = value->number != 0;
    if (which == LaunchAttributeId::programmatic_serialization) changed.programmatic = value->number != 0;
    if (which == LaunchAttributeId::cluster_dimension) std::copy_n(value->cluster, 3, changed.cluster.begin());
    const auto& c = changed.cluster;
    if (c[0] == 0 || c[1] == 0 || c[2] == 0 || c[0] > 16 || c[1] > 16 || c[2] > 16) return Result::invalid_cluster_size;
    if (!call.engine.machine().refuse(*launch_of(*call.context, changed)).empty()) return Result::invalid_value;
    *k = std::move(changed);
    return Result::success;
  });
}
TRIPTYCH_CU Result cuGraphKernelNodeGetAttribute(Node* node, LaunchAttributeId which, LaunchAttributeValue* value) {
  return get<KernelOperation>(node, value, [&](const KernelOperation& k) {
    *value = {};
    if (which == LaunchAttributeId::cooperative) value->number = k.cooperative;
    if (which == LaunchAttributeId::programmatic_serialization) value->number = k.programmatic;
    if (which == LaunchAttributeId::cluster_dimension) std::copy_n(k.cluster.begin(), 3, value->cluster);
  });
}

/// The pointers to the arguments stay good until the node changes.
TRIPTYCH_CU Result cuGraphKernelNodeGetParams_v2(Node* node, KernelNodeParameters* to) {
  return get<KernelOperation>(node, to, [&](const KernelOperation& k) {
    *to = {.function = k.function, .shared = k.shared};
    std::copy_n(k.grid.begin(), 3, to->grid);
    std::copy_n(k.block.begin(), 3, to->block);
    node->argument_pointers.clear();
    if (Engine::get().functions.count(k.function) == 0) return;   // its module is gone
    for (const auto* parameter : k.function->code->source->parameters) {
      const auto* at = k.parameters.data() + k.function->code->parameter_at.at(parameter);
      node->argument_pointers.push_back(const_cast<std::uint8_t*>(at));
    }
    to->parameters = node->argument_pointers.data();
  });
}

TRIPTYCH_CU Result cuGraphMemcpyNodeGetParams(Node* node, Copy3D* to) {
  return get<CopyOperation>(node, to, [&](const CopyOperation& c) {
    *to = {.width = c.width, .height = c.height, .depth = c.depth};
    const auto side = [](std::uint64_t at, std::size_t pitch, std::size_t slice) {
      return Side3D{.type = 4, .device = at, .pitch = pitch, .height = pitch != 0 ? slice / pitch : 0};
    };
    to->from = side(c.from, c.from_pitch, c.from_slice);
    to->to = side(c.to, c.to_pitch, c.to_slice);
  });
}

TRIPTYCH_CU Result cuGraphMemsetNodeGetParams(Node* node, MemsetNodeParameters* to) {
  return get<FillOperation>(node, to, [&](const FillOperation& f) { *to = {f.to, f.pitch, f.value, f.element, f.width, f.height}; });
}

TRIPTYCH_CU Result cuGraphHostNodeGetParams(Node* node, HostNodeParameters* to) {
  return get<HostOperation>(node, to, [&](const HostOperation& h) { *to = {h.function, h.data}; });
}
