/// \file
/// Operations of streams, and graphs of them.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "emulator/driver/types.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator::driver {

struct Context;
struct Event;
struct Graph;
struct LoadedFunction;
struct Stream;

struct KernelOperation {
  LoadedFunction* function = nullptr;
  Extent3 grid{1, 1, 1}, block{1, 1, 1}, cluster{1, 1, 1};
  std::uint32_t shared = 0;
  bool cooperative = false, programmatic = false;
  std::vector<std::uint8_t> parameters = {};
};

/// A box of bytes: `width` of each row, `height` rows of each slice, `depth` slices.
struct CopyOperation {
  std::uint64_t to = 0, from = 0;
  std::size_t width = 0, height = 1, depth = 1;
  std::size_t to_pitch = 0, from_pitch = 0, to_slice = 0, from_slice = 0;
  std::shared_ptr<std::vector<std::uint8_t>> staged = nullptr;   ///< what `from` points to, if it may change
};

/// `width` elements of each of `height` rows.
struct FillOperation {
  std::uint64_t to = 0;
  std::size_t pitch = 0, width = 0, height = 1;
  std::uint32_t value = 0, element = 1;
};

struct HostOperation {
  HostFunction function = nullptr;
  void* data = nullptr;
};

struct EmptyOperation {};

/// `number` counts the event's records; 0: that of the record which is due, known when the graph runs.
struct RecordOperation {
  Event* event = nullptr;
  std::uint64_t number = 0;
};
struct WaitOperation {
  Event* event = nullptr;
  std::uint64_t number = 0;
};

/// cuStreamWaitValue and cuStreamWriteValue.
struct ValueOperation {
  bool wait = false, wide = false;
  std::uint64_t address = 0, value = 0;
  unsigned comparison = 0;   ///< 0: (int)(*address - value) >= 0, 1: ==, 2: & != 0, 3: ~(*address | value) != 0
};

/// Memory given back in the order of the stream.
struct FreeOperation {
  std::uint64_t address = 0;
};

struct Plan;
/// A graph that runs as one: launched, or a node of another.
struct PlanOperation {
  std::shared_ptr<const Plan> plan = nullptr;
  Graph* graph = nullptr;    ///< of a node: the graph that it holds, whose plan is made when it is instantiated
};

using Operation = std::variant<KernelOperation, CopyOperation, FillOperation, HostOperation, PlanOperation, EmptyOperation,
                               WaitOperation, RecordOperation, ValueOperation, FreeOperation>;

/// CUgraphNodeType of an operation.
int type_of(const Operation& operation);

struct Node {
  Graph* graph = nullptr;
  Operation operation = EmptyOperation{};
  std::vector<Node*> after = {};         ///< what it waits for
  const Node* original = nullptr;        ///< in the graph that this one's was cloned from
  std::vector<void*> argument_pointers = {};   ///< what GetParams gave out
};

struct Graph {
  std::vector<Node*> nodes = {};
};

/// An instantiated graph: nodes in an order in which each comes after what it waits for.
struct Plan {
  struct Step {
    const Node* node = nullptr;          ///< its identity
    Operation operation;
    std::vector<std::size_t> after = {};
    bool enabled = true;
  };
  std::vector<Step> steps = {};
};

struct GraphExec {
  std::shared_ptr<Plan> plan = nullptr;
  std::uint64_t flags = 0;
};

/// A capture under way.
struct Capture {
  Graph* graph = nullptr;
  Stream* origin = nullptr;
  std::uint64_t id = 0;
  int mode = 0;
  bool owns_graph = true;
  bool invalidated = false;
};

/// The graph that a node holds; null if it holds none.
Graph* child_of(const Node& node);
/// Null if it has a cycle.
std::shared_ptr<Plan> plan_of(const Graph& graph);
Node* add_node(Graph& graph, Operation operation, std::vector<Node*> after);
Graph* clone_graph(const Graph& graph);
/// Ends a graph with its nodes and the graphs in them.
void drop_graph(Graph* graph);

}  // namespace triptych::emulator::driver
