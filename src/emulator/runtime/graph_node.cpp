// Graphs' nodes, as the driver has them.
#include "emulator/runtime/copy_description.h"

using namespace triptych::emulator::runtime;

TRIPTYCH_FORWARD(cudaGraphNodeFindInClone, cuGraphNodeFindInClone, (Node * *found, Node* original, Graph* clone), (found, original, clone))
TRIPTYCH_FORWARD(cudaGraphNodeGetDependentNodes, cuGraphNodeGetDependentNodes_v2, (Node * node, Node** nodes, void* edges, std::size_t* count),
                 (node, nodes, edges, count))
TRIPTYCH_FORWARD(cudaGraphRemoveDependencies, cuGraphRemoveDependencies_v2,
                 (Graph * graph, Node* const* from, Node* const* to, const void* edges, std::size_t count), (graph, from, to, edges, count))
TRIPTYCH_FORWARD(cudaGraphNodeSetEnabled, cuGraphNodeSetEnabled, (GraphExec * executable, Node* node, unsigned enabled),
                 (executable, node, enabled))
TRIPTYCH_FORWARD(cudaGraphNodeGetEnabled, cuGraphNodeGetEnabled, (GraphExec * executable, Node* node, unsigned* enabled),
                 (executable, node, enabled))
TRIPTYCH_FORWARD(cudaGraphInstantiateWithParams, cuGraphInstantiateWithParams,
                 (GraphExec * *executable, Graph* graph, InstantiateParameters* parameters), (executable, graph, parameters))
TRIPTYCH_FORWARD(cudaGraphExecGetFlags, cuGraphExecGetFlags, (GraphExec * executable, std::uint64_t* flags), (executable, flags))
TRIPTYCH_FORWARD(cudaGraphChildGraphNodeGetGraph, cuGraphChildGraphNodeGetGraph, (Node * node, Graph** child), (node, child))
TRIPTYCH_FORWARD(cudaGraphKernelNodeSetAttribute, cuGraphKernelNodeSetAttribute,
                 (Node * node, LaunchAttributeId which, const LaunchAttributeValue* value), (node, which, value))
TRIPTYCH_FORWARD(cudaGraphKernelNodeGetAttribute, cuGraphKernelNodeGetAttribute,
                 (Node * node, LaunchAttributeId which, LaunchAttributeValue* value), (node, which, value))

TRIPTYCH_FORWARD(cudaGraphHostNodeGetParams, cuGraphHostNodeGetParams, (Node * node, HostNodeParameters* to), (node, to))
TRIPTYCH_FORWARD(cudaGraphHostNodeSetParams, cuGraphHostNodeSetParams, (Node * node, const HostNodeParameters* p), (node, p))
TRIPTYCH_FORWARD(cudaGraphExecHostNodeSetParams, cuGraphExecHostNodeSetParams, (GraphExec * executable, Node* node, const HostNodeParameters* p),
                 (executable, node, p))
TRIPTYCH_FORWARD(cudaGraphMemsetNodeGetParams, cuGraphMemsetNodeGetParams, (Node * node, MemsetNodeParameters* to), (node, to))
TRIPTYCH_FORWARD(cudaGraphMemsetNodeSetParams, cuGraphMemsetNodeSetParams, (Node * node, const MemsetNodeParameters* p), (node, p))
TRIPTYCH_FORWARD(cudaGraphExecMemsetNodeSetParams, cuGraphExecMemsetNodeSetParams,
                 (GraphExec * executable, Node* node, const MemsetNodeParameters* p), (executable, node, p, nullptr))
TRIPTYCH_FORWARD(cudaGraphEventRecordNodeGetEvent, cuGraphEventRecordNodeGetEvent, (Node * node, Event** event), (node, event))
TRIPTYCH_FORWARD(cudaGraphEventRecordNodeSetEvent, cuGraphEventRecordNodeSetEvent, (Node * node, Event* event), (node, event))
TRIPTYCH_FORWARD(cudaGraphExecEventRecordNodeSetEvent, cuGraphExecEventRecordNodeSetEvent, (GraphExec * executable, Node* node, Event* event),
                 (executable, node, event))
TRIPTYCH_FORWARD(cudaGraphEventWaitNodeGetEvent, cuGraphEventWaitNodeGetEvent, (Node * node, Event** event), (node, event))
TRIPTYCH_FORWARD(cudaGraphEventWaitNodeSetEvent, cuGraphEventWaitNodeSetEvent, (Node * node, Event* event), (node, event))
TRIPTYCH_FORWARD(cudaGraphExecEventWaitNodeSetEvent, cuGraphExecEventWaitNodeSetEvent, (GraphExec * executable, Node* node, Event* event),
                 (executable, node, event))

TRIPTYCH_CUDA Result cudaGraphMemcpyNodeSetParams(Node* node, const Copy3DParameters* p) {
  return with_copy(p, [&](const Copy3D* copy) { return cuGraphMemcpyNodeSetParams(node, copy); });
}
TRIPTYCH_CUDA Result cudaGraphExecMemcpyNodeSetParams(GraphExec* executable, Node* node, const Copy3DParameters* p) {
  return with_copy(p, [&](const Copy3D* copy) { return cuGraphExecMemcpyNodeSetParams(executable, node, copy, nullptr); });
}
TRIPTYCH_CUDA Result cudaGraphMemcpyNodeSetParams1D(Node* node, void* to, const void* from, std::size_t bytes, int kind) {
  return with_row(to, from, bytes, kind, [&](const Copy3D* copy) { return cuGraphMemcpyNodeSetParams(node, copy); });
}
TRIPTYCH_CUDA Result cudaGraphExecMemcpyNodeSetParams1D(GraphExec* executable, Node* node, void* to, const void* from, std::size_t bytes,
                                                        int kind) {
  return with_row(to, from, bytes, kind, [&](const Copy3D* copy) { return cuGraphExecMemcpyNodeSetParams(executable, node, copy, nullptr); });
}
TRIPTYCH_CUDA_ALIAS(cudaGraphInstantiateWithParams_ptsz, cudaGraphInstantiateWithParams)
