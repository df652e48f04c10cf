// Graphs of operations: nodes, order, copies.
#include "emulator/driver/graph.h"

#include <algorithm>
#include <map>

#include "emulator/driver/engine.h"

namespace triptych::emulator::driver {

Graph* child_of(const Node& node) {
  const auto* child = std::get_if<PlanOperation>(&node.operation);
  return child != nullptr ? child->graph : nullptr;
}

void drop_graph(Graph* graph) {
  for (Node* node : graph->nodes) {
    if (Graph* child = child_of(*node)) drop_graph(child);
    Engine::get().nodes.drop(node);
  }
  Engine::get().graphs.drop(graph);
}

Node* add_node(Graph& graph, Operation operation, std::vector<Node*> after) {
  Node* node = Engine::get().nodes.make(Node{.graph = &graph, .operation = std::move(operation), .after = std::move(after)});
  graph.nodes.push_back(node);
  return node;
}

std::shared_ptr<Plan> plan_of(const Graph& graph) {
  auto plan = std::make_shared<Plan>();
  std::map<const Node*, std::size_t> place;
  // Nodes usually come after what they wait for already: then one round is enough.
  while (place.size() < graph.nodes.size()) {
    const std::size_t before = place.size();
    for (const Node* node : graph.nodes) {
      if (place.count(node) != 0) continue;
      Plan::Step step{.node = node, .operation = node->operation};
      for (const Node* other : node->after) {
        if (const auto found = place.find(other); found != place.end()) step.after.push_back(found->second);
      }
      if (step.after.size() < node->after.size()) continue;
      if (const Graph* child = child_of(*node)) {
        auto& inner = std::get<PlanOperation>(step.operation);
        inner.plan = plan_of(*child);
        if (inner.plan == nullptr) return nullptr;
      }
      place[node] = plan->steps.size();
      plan->steps.push_back(std::move(step));
    }
    if (place.size() == before) return nullptr;
  }
  return plan;
}

Graph* clone_graph(const Graph& graph) {
  Graph* copy = Engine::get().graphs.make();
  std::map<const Node*, Node*> twin;
  for (const Node* node : graph.nodes) {
    Operation operation = node->operation;
    if (const Graph* child = child_of(*node)) std::get<PlanOperation>(operation).graph = clone_graph(*child);
    twin[node] = add_node(*copy, std::move(operation), {});
    twin[node]->original = node;
  }
  for (const Node* node : graph.nodes) {
    for (const Node* other : node->after) twin[node]->after.push_back(twin[other]);
  }
  return copy;
}

}  // namespace triptych::emulator::driver
