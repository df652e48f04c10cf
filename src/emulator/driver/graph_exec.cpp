// Graphs: made, copied, instantiated, launched.
#include <algorithm>
#include <cstdio>

#include "emulator/driver/graph_node.h"

namespace triptych::emulator::driver {
namespace {

template <class Body>
Result with(const Graph* graph, Body&& body) {
  return in_engine([&](Engine& engine, auto&) {
    return engine.graphs.holds(graph) ? body(engine) : Result::invalid_value;
  });
}

template <class Body>
Result with_node(const Node* node, Body&& body) {
  return in_engine([&](Engine& engine, auto&) { return engine.nodes.holds(node) ? body(engine) : Result::invalid_value; });
}

/// The usual list: how many there are without a place for them, else as many as fit, the rest null.
Result list(const std::vector<Node*>& all, Node** to, std::size_t* count) {
  if (count == nullptr) return Result::invalid_value;
  if (to != nullptr) {
    for (std::size_t i = 0; i < *count; ++i) to[i] = i < all.size() ? all[i] : nullptr;
    *count = std::min(*count, all.size());
  } else {
    *count = all.size();
  }
  return Result::success;
}

Result instantiate(Engine& engine, GraphExec** executable, const Graph& graph, std::uint64_t flags) {
  constexpr std::uint64_t known = 1 | 2 | 8;   // free on launch, upload, node priorities
  if (executable == nullptr || (flags & ~known) != 0) return (flags & 4) != 0 ? Result::not_supported : Result::invalid_value;
  auto plan = plan_of(graph);
  if (plan == nullptr) return Result::invalid_value;
  *executable = engine.executables.make(GraphExec{.plan = std::move(plan), .flags = flags});
  return Result::success;
}

/// Whether all that a plan names is still there.
bool is_alive(Engine& engine, const Plan& plan) {
  return std::all_of(plan.steps.begin(), plan.steps.end(), [&](const Plan::Step& step) {
    if (const auto* k = std::get_if<KernelOperation>(&step.operation)) return engine.functions.count(k->function) != 0;
    if (const auto* p = std::get_if<PlanOperation>(&step.operation)) return is_alive(engine, *p->plan);
    return true;
  });
}

/// Whether some stream is recorded into the graph.
bool is_captured(Engine& engine, const Graph* graph) {
  return std::any_of(engine.streams.begin(), engine.streams.end(),
                     [&](const auto& s) { return s->capture != nullptr && s->capture->graph == graph; });
}

/// Adds or removes edges, all or none.
Result change(Graph* graph, Node* const* from, Node* const* to, std::size_t count, bool adding) {
  return with(graph, [&](Engine& engine) {
    if (count != 0 && (from == nullptr || to == nullptr)) return Result::invalid_value;
    for (std::size_t i = 0; i < count; ++i) {
      const bool ours = engine.nodes.holds(from[i]) && engine.nodes.holds(to[i]) && from[i]->graph == graph && to[i]->graph == graph;
      if (!ours || from[i] == to[i]) return Result::invalid_value;
      const auto& after = to[i]->after;
      if ((std::find(after.begin(), after.end(), from[i]) != after.end()) == adding) return Result::invalid_value;
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (adding) {
        to[i]->after.push_back(from[i]);
      } else {
        std::erase(to[i]->after, from[i]);
      }
    }
    return Result::success;
  });
}

int difference(const Plan& old, const Plan& plan) {
  if (old.steps.size() != plan.steps.size()) return 2;
  for (std::size_t i = 0; i < old.steps.size(); ++i) {
    if (old.steps[i].after != plan.steps[i].after) return 2;
    if (old.steps[i].operation.index() != plan.steps[i].operation.index()) return 3;
  }
  return 0;
}

}  // namespace
}  // namespace triptych::emulator::driver

using namespace triptych::emulator::driver;

TRIPTYCH_CU Result cuGraphCreate(Graph** graph, unsigned flags) {
  return in_engine([&](Engine& engine, auto&) {
    if (graph == nullptr || flags != 0) return Result::invalid_value;
    *graph = engine.graphs.make();
    return Result::success;
  });
}

