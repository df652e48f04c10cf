// Graphs.
#include "emulator/runtime/copy_description.h"

namespace triptych::emulator::runtime {
namespace {

/// cudaKernelNodeParams.
struct KernelParameters {
  const void* function;
  Dim3 grid, block;
  std::uint32_t shared;
  void **parameters, **extra;
};

/// The driver's description of a kernel node, and what is done with it.
template <class Body>
Result with_kernel(const KernelParameters* p, Body&& body) {
  return on_device([&] {
    if (p == nullptr) return Result::invalid_value;
    const void* kernel = nullptr;
    if (const Result r = kernel_of(p->function, kernel); r != Result::success) return r;
    const KernelNodeParameters driver{.function = const_cast<void*>(kernel),
                                      .grid = {p->grid.x, p->grid.y, p->grid.z},
                                      .block = {p->block.x, p->block.y, p->block.z},
                                      .shared = p->shared,
                                      .parameters = p->parameters,
                                      .extra = p->extra};
    return body(&driver);
  });
}

}  // namespace
}  // namespace triptych::emulator::runtime

using namespace triptych::emulator::runtime;

TRIPTYCH_FORWARD(cudaGraphCreate, cuGraphCreate, (Graph * *graph, unsigned flags), (graph, flags))
TRIPTYCH_FORWARD(cudaGraphDestroy, cuGraphDestroy, (Graph * graph), (graph))
TRIPTYCH_FORWARD(cudaGraphClone, cuGraphClone, (Graph * *copy, Graph* graph), (copy, graph))
TRIPTYCH_FORWARD(cudaGraphInstantiate, cuGraphInstantiateWithFlags, (GraphExec * *executable, Graph* graph, unsigned long long flags),
                 (executable, graph, flags))
TRIPTYCH_FORWARD(cudaGraphExecUpdate, cuGraphExecUpdate_v2, (GraphExec * executable, Graph* graph, UpdateInfo* info), (executable, graph, info))
TRIPTYCH_FORWARD(cudaGraphUpload, cuGraphUpload, (GraphExec * executable, Stream* stream), (executable, stream))
TRIPTYCH_FORWARD(cudaGraphLaunch, cuGraphLaunch, (GraphExec * executable, Stream* stream), (executable, stream))
TRIPTYCH_FORWARD(cudaGraphExecDestroy, cuGraphExecDestroy, (GraphExec * executable), (executable))
TRIPTYCH_FORWARD(cudaGraphGetNodes, cuGraphGetNodes, (Graph * graph, Node** nodes, std::size_t* count), (graph, nodes, count))
TRIPTYCH_FORWARD(cudaGraphGetRootNodes, cuGraphGetRootNodes, (Graph * graph, Node** nodes, std::size_t* count), (graph, nodes, count))
TRIPTYCH_FORWARD(cudaGraphGetEdges, cuGraphGetEdges_v2, (Graph * graph, Node** from, Node** to, void* edges, std::size_t* count),
                 (graph, from, to, edges, count))
TRIPTYCH_FORWARD(cudaGraphNodeGetType, cuGraphNodeGetType, (Node * node, int* type), (node, type))
TRIPTYCH_FORWARD(cudaGraphNodeGetDependencies, cuGraphNodeGetDependencies_v2, (Node * node, Node** nodes, void* edges, std::size_t* count),
                 (node, nodes, edges, count))
TRIPTYCH_FORWARD(cudaGraphDestroyNode, cuGraphDestroyNode, (Node * node), (node))
TRIPTYCH_FORWARD(cudaGraphAddDependencies, cuGraphAddDependencies_v2,
                 (Graph * graph, Node* const* from, Node* const* to, const void* edges, std::size_t count), (graph, from, to, edges, count))

TRIPTYCH_FORWARD(cudaGraphAddEmptyNode, cuGraphAddEmptyNode, (Node * *node, Graph* graph, Node* const* after, std::size_t count),
                 (node, graph, after, count))
TRIPTYCH_FORWARD(cudaGraphAddChildGraphNode, cuGraphAddChildGraphNode,
                 (Node * *node, Graph* graph, Node* const* after, std::size_t count, Graph* child), (node, graph, after, count, child))
TRIPTYCH_FORWARD(cudaGraphAddEventRecordNode, cuGraphAddEventRecordNode,
                 (Node * *node, Graph* graph, Node* const* after, std::size_t count, Event* event), (node, graph, after, count, event))
TRIPTYCH_FORWARD(cudaGraphAddEventWaitNode, cuGraphAddEventWaitNode,
                 (Node * *node, Graph* graph, Node* const* after, std::size_t count, Event* event), (node, graph, after, count, event))
TRIPTYCH_FORWARD(cudaGraphAddHostNode, cuGraphAddHostNode,
                 (Node * *node, Graph* graph, Node* const* after, std::size_t count, const HostNodeParameters* p), (node, graph, after, count, p))
TRIPTYCH_FORWARD(cudaGraphAddMemsetNode, cuGraphAddMemsetNode,
                 (Node * *node, Graph* graph, Node* const* after, std::size_t count, const MemsetNodeParameters* p),
                 (node, graph, after, count, p, nullptr))

TRIPTYCH_CUDA Result cudaGraphAddMemcpyNode(Node** node, Graph* graph, Node* const* after, std::size_t count, const Copy3DParameters* p) {
  return with_copy(p, [&](const Copy3D* copy) { return cuGraphAddMemcpyNode(node, graph, after, count, copy, nullptr); });
}
TRIPTYCH_CUDA Result cudaGraphAddMemcpyNode1D(Node** node, Graph* graph, Node* const* after, std::size_t count, void* to, const void* from,
                                              std::size_t bytes, int kind) {
  return with_row(to, from, bytes, kind, [&](const Copy3D* copy) { return cuGraphAddMemcpyNode(node, graph, after, count, copy, nullptr); });
}
TRIPTYCH_CUDA Result cudaGraphAddKernelNode(Node** node, Graph* graph, Node* const* after, std::size_t count, const KernelParameters* p) {
  return with_kernel(p, [&](const KernelNodeParameters* k) { return cuGraphAddKernelNode_v2(node, graph, after, count, k); });
}
TRIPTYCH_CUDA Result cudaGraphKernelNodeSetParams(Node* node, const KernelParameters* p) {
  return with_kernel(p, [&](const KernelNodeParameters* k) { return cuGraphKernelNodeSetParams_v2(node, k); });
}
TRIPTYCH_CUDA Result cudaGraphExecKernelNodeSetParams(GraphExec* executable, Node* node, const KernelParameters* p) {
  return with_kernel(p, [&](const KernelNodeParameters* k) { return cuGraphExecKernelNodeSetParams_v2(executable, node, k); });
}
TRIPTYCH_CUDA_ALIAS(cudaGraphInstantiateWithFlags, cudaGraphInstantiate)
TRIPTYCH_CUDA_ALIAS(cudaGraphUpload_ptsz, cudaGraphUpload)
TRIPTYCH_CUDA_ALIAS(cudaGraphLaunch_ptsz, cudaGraphLaunch)
