// Memory through the Driver API: all its kinds, copies of every shape, fills, virtual ranges, peers.
// ctest: timeout=60 labels=sanitize needs=triptych_emulator_driver
#include <algorithm>
#include <cstring>
#include <numeric>

#include "driver_api.h"

namespace triptych::emulator::test {
namespace {

/// Two devices: the engine reads the environment when it is made.
class DriverMemory : public DriverTest {
 protected:
  static void SetUpTestSuite() { setenv("TRIPTYCH_DEVICES", "2", 1); }
};

/// One side of a copy of two or three dimensions.
struct Side2 {
  std::size_t x, y;
  int type;
  const void* host;
  Address device;
  Handle array;
  std::size_t pitch;
};
struct Copy2 {
  Side2 from, to;
  std::size_t width, height;
};
struct Side3 {
  std::size_t x, y, z, level;
  int type;
  const void* host;
  Address device;
  Handle array, context;
  std::size_t pitch, height;
};
struct Copy3 {
  Side3 from, to;
  std::size_t width, height, depth;
};

std::vector<std::uint8_t> counting(std::size_t count) {
  std::vector<std::uint8_t> v(count);
  std::iota(v.begin(), v.end(), std::uint8_t{0});
  return v;
}

int attribute(int which, Address address, void* to) { return cu("cuPointerGetAttribute", to, which, address); }

TEST_F(DriverMemory, RangesAndTheirAttributes) {
  std::size_t before = 0, after = 0, total = 0, pitch = 0, bytes = 0;
  ASSERT_EQ(cu("cuMemGetInfo_v2", &before, &total), success);
  const Address plain = allocate(1000);
  ASSERT_EQ(cu("cuMemGetInfo_v2", &after, &total), success);
  EXPECT_EQ(before - after, 1000u);
  Address begin = 0, pitched = 0, managed = 0;
  ASSERT_EQ(cu("cuMemGetAddressRange_v2", &begin, &bytes, plain + 999), success);
  EXPECT_EQ(begin, plain);
  EXPECT_EQ(bytes, 1000u);
  EXPECT_EQ(cu("cuMemGetAddressRange_v2", &begin, &bytes, plain + 1000), not_found);
  ASSERT_EQ(cu("cuMemAllocPitch_v2", &pitched, &pitch, std::size_t{600}, std::size_t{3}, 4u), success);
  EXPECT_EQ(pitch, 1024u);
  EXPECT_EQ(cu("cuMemAllocPitch_v2", &pitched, &pitch, std::size_t{600}, std::size_t{3}, 5u), invalid_value);
  ASSERT_EQ(cu("cuMemAllocManaged", &managed, std::size_t{64}, 1u), success);
  unsigned type = 0, is_managed = 0;
  int device = -1;
  EXPECT_EQ(attribute(2, plain, &type), success);
  EXPECT_EQ(type, 2u);
  EXPECT_EQ(attribute(8, managed, &is_managed), success);
  EXPECT_EQ(is_managed, 1u);
  EXPECT_EQ(attribute(9, plain, &device), success);
  EXPECT_EQ(device, 0);
  EXPECT_EQ(attribute(2, Address{64}, &type), invalid_value);
  EXPECT_EQ(attribute(4, plain, &begin), invalid_value) << "the host has no pointer to it";
  int which[] = {2, 9};
  void* places[] = {&type, &device};
  EXPECT_EQ(cu("cuPointerGetAttributes", 2u, static_cast<int*>(which), static_cast<void**>(places), Address{64}), success);
  EXPECT_EQ(type, 0u) << "nobody's";
  EXPECT_EQ(cu("cuMemFree_v2", plain + 1), invalid_value);
  EXPECT_EQ(cu("cuMemFree_v2", plain), success);
  EXPECT_EQ(cu("cuMemFree_v2", plain), invalid_value);
  EXPECT_EQ(cu("cuMemAlloc_v2", &begin, std::size_t{1} << 60), out_of_memory);
}

TEST_F(DriverMemory, HostMemoryThatKernelsUse) {
  const Handle add = function(module(simple_kernels), "add");
  void* pinned = nullptr;
  Address device = 0;
  unsigned flags = 0;
  ASSERT_EQ(cu("cuMemHostAlloc", &pinned, std::size_t{64}, 2u), success);
  ASSERT_EQ(cu("cuMemHostGetDevicePointer_v2", &device, pinned, 0u), success);
  ASSERT_EQ(cu("cuMemHostGetFlags", &flags, pinned), success);
  EXPECT_EQ(flags, 2u);
  *static_cast<std::uint32_t*>(pinned) = 5;
  EXPECT_EQ(launch(add, 1, 1, nullptr, device, 1u), success);
  EXPECT_EQ(cu("cuCtxSynchronize"), success);
  EXPECT_EQ(*static_cast<std::uint32_t*>(pinned), 6u);
  EXPECT_EQ(cu("cuMemFree_v2", device), invalid_value) << "it is freed as host memory";
  EXPECT_EQ(cu("cuMemFreeHost", pinned), success);
  EXPECT_EQ(cu("cuMemFreeHost", pinned), invalid_value);
  std::vector<std::uint32_t> own(16, 8);
  const auto memory = static_cast<void*>(own.data());
  EXPECT_EQ(cu("cuMemHostUnregister", memory), not_registered);
  ASSERT_EQ(cu("cuMemHostRegister_v2", memory, std::size_t{64}, 0u), success);
  EXPECT_EQ(cu("cuMemHostRegister_v2", memory, std::size_t{32}, 0u), already_registered);
  EXPECT_EQ(launch(add, 1, 16, nullptr, reinterpret_cast<Address>(memory), 1u), success);
  EXPECT_EQ(cu("cuCtxSynchronize"), success);
  EXPECT_EQ(own, std::vector<std::uint32_t>(16, 9));
  EXPECT_EQ(cu("cuMemHostUnregister", memory), success);
  EXPECT_EQ(launch(add, 1, 1, nullptr, reinterpret_cast<Address>(memory), 1u), success);
  EXPECT_EQ(cu("cuCtxSynchronize"), illegal_address) << "a kernel sees no memory that was not given to it";
}

TEST_F(DriverMemory, CopiesOfEveryShape) {
  const std::vector<std::uint8_t> source = counting(240);
  const Address a = put(source), b = put(std::vector<std::uint8_t>(240));
  EXPECT_EQ(cu("cuMemcpyDtoD_v2", b + 1, a + 3, std::size_t{100}), success);
  EXPECT_EQ(get<std::uint8_t>(b + 1, 100), std::vector<std::uint8_t>(source.begin() + 3, source.begin() + 103));
  EXPECT_EQ(cu("cuMemcpyDtoD_v2", b + 200, a, std::size_t{41}), invalid_value);
  EXPECT_EQ(cu("cuMemcpyHtoD_v2", a, static_cast<const void*>(nullptr), std::size_t{1}), invalid_value);
  std::vector<std::uint8_t> to(240);
  EXPECT_EQ(cu("cuMemcpy", reinterpret_cast<Address>(to.data()), a, std::size_t{240}), success);
  EXPECT_EQ(to, source);
  // A rectangle of 5 × 3 bytes out of rows of 16, into rows of 8.
  Copy2 two{{2, 1, 2, nullptr, a, nullptr, 16}, {1, 0, 1, to.data(), 0, nullptr, 8}, 5, 3};
  EXPECT_EQ(cu("cuMemcpy2D_v2", &two), success);
  for (std::size_t y = 0; y < 3; ++y) {
    for (std::size_t x = 0; x < 5; ++x) EXPECT_EQ(to[y * 8 + 1 + x], source[(y + 1) * 16 + 2 + x]);
  }
  two.to.pitch = 5;
  EXPECT_EQ(cu("cuMemcpy2D_v2", &two), invalid_value) << "rows overlap";
  two.to = {0, 0, 3, nullptr, 0, nullptr, 8};
  EXPECT_EQ(cu("cuMemcpy2D_v2", &two), not_supported) << "arrays";
  // A box of 4 × 2 × 3 bytes out of slices of 5 rows of 8.
  Copy3 three{};
  three.from = {1, 1, 1, 0, 2, nullptr, a, nullptr, nullptr, 8, 5};
  three.to = {0, 0, 0, 0, 1, to.data(), 0, nullptr, nullptr, 4, 2};
  three.width = 4, three.height = 2, three.depth = 3;
  EXPECT_EQ(cu("cuMemcpy3D_v2", &three), success);
  for (std::size_t z = 0; z < 3; ++z) {
    for (std::size_t y = 0; y < 2; ++y) {
      for (std::size_t x = 0; x < 4; ++x) EXPECT_EQ(to[(z * 2 + y) * 4 + x], source[((z + 1) * 5 + y + 1) * 8 + 1 + x]);
    }
  }
  three.depth = 40;
  EXPECT_EQ(cu("cuMemcpy3D_v2", &three), invalid_value) << "beyond the memory";
  three.depth = std::size_t{1} << 62;
  EXPECT_EQ(cu("cuMemcpy3D_v2", &three), invalid_value) << "64 bits do not hold its bytes";
}

TEST_F(DriverMemory, PageableMemoryMayBeReusedAtOnce) {
  const Handle s = stream(), wait = function(module(simple_kernels), "wait");
  const Address gate = put<std::uint32_t>({0}), to = allocate(4);
  std::uint32_t value = 1;
  ASSERT_EQ(launch(wait, 1, 1, s, gate), success);
  ASSERT_EQ(cu("cuMemcpyHtoDAsync_v2", to, static_cast<const void*>(&value), std::size_t{4}, s), success);
  value = 2;
  const std::uint32_t one = 1;
  ASSERT_EQ(cu("cuMemcpyHtoDAsync_v2", gate, static_cast<const void*>(&one), std::size_t{4}, stream()), success);
  ASSERT_EQ(cu("cuStreamSynchronize", s), success);
  EXPECT_EQ(get<std::uint32_t>(to, 1)[0], 1u);
}

TEST_F(DriverMemory, Fills) {
  const Address a = put(std::vector<std::uint8_t>(64));
  EXPECT_EQ(cu("cuMemsetD8_v2", a, static_cast<unsigned char>(7), std::size_t{3}), success);
  EXPECT_EQ(cu("cuMemsetD16_v2", a + 4, static_cast<unsigned short>(0x1234), std::size_t{2}), success);
  EXPECT_EQ(cu("cuMemsetD2D32_v2", a + 16, std::size_t{16}, 0xAABBCCDDu, std::size_t{2}, std::size_t{2}), success);
  std::vector<std::uint8_t> want(64);
  std::fill_n(want.begin(), 3, std::uint8_t{7});
  for (std::size_t i : {4, 6}) want[i] = 0x34, want[i + 1] = 0x12;
  for (std::size_t i : {16, 20, 32, 36}) want[i] = 0xDD, want[i + 1] = 0xCC, want[i + 2] = 0xBB, want[i + 3] = 0xAA;
  EXPECT_EQ(get<std::uint8_t>(a, 64), want);
  EXPECT_EQ(cu("cuMemsetD32_v2", a + 2, 0u, std::size_t{1}), invalid_value) << "not aligned";
  EXPECT_EQ(cu("cuMemsetD8_v2", a, static_cast<unsigned char>(0), std::size_t{65}), invalid_value);
  EXPECT_EQ(cu("cuMemsetD32_v2", a, 0u, std::size_t{1} << 62), invalid_value) << "64 bits do not hold its bytes";
  EXPECT_EQ(cu("cuMemsetD2D8_v2", a, std::size_t{1} << 63, static_cast<unsigned char>(0), std::size_t{1}, std::size_t{3}), invalid_value);
}

TEST_F(DriverMemory, AllocationInTheOrderOfAStream) {
  const Handle s = stream(), add = function(module(simple_kernels), "add");
  Handle pool = nullptr;
  ASSERT_EQ(cu("cuDeviceGetDefaultMemPool", &pool, 0), success);
  Address a = 0;
  ASSERT_EQ(cu("cuMemAllocAsync", &a, std::size_t{64}, s), success);
  std::uint64_t used = 0, high = 0, threshold = 1 << 20;
  EXPECT_EQ(cu("cuMemPoolGetAttribute", pool, 7, static_cast<void*>(&used)), success);
  EXPECT_EQ(used, 64u);
  ASSERT_EQ(cu("cuMemsetD32Async", a, 5u, std::size_t{16}, s), success);
  ASSERT_EQ(launch(add, 1, 16, s, a, 1u), success);
  std::vector<std::uint32_t> to(16);
  ASSERT_EQ(cu("cuMemcpyDtoHAsync_v2", static_cast<void*>(to.data()), a, std::size_t{64}, s), success);
  EXPECT_EQ(to, std::vector<std::uint32_t>(16, 6));
  ASSERT_EQ(cu("cuMemFreeAsync", a, s), success);
  EXPECT_EQ(cu("cuMemFreeAsync", a, s), invalid_value) << "twice";
  ASSERT_EQ(cu("cuStreamSynchronize", s), success);
  EXPECT_EQ(cu("cuMemsetD32Async", a, 5u, std::size_t{16}, s), invalid_value) << "it is gone";
  EXPECT_EQ(cu("cuMemPoolGetAttribute", pool, 7, static_cast<void*>(&used)), success);
  EXPECT_EQ(cu("cuMemPoolGetAttribute", pool, 8, static_cast<void*>(&high)), success);
  EXPECT_EQ(used, 0u);
  EXPECT_GE(high, 64u);
  EXPECT_EQ(cu("cuMemPoolSetAttribute", pool, 4, static_cast<void*>(&threshold)), success);
  EXPECT_EQ(cu("cuMemPoolDestroy", pool), invalid_value) << "the device's own";
}

struct Location {
  int type, id;
};
struct Access {
  Location location;
  int flags;
};
struct Properties {
  int type, handles;
  Location location;
  void* metadata;
  unsigned char flags[8];
};

TEST_F(DriverMemory, VirtualRanges) {
  const Properties properties{1, 0, {1, 0}, nullptr, {}};
  std::size_t unit = 0;
  ASSERT_EQ(cu("cuMemGetAllocationGranularity", &unit, &properties, 0), success);
  Address at = 0;
  Handle physical[2] = {};
  ASSERT_EQ(cu("cuMemAddressReserve", &at, 4 * unit, std::size_t{0}, Address{0}, 0ull), success);
  for (Handle& p : physical) ASSERT_EQ(cu("cuMemCreate", &p, unit, &properties, 0ull), success);
  EXPECT_EQ(cu("cuMemMap", at, unit, std::size_t{0}, physical[0], 0ull), success);
  EXPECT_EQ(cu("cuMemMap", at, unit, std::size_t{0}, physical[1], 0ull), 208) << "already mapped";
  EXPECT_EQ(cu("cuMemMap", at + unit, unit, std::size_t{0}, physical[1], 0ull), success);
  EXPECT_EQ(cu("cuMemsetD8_v2", at, static_cast<unsigned char>(1), unit), invalid_value) << "nobody may use it yet";
  const Access access{{1, 0}, 3};
  ASSERT_EQ(cu("cuMemSetAccess", at, 2 * unit, &access, std::size_t{1}), success);
  EXPECT_EQ(cu("cuMemSetAccess", at, 3 * unit, &access, std::size_t{1}), invalid_value) << "nothing is mapped there";
  EXPECT_EQ(cu("cuMemsetD8_v2", at, static_cast<unsigned char>(1), 2 * unit), success) << "across the seam";
  // The same memory at a second address.
  EXPECT_EQ(cu("cuMemMap", at + 2 * unit, unit, std::size_t{0}, physical[0], 0ull), success);
  ASSERT_EQ(cu("cuMemSetAccess", at + 2 * unit, unit, &access, std::size_t{1}), success);
  EXPECT_EQ(cu("cuMemsetD8_v2", at + 2 * unit, static_cast<unsigned char>(9), std::size_t{1}), success);
  EXPECT_EQ(get<std::uint8_t>(at, 2), (std::vector<std::uint8_t>{9, 1}));
  unsigned long long flags = 0;
  const Location other{1, 1};
  EXPECT_EQ(cu("cuMemGetAccess", &flags, &access.location, at), success);
  EXPECT_EQ(flags, 3u);
  EXPECT_EQ(cu("cuMemGetAccess", &flags, &other, at), success);
  EXPECT_EQ(flags, 0u);
  EXPECT_EQ(cu("cuMemAddressFree", at, 4 * unit), invalid_value) << "something is mapped";
  EXPECT_EQ(cu("cuMemUnmap", at, 3 * unit), success);
  EXPECT_EQ(cu("cuMemsetD8_v2", at, static_cast<unsigned char>(1), std::size_t{1}), invalid_value);
  for (Handle p : physical) EXPECT_EQ(cu("cuMemRelease", p), success);
  EXPECT_EQ(cu("cuMemRelease", physical[0]), invalid_value);
  EXPECT_EQ(cu("cuMemAddressFree", at, 4 * unit), success);
}

TEST_F(DriverMemory, PeersMustBeEnabled) {
  int can = 0;
  ASSERT_EQ(cu("cuDeviceCanAccessPeer", &can, 0, 1), success);
  EXPECT_EQ(can, 1);
  Handle other = nullptr;
  ASSERT_EQ(cu("cuDevicePrimaryCtxRetain", &other, 1), success);
  const Address here = put<std::uint32_t>({4});
  ASSERT_EQ(cu("cuCtxSetCurrent", other), success);
  const Address there = put<std::uint32_t>({0});
  EXPECT_EQ(cu("cuMemcpyPeer", there, other, here, context_, std::size_t{4}), success) << "copies need nothing";
  EXPECT_EQ(get<std::uint32_t>(there, 1)[0], 4u);
  EXPECT_EQ(cu("cuCtxDisablePeerAccess", context_), peer_not);
  ASSERT_EQ(cu("cuCtxEnablePeerAccess", context_, 0u), success);
  EXPECT_EQ(cu("cuCtxEnablePeerAccess", context_, 0u), peer_already);
  EXPECT_EQ(cu("cuCtxEnablePeerAccess", other, 0u), invalid_device) << "itself";
  const Handle add = function(module(simple_kernels), "add");
  EXPECT_EQ(launch(add, 1, 1, nullptr, here, 1u), success);
  EXPECT_EQ(cu("cuCtxSynchronize"), success);
  EXPECT_EQ(get<std::uint32_t>(here, 1)[0], 5u);
  ASSERT_EQ(cu("cuCtxDisablePeerAccess", context_), success);
  EXPECT_EQ(launch(add, 1, 1, nullptr, here, 1u), success);
  EXPECT_EQ(cu("cuCtxSynchronize"), illegal_address);
  EXPECT_EQ(cu("cuDevicePrimaryCtxReset_v2", 1), success);
  EXPECT_EQ(cu("cuDevicePrimaryCtxRelease_v2", 1), success);
  EXPECT_EQ(cu("cuCtxSetCurrent", context_), success);
}

}  // namespace
}  // namespace triptych::emulator::test