TRIPTYCH_CU Result cuGraphClone(Graph** copy, Graph* graph) {
  return with(graph, [&](Engine&) {
    if (copy == nullptr) return Result::invalid_value;
    *copy = clone_graph(*graph);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuGraphDestroy(Graph* graph) {
  return with(graph, [&](Engine& engine) {
    const bool held = std::any_of(engine.nodes.begin(), engine.nodes.end(), [&](const auto& n) { return child_of(*n) == graph; });
    if (held || is_captured(engine, graph)) return Result::illegal_state;
    drop_graph(graph);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuGraphNodeFindInClone(Node** found, Node* original, Graph* clone) {
  return with(clone, [&](Engine&) {
    if (found == nullptr) return Result::invalid_value;
    for (Node* node : clone->nodes) {
      if (node->original != original) continue;
      *found = node;
      return Result::success;
    }
    return Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuGraphNodeGetType(Node* node, int* type) {
  return with_node(node, [&](Engine&) {
    give(type, type_of(node->operation));
    return type != nullptr ? Result::success : Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuGraphGetNodes(Graph* graph, Node** nodes, std::size_t* count) {
  return with(graph, [&](Engine&) { return list(graph->nodes, nodes, count); });
}

TRIPTYCH_CU Result cuGraphGetRootNodes(Graph* graph, Node** nodes, std::size_t* count) {
  return with(graph, [&](Engine&) {
    std::vector<Node*> roots = graph->nodes;
    std::erase_if(roots, [](const Node* n) { return !n->after.empty(); });
    return list(roots, nodes, count);
  });
}

TRIPTYCH_CU Result cuGraphGetEdges_v2(Graph* graph, Node** from, Node** to, void*, std::size_t* count) {
  return with(graph, [&](Engine&) {
    if (count == nullptr || (from == nullptr) != (to == nullptr)) return Result::invalid_value;
    std::vector<Node*> begins, ends;
    for (Node* node : graph->nodes) {
      begins.insert(begins.end(), node->after.begin(), node->after.end());
      ends.resize(begins.size(), node);
    }
    std::size_t places = *count;
    list(begins, from, &places);
    return list(ends, to, count);
  });
}

TRIPTYCH_CU Result cuGraphNodeGetDependencies_v2(Node* node, Node** nodes, void*, std::size_t* count) {
  return with_node(node, [&](Engine&) { return list(node->after, nodes, count); });
}

TRIPTYCH_CU Result cuGraphNodeGetDependentNodes_v2(Node* node, Node** nodes, void*, std::size_t* count) {
  return with_node(node, [&](Engine&) {
    std::vector<Node*> all = node->graph->nodes;
    std::erase_if(all, [&](const Node* n) { return std::find(n->after.begin(), n->after.end(), node) == n->after.end(); });
    return list(all, nodes, count);
  });
}

TRIPTYCH_CU Result cuGraphAddDependencies_v2(Graph* graph, Node* const* from, Node* const* to, const void*, std::size_t count) {
  return change(graph, from, to, count, true);
}
TRIPTYCH_CU Result cuGraphRemoveDependencies_v2(Graph* graph, Node* const* from, Node* const* to, const void*, std::size_t count) {
  return change(graph, from, to, count, false);
}

TRIPTYCH_CU Result cuGraphDestroyNode(Node* node) {
  return with_node(node, [&](Engine& engine) {
    if (is_captured(engine, node->graph)) return Result::illegal_state;
    for (Node* other : node->graph->nodes) std::erase(other->after, node);
    std::erase(node->graph->nodes, node);
    if (Graph* child = child_of(*node)) drop_graph(child);
    engine.nodes.drop(node);
    return Result::success;
  });
}

TRIPTYCH_CU Result cuGraphInstantiateWithFlags(GraphExec** executable, Graph* graph, unsigned long long flags) {
  return with(graph, [&](Engine& engine) { return instantiate(engine, executable, *graph, flags); });
}

TRIPTYCH_CU Result cuGraphInstantiateWithParams(GraphExec** executable, Graph* graph, InstantiateParameters* parameters) {
  return with(graph, [&](Engine& engine) {
    if (parameters == nullptr) return Result::invalid_value;
    const Result r = instantiate(engine, executable, *graph, parameters->flags);
    parameters->error = nullptr;
    parameters->result = r == Result::success ? 0 : r == Result::invalid_value ? 2 : 1;
    return r;
  });
}

TRIPTYCH_CU Result cuGraphExecGetFlags(GraphExec* executable, std::uint64_t* flags) {
  return in_engine([&](Engine& engine, auto&) {
    if (flags == nullptr || !engine.executables.holds(executable)) return Result::invalid_value;
    *flags = executable->flags;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuGraphExecUpdate_v2(GraphExec* executable, Graph* graph, UpdateInfo* info) {
  return with(graph, [&](Engine& engine) {
    if (info == nullptr || !engine.executables.holds(executable)) return Result::invalid_value;
    const auto plan = plan_of(*graph);
    *info = {plan == nullptr ? 1 : difference(*executable->plan, *plan), nullptr, nullptr};
    if (info->result != 0) return Result::graph_exec_update_failure;
    // Nodes of the first graph still name the steps.
    for (std::size_t i = 0; i < plan->steps.size(); ++i) plan->steps[i].node = executable->plan->steps[i].node;
    executable->plan = plan;
    return Result::success;
  });
}

TRIPTYCH_CU Result cuGraphNodeSetEnabled(GraphExec* executable, Node* node, unsigned enabled) {
  return in_engine([&](Engine& engine, auto&) {
    if (!engine.executables.holds(executable)) return Result::invalid_value;
    auto plan = std::make_shared<Plan>(*executable->plan);
    for (Plan::Step& step : plan->steps) {
      if (step.node != node || type_of(step.operation) > 2) continue;
      step.enabled = enabled != 0;
      executable->plan = plan;
      return Result::success;
    }
    return Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuGraphNodeGetEnabled(GraphExec* executable, Node* node, unsigned* enabled) {
  return in_engine([&](Engine& engine, auto&) {
    if (enabled == nullptr || !engine.executables.holds(executable)) return Result::invalid_value;
    for (const Plan::Step& step : executable->plan->steps) {
      if (step.node != node) continue;
      *enabled = step.enabled;
      return Result::success;
    }
    return Result::invalid_value;
  });
}

TRIPTYCH_CU Result cuGraphUpload(GraphExec* executable, Stream* stream) {
  return in_context([&](Call& call) {
    if (!call.engine.executables.holds(executable)) return Result::invalid_value;
    return call.stream(stream) != nullptr ? Result::success : Result::invalid_handle;
  });
}

/// Launched while a stream is captured, the graph becomes a node of the other.
TRIPTYCH_CU Result cuGraphLaunch(GraphExec* executable, Stream* stream) {
  return in_context([&](Call& call) {
    if (!call.engine.executables.holds(executable)) return Result::invalid_value;
    if (call.stream(stream) == nullptr || !is_alive(call.engine, *executable->plan)) return Result::invalid_handle;
    return call.enqueue(stream, PlanOperation{.plan = executable->plan});
  });
}

TRIPTYCH_CU Result cuGraphExecDestroy(GraphExec* executable) {
  return in_engine([&](Engine& engine, auto&) {
    if (!engine.executables.holds(executable)) return Result::invalid_value;
    engine.executables.drop(executable);
    return Result::success;
  });
}
TRIPTYCH_CU_ALIAS(cuGraphInstantiateWithParams_ptsz, cuGraphInstantiateWithParams)
TRIPTYCH_CU_ALIAS(cuGraphUpload_ptsz, cuGraphUpload)
TRIPTYCH_CU_ALIAS(cuGraphLaunch_ptsz, cuGraphLaunch)
