// Streams, events and graphs through the Driver API: order, values to wait for, capture and replay, nodes made one
// by one, updates.
// ctest: timeout=60 labels=sanitize needs=triptych_emulator_driver
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "driver_api.h"

namespace triptych::emulator::test {
namespace {

class DriverGraph : public DriverTest {
 protected:
  void SetUp() override {
    DriverTest::SetUp();
    module_ = module(simple_kernels);
    add_ = function(module_, "add");
    wait_ = function(module_, "wait");
    stream_ = stream();
  }
  Handle event(unsigned flags = 0) {
    Handle e = nullptr;
    EXPECT_EQ(cu("cuEventCreate", &e, flags), success);
    return e;
  }
  int begin(Handle s, int mode = 0) { return cu("cuStreamBeginCapture_v2", s, mode); }
  int end(Handle s, Handle& graph) { return cu("cuStreamEndCapture", s, &graph); }
  Handle instantiate(Handle graph) {
    Handle executable = nullptr;
    EXPECT_EQ(cu("cuGraphInstantiateWithFlags", &executable, graph, 0ull), success);
    return executable;
  }
  std::size_t nodes(Handle graph) {
    std::size_t count = 0;
    EXPECT_EQ(cu("cuGraphGetNodes", graph, static_cast<Handle*>(nullptr), &count), success);
    return count;
  }
  std::uint32_t word(Address at) { return get<std::uint32_t>(at, 1)[0]; }
  int set(Address at, std::uint32_t value) { return cu("cuMemsetD32_v2", at, value, std::size_t{1}); }

