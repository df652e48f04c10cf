// Launches through the Driver API: shapes, attributes, clusters, cooperative grids, faults, green contexts.
// ctest: timeout=60 labels=sanitize needs=triptych_emulator_driver
#include <atomic>
#include <cstring>

#include "driver_api.h"

namespace triptych::emulator::test {
namespace {

class DriverLaunch : public DriverTest {};

/// CUlaunchAttribute and CUlaunchConfig.
struct Attribute {
  int id, padding;
  std::uint32_t value[16];
};
struct Config {
  unsigned grid[3], block[3], shared;
  Handle stream;
  Attribute* attributes;
  unsigned count;
};

constexpr const char* shape_kernels = R"(
.version 8.0
.target sm_90
.address_size 64
// to[ctaid] = CTAs of the cluster
.visible .entry clusters(.param .u64 to)
{
.reg .b32 r<3>; .reg .b64 a<2>;
ld.param.u64 a0, [to];
mov.u32 r0, %ctaid.x;
mov.u32 r1, %cluster_nctarank;
mad.wide.u32 a1, r0, 4, a0;
st.global.u32 [a1], r1;
ret;
}
// to[ctaid] = the SM
.visible .entry places(.param .u64 to)
{
.reg .b32 r<3>; .reg .b64 a<2>;
ld.param.u64 a0, [to];
mov.u32 r0, %ctaid.x;
mov.u32 r1, %smid;
mad.wide.u32 a1, r0, 4, a0;
st.global.u32 [a1], r1;
ret;
}
.visible .entry needs_two() .reqnctapercluster 2, 1, 1
{
ret;
}
.visible .entry at_most_64() .maxntid 64, 1, 1
{
ret;
}
// Every CTA adds 1 to the barrier's word of the grid's workspace and waits for all of them; then to[ctaid] = sum.
.visible .entry grid_wait(.param .u64 to)
{
.reg .b32 r<6>; .reg .b64 a<4>; .reg .pred p;
ld.param.u64 a0, [to];
mov.u32 r0, %envreg1;
mov.u32 r1, %envreg2;
mov.b64 a1, {r1, r0};
mov.u32 r2, %nctaid.x;
atom.add.release.gpu.global.u32 r3, [a1+4], 1;
AGAIN:
ld.acquire.gpu.global.u32 r4, [a1+4];
setp.lt.u32 p, r4, r2;
@p bra AGAIN;
mov.u32 r5, %ctaid.x;
mad.wide.u32 a2, r5, 4, a0;
st.global.u32 [a2], r4;
ret;
}
// Lets the next grid begin, then waits for its word.
.visible .entry first(.param .u64 word)
{
.reg .b32 r; .reg .b64 a; .reg .pred p;
ld.param.u64 a, [word];
griddepcontrol.launch_dependents;
AGAIN:
ld.volatile.global.u32 r, [a];
setp.eq.u32 p, r, 0;
@p bra AGAIN;
mov.u32 r, 5;
st.global.u32 [a+4], r;
ret;
}
// Gives the first grid its word; what that one writes is there after the wait.
.visible .entry second(.param .u64 word)
{
.reg .b32 r; .reg .b64 a;
ld.param.u64 a, [word];
mov.u32 r, 1;
st.volatile.global.u32 [a], r;
griddepcontrol.wait;
ld.global.u32 r, [a+4];
st.global.u32 [a+8], r;
ret;
}
)";

TEST_F(DriverLaunch, ArgumentsBothWays) {
  const Handle m = module(simple_kernels), add = function(m, "add");
  const Address to = put<std::uint32_t>({1, 2, 3, 4});
  EXPECT_EQ(launch(add, 2, 2, nullptr, to, 10u), success);
  EXPECT_EQ(get<std::uint32_t>(to, 4), (std::vector<std::uint32_t>{11, 12, 13, 14}));
  struct {
    Address to;
    std::uint32_t n, padding;
  } buffer{to, 100, 0};
  std::size_t bytes = 12;
  void* extra[] = {reinterpret_cast<void*>(1), &buffer, reinterpret_cast<void*>(2), &bytes, nullptr};
  const auto with_extra = [&] {
    return cu("cuLaunchKernel", add, 1u, 1u, 1u, 4u, 1u, 1u, 0u, static_cast<Handle>(nullptr), static_cast<void**>(nullptr),
              static_cast<void**>(extra));
  };
  EXPECT_EQ(with_extra(), success);
  EXPECT_EQ(get<std::uint32_t>(to, 4), (std::vector<std::uint32_t>{111, 112, 113, 114}));
  bytes = 4096;
  EXPECT_EQ(with_extra(), invalid_value);
  void* null_argument[] = {nullptr, nullptr};
  EXPECT_EQ(cu("cuLaunchKernel", add, 1u, 1u, 1u, 4u, 1u, 1u, 0u, static_cast<Handle>(nullptr), static_cast<void**>(null_argument),
               static_cast<void**>(nullptr)), invalid_value);
}

TEST_F(DriverLaunch, ShapesThatTheDeviceRefuses) {
  const Handle m = module(shape_kernels), f = function(m, "at_most_64"), two = function(m, "needs_two");
  const auto shaped = [&](Handle k, unsigned gx, unsigned gy, unsigned bx, unsigned bz, unsigned shared) {
    return cu("cuLaunchKernel", k, gx, gy, 1u, bx, 1u, bz, shared, static_cast<Handle>(nullptr), static_cast<void**>(nullptr),
              static_cast<void**>(nullptr));
  };
  EXPECT_EQ(shaped(f, 1, 1, 64, 1, 0), success);
  EXPECT_EQ(shaped(f, 1, 1, 65, 1, 0), invalid_value) << ".maxntid";
  EXPECT_EQ(shaped(f, 0, 1, 1, 1, 0), invalid_value);
  EXPECT_EQ(shaped(f, 1, 65536, 1, 1, 0), invalid_value);
  EXPECT_EQ(shaped(f, 1, 1, 1, 65, 0), invalid_value);
  EXPECT_EQ(shaped(f, 1, 1, 1, 1, 49153), invalid_value) << "more shared memory than the function asked for";
  EXPECT_EQ(cu("cuFuncSetAttribute", f, 8, 100000), success);
  EXPECT_EQ(shaped(f, 1, 1, 1, 1, 100000), success);
  EXPECT_EQ(cu("cuFuncSetAttribute", f, 8, 232449), invalid_value);
  EXPECT_EQ(shaped(two, 2, 1, 1, 1, 0), success);
  EXPECT_EQ(shaped(two, 3, 1, 1, 1, 0), invalid_value) << "no multiple of the cluster";
}

TEST_F(DriverLaunch, Clusters) {
  const Handle m = module(shape_kernels), f = function(m, "clusters"), two = function(m, "needs_two");
  Address to = put(std::vector<std::uint32_t>(16));
  void* parameters[] = {&to};
  const auto clustered = [&](Handle k, unsigned size) {
    Attribute a{4, 0, {size, 1, 1}};
    const Config config{{16, 1, 1}, {32, 1, 1}, 0, nullptr, &a, 1};
    return cu("cuLaunchKernelEx", &config, k, static_cast<void**>(parameters), static_cast<void**>(nullptr));
  };
  EXPECT_EQ(clustered(f, 4), success);
  EXPECT_EQ(get<std::uint32_t>(to, 16), std::vector<std::uint32_t>(16, 4));
  EXPECT_EQ(clustered(f, 16), invalid_cluster) << "not portable";
  EXPECT_EQ(cu("cuFuncSetAttribute", f, 14, 1), success);
  EXPECT_EQ(clustered(f, 16), success);
  EXPECT_EQ(get<std::uint32_t>(to, 16), std::vector<std::uint32_t>(16, 16));
  EXPECT_EQ(clustered(f, 32), invalid_cluster);
  EXPECT_EQ(clustered(f, 0), invalid_cluster);
  EXPECT_EQ(clustered(two, 4), invalid_cluster) << "the kernel says 2";
  EXPECT_EQ(cu("cuLaunchKernelEx", static_cast<Config*>(nullptr), f, static_cast<void**>(parameters), static_cast<void**>(nullptr)),
            invalid_value);
}

TEST_F(DriverLaunch, ACooperativeGridWaitsForItself) {
  const Handle m = module(shape_kernels), f = function(m, "grid_wait");
  Address to = allocate(132 * 4);
  void* parameters[] = {&to};
  const auto cooperative = [&](unsigned grid) {
    return cu("cuLaunchCooperativeKernel", f, grid, 1u, 1u, 1u, 1u, 1u, 0u, static_cast<Handle>(nullptr), static_cast<void**>(parameters));
  };
  for (int again = 0; again < 2; ++again) {
    ASSERT_EQ(cooperative(132), success);
    EXPECT_EQ(get<std::uint32_t>(to, 132), std::vector<std::uint32_t>(132, 132));
  }
  EXPECT_EQ(cooperative(132 * 32 + 1), too_large);
}

TEST_F(DriverLaunch, AProgrammaticGridBeginsEarly) {
  const Handle m = module(shape_kernels), first = function(m, "first"), second = function(m, "second");
  Address word = put<std::uint32_t>({0, 0, 0});
  void* parameters[] = {&word};
  const Handle s = stream();
  ASSERT_EQ(launch(first, 1, 1, s, word), success);
  Attribute a{6, 0, {1}};
  const Config config{{1, 1, 1}, {1, 1, 1}, 0, s, &a, 1};
  ASSERT_EQ(cu("cuLaunchKernelEx", &config, second, static_cast<void**>(parameters), static_cast<void**>(nullptr)), success);
  ASSERT_EQ(cu("cuStreamSynchronize", s), success) << "the first grid waits for the second";
  EXPECT_EQ(get<std::uint32_t>(word, 3), (std::vector<std::uint32_t>{1, 5, 5}));
}

TEST_F(DriverLaunch, KernelsOfTwoStreamsSignalEachOther) {
  const Handle m = module(simple_kernels), wait = function(m, "wait"), add = function(m, "add");
  const Address word = put<std::uint32_t>({0});
  const Handle a = stream(), b = stream();
  ASSERT_EQ(launch(wait, 1, 1, a, word), success);
  ASSERT_EQ(launch(add, 1, 1, b, word, 1u), success);
  EXPECT_EQ(cu("cuStreamSynchronize", a), success);
}

TEST_F(DriverLaunch, HostFunctionsRunInOrder) {
  struct Seen {
    std::atomic<int> calls{0};
    Address word = 0;
    std::uint32_t value = 0;
  } seen;
  const Handle m = module(simple_kernels), add = function(m, "add");
  ASSERT_EQ(cu("cuMemAllocManaged", &seen.word, std::size_t{4}, 1u), success);
  *reinterpret_cast<std::uint32_t*>(seen.word) = 1;
  const Handle s = stream();
  void (*const call)(void*) = [](void* data) {
    auto& one = *static_cast<Seen*>(data);
    one.value = *reinterpret_cast<const std::uint32_t*>(one.word);
    ++one.calls;
  };
  ASSERT_EQ(launch(add, 1, 1, s, seen.word, 41u), success);
  ASSERT_EQ(cu("cuLaunchHostFunc", s, call, static_cast<void*>(&seen)), success);
  ASSERT_EQ(launch(add, 1, 1, s, seen.word, 1u), success);
  ASSERT_EQ(cu("cuStreamSynchronize", s), success);
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(seen.value, 42u);
  EXPECT_EQ(*reinterpret_cast<std::uint32_t*>(seen.word), 43u);
  void (*const called)(Handle, int, void*) = [](Handle, int, void* data) { ++static_cast<Seen*>(data)->calls; };
  ASSERT_EQ(cu("cuStreamAddCallback", s, called, static_cast<void*>(&seen), 0u), success);
  ASSERT_EQ(cu("cuStreamSynchronize", s), success);
  EXPECT_EQ(seen.calls, 2);
}

TEST_F(DriverLaunch, AFaultStaysUntilTheContextIsReset) {
  const Handle m = module(simple_kernels);
  EXPECT_EQ(launch(function(m, "fault"), 1, 1, nullptr, Address{64}), success);
  EXPECT_EQ(cu("cuCtxSynchronize"), illegal_address);
  Address memory = 0;
  EXPECT_EQ(cu("cuMemAlloc_v2", &memory, std::size_t{4}), illegal_address);
  Handle other = nullptr;
  ASSERT_EQ(cu("cuCtxCreate_v2", &other, 0u, 0), success);
  EXPECT_EQ(cu("cuMemAlloc_v2", &memory, std::size_t{4}), success) << "another context goes on";
  EXPECT_EQ(cu("cuCtxDestroy_v2", other), success);
  EXPECT_EQ(cu("cuDevicePrimaryCtxReset_v2", 0), success);
  EXPECT_EQ(cu("cuCtxSetCurrent", context_), success);
  const Address to = put<std::uint32_t>({1});
  EXPECT_EQ(launch(function(module(simple_kernels), "add"), 1, 1, nullptr, to, 1u), success);
  EXPECT_EQ(get<std::uint32_t>(to, 1)[0], 2u) << "the process lives on";
}

/// CUdevResource.
struct Resource {
  int type;
  unsigned char padding[92];
  unsigned count, least, alignment;
  unsigned char rest[36];
};

TEST_F(DriverLaunch, AGreenContextKeepsToItsSms) {
  Resource all{}, group[2] = {}, rest{};
  ASSERT_EQ(cu("cuDeviceGetDevResource", 0, &all, 1), success);
  EXPECT_EQ(all.count, 132u);
  unsigned groups = 0;
  ASSERT_EQ(cu("cuDevSmResourceSplitByCount", static_cast<Resource*>(nullptr), &groups, &all, static_cast<Resource*>(nullptr), 0u, 10u), success);
  EXPECT_EQ(groups, 8u) << "of 16 SMs";
  groups = 2;
  ASSERT_EQ(cu("cuDevSmResourceSplitByCount", static_cast<Resource*>(group), &groups, &all, &rest, 0u, 10u), success);
  EXPECT_EQ(group[1].count, 16u);
  EXPECT_EQ(rest.count, 100u);
  Handle description = nullptr, green = nullptr, context = nullptr, s = nullptr, back = nullptr;
  ASSERT_EQ(cu("cuDevResourceGenerateDesc", &description, &group[1], 1u), success);
  EXPECT_EQ(cu("cuGreenCtxCreate", &green, description, 0, 0u), invalid_value);
  ASSERT_EQ(cu("cuGreenCtxCreate", &green, description, 0, 1u), success);
  ASSERT_EQ(cu("cuGreenCtxStreamCreate", &s, green, 1u, 0), success);
  ASSERT_EQ(cu("cuStreamGetGreenCtx", s, &back), success);
  EXPECT_EQ(back, green);
  const Handle places = function(module(shape_kernels), "places");
  const Address to = put(std::vector<std::uint32_t>(64, 999));
  ASSERT_EQ(launch(places, 64, 32, s, to), success);
  ASSERT_EQ(cu("cuStreamSynchronize", s), success);
  for (const std::uint32_t sm : get<std::uint32_t>(to, 64)) {
    EXPECT_GE(sm, 16u);
    EXPECT_LT(sm, 32u);
  }
  ASSERT_EQ(cu("cuCtxFromGreenCtx", &context, green), success);
  Resource own{};
  ASSERT_EQ(cu("cuCtxGetDevResource", context, &own, 1), success);
  EXPECT_EQ(own.count, 16u);
  EXPECT_EQ(cu("cuGreenCtxDestroy", green), success);
  EXPECT_EQ(cu("cuGreenCtxDestroy", green), invalid_context);
}

}  // namespace
}  // namespace triptych::emulator::test
