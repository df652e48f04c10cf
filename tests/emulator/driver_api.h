/// \file
/// The software device's Driver API, whose library is found at run time as a program's would be.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace triptych::emulator::test {

// CUresult, as far as tests name it.
constexpr int success = 0, invalid_value = 1, out_of_memory = 2, not_initialized = 3, invalid_device = 101, invalid_context = 201,
              no_binary = 209, unsupported_limit = 215, invalid_ptx = 218, file_not_found = 301, invalid_handle = 400, illegal_state = 401,
              not_found = 500, not_ready = 600, illegal_address = 700, peer_already = 704, peer_not = 705, context_destroyed = 709,
              already_registered = 712, not_registered = 713, too_large = 720, not_supported = 801, capture_unsupported = 900,
              capture_invalidated = 901, capture_unjoined = 904, capture_isolation = 905, capture_implicit = 906, update_failure = 910,
              invalid_cluster = 912;

using Handle = void*;           ///< any of the API's handles
using Address = std::uint64_t;  ///< CUdeviceptr

inline void* library() {
  static void* const handle = dlopen(TRIPTYCH_EMULATOR "/libcuda.so.1", RTLD_NOW);
  return handle;
}

/// Calls an entry point by its name.
template <class... T>
int cu(const char* name, T... arguments) {
  auto* const function = reinterpret_cast<int (*)(T...)>(dlsym(library(), name));
  if (function == nullptr) throw std::runtime_error(std::string(name) + " is not exported");
  return function(arguments...);
}

/// A test with device 0's primary context current.
class DriverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(library(), nullptr) << dlerror();
    ASSERT_EQ(cu("cuInit", 0u), success);
    ASSERT_EQ(cu("cuDevicePrimaryCtxRetain", &context_, 0), success);
    ASSERT_EQ(cu("cuCtxSetCurrent", context_), success);
  }
  void TearDown() override {
    EXPECT_EQ(cu("cuDevicePrimaryCtxReset_v2", 0), success);
    EXPECT_EQ(cu("cuDevicePrimaryCtxRelease_v2", 0), success);
  }
  Address allocate(std::size_t bytes) {
    Address address = 0;
    EXPECT_EQ(cu("cuMemAlloc_v2", &address, bytes), success);
    return address;
  }
  template <class T>
  Address put(const std::vector<T>& values) {
    const Address address = allocate(values.size() * sizeof(T));
    EXPECT_EQ(cu("cuMemcpyHtoD_v2", address, static_cast<const void*>(values.data()), values.size() * sizeof(T)), success);
    return address;
  }
  template <class T>
  std::vector<T> get(Address address, std::size_t count) {
    std::vector<T> values(count);
    EXPECT_EQ(cu("cuMemcpyDtoH_v2", static_cast<void*>(values.data()), address, count * sizeof(T)), success);
    return values;
  }
  Handle module(const char* ptx) {
    Handle m = nullptr;
    EXPECT_EQ(cu("cuModuleLoadData", &m, static_cast<const void*>(ptx)), success);
    return m;
  }
  Handle function(Handle m, const char* name) {
    Handle f = nullptr;
    EXPECT_EQ(cu("cuModuleGetFunction", &f, m, name), success);
    return f;
  }
  /// One launch; each argument is a kernel's parameter.
  template <class... T>
  int launch(Handle f, unsigned grid, unsigned block, Handle stream, T... arguments) {
    void* parameters[] = {&arguments..., nullptr};
    return cu("cuLaunchKernel", f, grid, 1u, 1u, block, 1u, 1u, 0u, stream, static_cast<void**>(parameters), static_cast<void**>(nullptr));
  }
  Handle stream(unsigned flags = 1) {
    Handle s = nullptr;
    EXPECT_EQ(cu("cuStreamCreate", &s, flags), success);
    return s;
  }

  Handle context_ = nullptr;
};

/// What tests run: add(to, n) adds n to each thread's word; fault(to) writes beside memory; wait(from) spins until
/// a word is not 0.
inline constexpr const char* simple_kernels = R"(
.version 8.0
.target sm_90
.address_size 64
.visible .global .align 4 .b32 counter = 7;
.visible .entry add(.param .u64 to, .param .u32 n)
{
.reg .b32 r<6>; .reg .b64 a<3>;
ld.param.u64 a0, [to];
ld.param.u32 r0, [n];
mov.u32 r1, %tid.x;
mov.u32 r2, %ntid.x;
mov.u32 r3, %ctaid.x;
mad.lo.u32 r1, r2, r3, r1;
mad.wide.u32 a1, r1, 4, a0;
ld.global.u32 r4, [a1];
add.u32 r4, r4, r0;
st.global.u32 [a1], r4;
ret;
}
.visible .entry fault(.param .u64 to)
{
.reg .b32 r; .reg .b64 a;
ld.param.u64 a, [to];
mov.u32 r, 1;
st.global.u32 [a], r;
ret;
}
.visible .entry wait(.param .u64 from)
{
.reg .b32 r; .reg .b64 a; .reg .pred p;
ld.param.u64 a, [from];
AGAIN:
ld.volatile.global.u32 r, [a];
setp.eq.u32 p, r, 0;
@p bra AGAIN;
ret;
}
)";

}  // namespace triptych::emulator::test