  Handle module_ = nullptr, add_ = nullptr, wait_ = nullptr, stream_ = nullptr;
};

TEST_F(DriverGraph, EventsOrderStreams) {
  const Address gate = put<std::uint32_t>({0}), to = put<std::uint32_t>({0});
  const Handle other = stream(), e = event(), late = event(), untimed = event(2);
  EXPECT_EQ(cu("cuEventQuery", e), success) << "never recorded";
  float ms = -1;
  EXPECT_EQ(cu("cuEventElapsedTime", &ms, e, late), invalid_handle);
  ASSERT_EQ(launch(wait_, 1, 1, stream_, gate), success);
  ASSERT_EQ(launch(add_, 1, 1, stream_, to, 1u), success);
  ASSERT_EQ(cu("cuEventRecord", e, stream_), success);
  ASSERT_EQ(cu("cuStreamWaitEvent", other, e, 0u), success);
  ASSERT_EQ(launch(add_, 1, 1, other, to, 10u), success);
  ASSERT_EQ(cu("cuEventRecord", late, other), success);
  EXPECT_EQ(cu("cuEventQuery", late), not_ready);
  EXPECT_EQ(cu("cuStreamQuery", other), not_ready);
  EXPECT_EQ(cu("cuEventElapsedTime", &ms, e, late), not_ready);
  ASSERT_EQ(cu("cuStreamWriteValue32_v2", stream(), gate, 1u, 0u), success);
  ASSERT_EQ(cu("cuEventSynchronize", late), success);
  EXPECT_EQ(cu("cuStreamQuery", other), success);
  EXPECT_EQ(word(to), 11u);
  EXPECT_EQ(cu("cuEventElapsedTime", &ms, e, late), success);
  EXPECT_GE(ms, 0);
  ASSERT_EQ(cu("cuEventRecord", untimed, stream_), success);
  ASSERT_EQ(cu("cuStreamSynchronize", stream_), success);
  EXPECT_EQ(cu("cuEventElapsedTime", &ms, e, untimed), invalid_handle);
  EXPECT_EQ(cu("cuEventDestroy_v2", e), success);
  EXPECT_EQ(cu("cuEventDestroy_v2", e), invalid_handle);
}

TEST_F(DriverGraph, TheDefaultStreamWaitsForBlockingOnes) {
  const Address gate = put<std::uint32_t>({0}), to = put<std::uint32_t>({0});
  const Handle blocking = stream(0);
  ASSERT_EQ(launch(wait_, 1, 1, blocking, gate), success);
  ASSERT_EQ(launch(add_, 1, 1, nullptr, to, 1u), success);
  EXPECT_EQ(cu("cuStreamQuery", static_cast<Handle>(nullptr)), not_ready);
  std::uint32_t now = 9;
  Handle free = stream();
  ASSERT_EQ(cu("cuMemcpyDtoHAsync_v2", static_cast<void*>(&now), to, std::size_t{4}, free), success);
  EXPECT_EQ(now, 0u);
  ASSERT_EQ(cu("cuStreamWriteValue32_v2", free, gate, 1u, 0u), success);
  ASSERT_EQ(cu("cuStreamSynchronize", static_cast<Handle>(nullptr)), success);
  EXPECT_EQ(word(to), 1u);
  int priority = 9;
  unsigned flags = 9;
  Handle first = nullptr;
  ASSERT_EQ(cu("cuStreamCreateWithPriority", &first, 1u, -9), success);
  ASSERT_EQ(cu("cuStreamGetPriority", first, &priority), success);
  EXPECT_EQ(priority, -5) << "the greatest there is";
  ASSERT_EQ(cu("cuStreamGetFlags", blocking, &flags), success);
  EXPECT_EQ(flags, 0u);
}

TEST_F(DriverGraph, StreamsWaitForValuesThatTheHostWrites) {
  Address managed = 0;
  ASSERT_EQ(cu("cuMemAllocManaged", &managed, std::size_t{16}, 1u), success);
  auto* const words = reinterpret_cast<std::uint32_t*>(managed);
  words[0] = words[1] = words[2] = words[3] = 0;
  const Address to = put<std::uint32_t>({0});
  struct {
    unsigned comparison;
    std::uint64_t wanted, before, after;
  } const cases[] = {{0, 5, 4, 6}, {1, 5, 6, 5}, {2, 6, 1, 2}, {3, ~0xFull, 0xF, 0}};
  for (const bool wide : {false, true}) {
    for (const auto& c : cases) {
      std::atomic_ref(reinterpret_cast<std::uint64_t*>(managed)[0]).store(c.before);
      if (c.comparison == 3) {
        // NOR: ready once a bit is 0 in both.
        std::atomic_ref(reinterpret_cast<std::uint64_t*>(managed)[0]).store(wide ? c.before : 0xFu);
      }
      ASSERT_EQ(set(to, 0), success);
      ASSERT_EQ(wide ? cu("cuStreamWaitValue64_v2", stream_, managed, c.wanted, c.comparison)
                     : cu("cuStreamWaitValue32_v2", stream_, managed, static_cast<std::uint32_t>(c.wanted), c.comparison), success);
      ASSERT_EQ(launch(add_, 1, 1, stream_, to, 1u), success);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      EXPECT_EQ(cu("cuStreamQuery", stream_), not_ready) << c.comparison;
      std::atomic_ref(reinterpret_cast<std::uint64_t*>(managed)[0]).store(c.after);
      ASSERT_EQ(cu("cuStreamSynchronize", stream_), success);
      EXPECT_EQ(word(to), 1u);
    }
  }
  ASSERT_EQ(cu("cuStreamWriteValue64_v2", stream_, managed + 8, std::uint64_t{0x100000002}, 0u), success);
  ASSERT_EQ(cu("cuStreamSynchronize", stream_), success);
  EXPECT_EQ(words[2], 2u);
  EXPECT_EQ(words[3], 1u);
  EXPECT_EQ(cu("cuStreamWaitValue32_v2", stream_, managed + 2, 0u, 0u), invalid_value);
  EXPECT_EQ(cu("cuStreamWaitValue32_v2", stream_, Address{64}, 0u, 0u), invalid_value);
}

TEST_F(DriverGraph, WhatIsCapturedIsDoneAtEachLaunch) {
  const Address to = put<std::uint32_t>({0, 0, 0, 0});
  std::vector<std::uint32_t> back(4);
  struct Seen {
    std::vector<std::uint32_t>* back;
    std::uint32_t first = 0, calls = 0;
  } seen{&back};
  void (*const look)(void*) = [](void* data) {
    auto& s = *static_cast<Seen*>(data);
    s.first = (*s.back)[0];
    ++s.calls;
  };
  int status = -1;
  ASSERT_EQ(begin(stream_), success);
  EXPECT_EQ(begin(stream_), illegal_state);
  ASSERT_EQ(cu("cuStreamIsCapturing", stream_, &status), success);
  EXPECT_EQ(status, 1);
  ASSERT_EQ(cu("cuMemsetD32Async", to, 5u, std::size_t{4}, stream_), success);
  ASSERT_EQ(launch(add_, 1, 4, stream_, to, 2u), success);
  ASSERT_EQ(cu("cuMemcpyDtoHAsync_v2", static_cast<void*>(back.data()), to, std::size_t{16}, stream_), success);
  ASSERT_EQ(cu("cuLaunchHostFunc", stream_, look, static_cast<void*>(&seen)), success);
  Handle graph = nullptr;
  ASSERT_EQ(end(stream_, graph), success);
  EXPECT_EQ(nodes(graph), 4u);
  EXPECT_EQ(get<std::uint32_t>(to, 4), std::vector<std::uint32_t>(4, 0)) << "nothing was done yet";
  Handle all[5] = {};
  std::size_t count = 5;
  ASSERT_EQ(cu("cuGraphGetNodes", graph, static_cast<Handle*>(all), &count), success);
  EXPECT_EQ(count, 4u);
  const int types[] = {2, 0, 1, 3};
  for (int i = 0; i < 4; ++i) {
    int type = -1;
    EXPECT_EQ(cu("cuGraphNodeGetType", all[i], &type), success);
    EXPECT_EQ(type, types[i]);
  }
  const Handle executable = instantiate(graph);
  EXPECT_EQ(cu("cuGraphDestroy", graph), success) << "what was instantiated lives on";
  for (std::uint32_t i = 1; i <= 3; ++i) {
    ASSERT_EQ(cu("cuGraphLaunch", executable, stream_), success);
    ASSERT_EQ(cu("cuStreamSynchronize", stream_), success);
    EXPECT_EQ(back, std::vector<std::uint32_t>(4, 7));
    EXPECT_EQ(seen.first, 7u);
    EXPECT_EQ(seen.calls, i);
  }
  EXPECT_EQ(cu("cuGraphExecDestroy", executable), success);
  EXPECT_EQ(cu("cuGraphLaunch", executable, stream_), invalid_value);
}

TEST_F(DriverGraph, StreamsJoinACaptureByEvents) {
  const Address a = put<std::uint32_t>({0}), b = put<std::uint32_t>({0});
  const Handle other = stream(), fork = event(), join = event();
  Handle graph = nullptr;
  ASSERT_EQ(begin(stream_), success);
  ASSERT_EQ(launch(add_, 1, 1, stream_, a, 1u), success);
  ASSERT_EQ(cu("cuEventRecord", fork, stream_), success);
  ASSERT_EQ(cu("cuStreamWaitEvent", other, fork, 0u), success);
  // The two branches wait for each other: they must run at the same time.
  ASSERT_EQ(launch(wait_, 1, 1, stream_, b), success);
  ASSERT_EQ(launch(add_, 1, 1, other, b, 1u), success);
  ASSERT_EQ(cu("cuEventRecord", join, other), success);
  ASSERT_EQ(cu("cuStreamWaitEvent", stream_, join, 0u), success);
  ASSERT_EQ(launch(add_, 1, 1, stream_, a, 1u), success);
  ASSERT_EQ(end(stream_, graph), success);
  std::size_t edges = 0, roots = 0;
  ASSERT_EQ(cu("cuGraphGetEdges_v2", graph, static_cast<Handle*>(nullptr), static_cast<Handle*>(nullptr), static_cast<void*>(nullptr),
               &edges), success);
  ASSERT_EQ(cu("cuGraphGetRootNodes", graph, static_cast<Handle*>(nullptr), &roots), success);
  EXPECT_EQ(edges, 4u);
  EXPECT_EQ(roots, 1u);
  ASSERT_EQ(cu("cuGraphLaunch", instantiate(graph), stream_), success);
  ASSERT_EQ(cu("cuStreamSynchronize", stream_), success);
  EXPECT_EQ(word(a), 2u);
  EXPECT_EQ(word(b), 1u);
}

TEST_F(DriverGraph, WhatACaptureForbids) {
  const Handle other = stream(), blocking = stream(0), e = event(), outside = event();
  const Address a = put<std::uint32_t>({0});
  Handle graph = nullptr;
  EXPECT_EQ(begin(nullptr), capture_unsupported) << "the legacy stream";
  EXPECT_EQ(end(stream_, graph), illegal_state);
  ASSERT_EQ(begin(stream_), success);
  EXPECT_EQ(cu("cuStreamSynchronize", stream_), capture_unsupported);
  EXPECT_EQ(launch(add_, 1, 1, stream_, a, 1u), capture_invalidated);
  EXPECT_EQ(end(stream_, graph), capture_invalidated);
  EXPECT_EQ(graph, nullptr);
  ASSERT_EQ(begin(stream_), success);
  ASSERT_EQ(launch(add_, 1, 1, stream_, a, 1u), success);
  ASSERT_EQ(cu("cuEventRecord", e, stream_), success);
  ASSERT_EQ(cu("cuStreamWaitEvent", other, e, 0u), success);
  ASSERT_EQ(launch(add_, 1, 1, other, a, 1u), success);
  EXPECT_EQ(end(stream_, graph), capture_unjoined);
  ASSERT_EQ(cu("cuEventRecord", outside, other), success);
  ASSERT_EQ(begin(stream_), success);
  EXPECT_EQ(cu("cuStreamWaitEvent", stream_, outside, 0u), capture_isolation);
  EXPECT_EQ(end(stream_, graph), capture_invalidated);
  ASSERT_EQ(begin(blocking), success);
  EXPECT_EQ(launch(add_, 1, 1, nullptr, a, 1u), capture_implicit);
  EXPECT_EQ(end(blocking, graph), capture_invalidated);
  EXPECT_EQ(word(a), 0u);
}

/// CUDA_KERNEL_NODE_PARAMS_v2 and CUDA_MEMSET_NODE_PARAMS.
struct KernelNode {
  Handle function;
  unsigned grid[3], block[3], shared;
  void **parameters, **extra;
  Handle kernel, context;
};
struct FillNode {
  Address to;
  std::size_t pitch;
  unsigned value, element;
  std::size_t width, height;
};

TEST_F(DriverGraph, NodesMadeOneByOne) {
  Address a = put<std::uint32_t>({0});
  std::uint32_t n = 3;
  void* parameters[] = {&a, &n};
  KernelNode k{add_, {1, 1, 1}, {1, 1, 1}, 0, parameters, nullptr, nullptr, nullptr};
  FillNode f{a, 0, 10, 4, 1, 1};
  Handle graph = nullptr, fill = nullptr, kernel = nullptr, empty = nullptr, twin = nullptr, copy = nullptr;
  const auto none = static_cast<Handle*>(nullptr);
  ASSERT_EQ(cu("cuGraphCreate", &graph, 0u), success);
  ASSERT_EQ(cu("cuGraphAddKernelNode_v2", &kernel, graph, none, std::size_t{0}, &k), success);
  ASSERT_EQ(cu("cuGraphAddMemsetNode", &fill, graph, none, std::size_t{0}, &f, context_), success);
  ASSERT_EQ(cu("cuGraphAddEmptyNode", &empty, graph, &kernel, std::size_t{1}), success);
  ASSERT_EQ(cu("cuGraphAddDependencies_v2", graph, &fill, &kernel, static_cast<void*>(nullptr), std::size_t{1}), success);
  EXPECT_EQ(cu("cuGraphAddDependencies_v2", graph, &fill, &kernel, static_cast<void*>(nullptr), std::size_t{1}), invalid_value);
  Handle executable = instantiate(graph);
  const auto result = [&](Handle one) {
    EXPECT_EQ(cu("cuGraphLaunch", one, stream_), success);
    EXPECT_EQ(cu("cuStreamSynchronize", stream_), success);
    return word(a);
  };
  EXPECT_EQ(result(executable), 13u);
  n = 5;
  ASSERT_EQ(cu("cuGraphExecKernelNodeSetParams_v2", executable, kernel, &k), success);
  EXPECT_EQ(result(executable), 15u);
  EXPECT_EQ(result(instantiate(graph)), 13u) << "the graph itself is as it was";
  ASSERT_EQ(cu("cuGraphNodeSetEnabled", executable, kernel, 0u), success);
  EXPECT_EQ(result(executable), 10u);
  KernelNode got{};
  ASSERT_EQ(cu("cuGraphKernelNodeGetParams_v2", kernel, &got), success);
  EXPECT_EQ(got.function, add_);
  EXPECT_EQ(*static_cast<std::uint32_t*>(got.parameters[1]), 3u);
  ASSERT_EQ(cu("cuGraphClone", &copy, graph), success);
  ASSERT_EQ(cu("cuGraphNodeFindInClone", &twin, kernel, copy), success);
  ASSERT_EQ(cu("cuGraphKernelNodeSetParams_v2", twin, &k), success);
  EXPECT_EQ(result(instantiate(copy)), 15u);
  struct {
    int result;
    Handle node, from;
  } info{};
  ASSERT_EQ(cu("cuGraphNodeSetEnabled", executable, kernel, 1u), success);
  ASSERT_EQ(cu("cuGraphExecUpdate_v2", executable, copy, &info), success);
  EXPECT_EQ(result(executable), 15u);
  ASSERT_EQ(cu("cuGraphDestroyNode", twin), success);
  EXPECT_EQ(cu("cuGraphExecUpdate_v2", executable, copy, &info), update_failure);
  EXPECT_EQ(info.result, 2) << "the topology";
  // A graph in a graph, and a cycle.
  Handle outer = nullptr, child = nullptr, after = nullptr, refused = nullptr;
  ASSERT_EQ(cu("cuGraphCreate", &outer, 0u), success);
  ASSERT_EQ(cu("cuGraphAddChildGraphNode", &child, outer, none, std::size_t{0}, graph), success);
  ASSERT_EQ(cu("cuGraphAddKernelNode_v2", &after, outer, &child, std::size_t{1}, &k), success);
  EXPECT_EQ(result(instantiate(outer)), 18u);
  ASSERT_EQ(cu("cuGraphAddDependencies_v2", outer, &after, &child, static_cast<void*>(nullptr), std::size_t{1}), success);
  EXPECT_EQ(cu("cuGraphInstantiateWithFlags", &refused, outer, 0ull), invalid_value);
  Handle inner = nullptr;
  ASSERT_EQ(cu("cuGraphChildGraphNodeGetGraph", child, &inner), success);
  EXPECT_EQ(cu("cuGraphDestroy", inner), illegal_state) << "a node holds it";
  EXPECT_EQ(cu("cuGraphDestroy", outer), success);
  // A graph that is launched into a capture is a node of it.
  Handle captured = nullptr;
  ASSERT_EQ(begin(stream_), success);
  ASSERT_EQ(cu("cuGraphLaunch", executable, stream_), success);
  ASSERT_EQ(launch(add_, 1, 1, stream_, a, 1u), success);
  ASSERT_EQ(end(stream_, captured), success);
  EXPECT_EQ(nodes(captured), 2u);
  EXPECT_EQ(result(instantiate(captured)), 16u);
  EXPECT_EQ(cu("cuGraphDestroy", captured), success);
  // What a graph names may be gone.
  ASSERT_EQ(cu("cuModuleUnload", module_), success);
  EXPECT_EQ(cu("cuGraphLaunch", executable, stream_), invalid_handle);
}

}  // namespace
}  // namespace triptych::emulator::test
