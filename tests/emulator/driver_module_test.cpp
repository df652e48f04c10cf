// Modules through the Driver API: images, libraries, linking; functions' attributes and occupancy.
// ctest: timeout=60 labels=sanitize needs=triptych_emulator_driver
#include <cstring>
#include <fstream>

#include "driver_api.h"
#include "temporary_folder.h"

namespace triptych::emulator::test {
namespace {

class DriverModule : public DriverTest {};

using triptych::testing::TemporaryFolder;

/// An entry of a fatbin: kind 1 is PTX, 2 machine code.
std::string entry(int kind, std::uint32_t architecture, const std::string& payload) {
  struct {
    std::uint16_t kind, version = 0x101;
    std::uint32_t header = 64;
    std::uint64_t bytes;
    std::uint32_t stored = 0, options = 0;
    std::uint16_t minor = 0, major = 9;
    std::uint32_t architecture, name = 0, name_bytes = 0;
    std::uint64_t flags = 0x11, reserved = 0, text = 0;
  } e{.kind = static_cast<std::uint16_t>(kind), .bytes = (payload.size() + 8) / 8 * 8, .architecture = architecture};
  std::string all(reinterpret_cast<const char*>(&e), sizeof e);
  all += payload;
  all.resize(sizeof e + e.bytes);
  return all;
}

std::string fatbin(const std::string& entries) {
  struct {
    std::uint32_t magic = 0xBA55ED50;
    std::uint16_t version = 1, header = 16;
    std::uint64_t bytes;
  } h{.bytes = entries.size()};
  return std::string(reinterpret_cast<const char*>(&h), sizeof h) + entries;
}

/// PTX with one kernel of this name.
std::string ptx(const std::string& name, const std::string& target = "sm_90") {
  return ".version 8.0\n.target " + target + "\n.address_size 64\n.visible .entry " + name + "()\n{\nret;\n}\n";
}

/// What loading an image ends with, and the log of errors.
std::pair<int, std::string> load(const void* image, Handle& m) {
  char log[1024] = "";
  int options[] = {5, 6};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  const int code = cu("cuModuleLoadDataEx", &m, image, 2u, static_cast<int*>(options), static_cast<void**>(values));
  return {code, log};
}

TEST_F(DriverModule, TheNewestPtxOfAFatbinThatTheDeviceRuns) {
  const std::string image = fatbin(entry(2, 90, "\x7f" "ELF") + entry(1, 80, ptx("of_80", "sm_80")) + entry(1, 90, ptx("of_90")) +
                                   entry(1, 100, ptx("of_100")));
  struct {
    std::uint32_t magic = 0x466243b1, version = 1;
    const void* data;
    const void* file = nullptr;
  } wrapper{.data = image.data()};
  for (const void* from : {static_cast<const void*>(image.data()), static_cast<const void*>(&wrapper)}) {
    Handle m = nullptr, f = nullptr;
    EXPECT_EQ(load(from, m), (std::pair<int, std::string>{success, ""}));
    EXPECT_EQ(cu("cuModuleGetFunction", &f, m, "of_90"), success);
    EXPECT_EQ(cu("cuModuleGetFunction", &f, m, "of_80"), not_found);
    EXPECT_EQ(cu("cuModuleUnload", m), success);
  }
}

TEST_F(DriverModule, WhatIsNotPtxIsRefusedInOneLine) {
  Handle m = nullptr;
  const auto refused = [&](const std::string& image, int code, const char* part) {
    const auto [got, log] = load(image.data(), m);
    EXPECT_EQ(got, code);
    EXPECT_NE(log.find(part), std::string::npos) << log;
    EXPECT_EQ(log.find('\n'), std::string::npos) << log;
  };
  refused("\x7f" "ELF\x02\x01\x01", no_binary, "code=compute_90a");
  refused(fatbin(entry(2, 90, "\x7f" "ELF")), no_binary, "code=compute_90a");
  refused(fatbin(entry(1, 100, ptx("f"))), no_binary, "compute_100");
  std::string damaged = entry(1, 90, ptx("f"));
  damaged[41] = static_cast<char>(0x80);   // as if compressed
  refused(fatbin(damaged), no_binary, "damaged");
  refused(".version 8.0\n.target sm_90\n.address_size 64\nnonsense", invalid_ptx, "module:4:1");
  refused("", 200, "empty");
  EXPECT_EQ(load(nullptr, m).first, invalid_value);
}

TEST_F(DriverModule, FilesAndGlobals) {
  const TemporaryFolder folder;
  Handle m = nullptr;
  EXPECT_EQ(cu("cuModuleLoad", &m, (folder / "none").c_str()), file_not_found);
  const std::string path = folder.write("k.ptx", simple_kernels);
  ASSERT_EQ(cu("cuModuleLoad", &m, path.c_str()), success);
  Address at = 0;
  std::size_t bytes = 0;
  ASSERT_EQ(cu("cuModuleGetGlobal_v2", &at, &bytes, m, "counter"), success);
  EXPECT_EQ(bytes, 4u);
  EXPECT_EQ(get<std::uint32_t>(at, 1)[0], 7u);
  EXPECT_EQ(cu("cuModuleGetGlobal_v2", &at, &bytes, m, "nothing"), not_found);
  unsigned count = 0;
  ASSERT_EQ(cu("cuModuleGetFunctionCount", &count, m), success);
  EXPECT_EQ(count, 3u);
  // A fatbin that is cut off is no crash at any length.
  const std::string whole = fatbin(entry(1, 90, ptx("f")));
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    const std::string cut = folder.write("cut", whole.substr(0, length));
    ::testing::internal::CaptureStderr();
    EXPECT_NE(cu("cuModuleLoad", &m, cut.c_str()), success) << length;
    ::testing::internal::GetCapturedStderr();
  }
  EXPECT_EQ(cu("cuModuleLoad", &m, folder.write("whole", whole).c_str()), success);
}

TEST_F(DriverModule, LibrariesKernelsAreFunctionsOfAnyContext) {
  Handle library_handle = nullptr, kernel = nullptr, f = nullptr, m = nullptr, back = nullptr, other = nullptr;
  const auto none = static_cast<void**>(nullptr);
  ASSERT_EQ(cu("cuLibraryLoadData", &library_handle, static_cast<const void*>(simple_kernels), static_cast<int*>(nullptr), none, 0u,
               static_cast<int*>(nullptr), none, 0u), success);
  EXPECT_EQ(cu("cuLibraryGetKernel", &kernel, library_handle, "nothing"), not_found);
  ASSERT_EQ(cu("cuLibraryGetKernel", &kernel, library_handle, "add"), success);
  ASSERT_EQ(cu("cuKernelGetLibrary", &back, kernel), success);
  EXPECT_EQ(back, library_handle);
  const char* name = nullptr;
  ASSERT_EQ(cu("cuKernelGetName", &name, kernel), success);
  EXPECT_STREQ(name, "add");
  for (int round = 0; round < 2; ++round) {
    const Address to = put<std::uint32_t>({1});
    EXPECT_EQ(launch(kernel, 1, 1, nullptr, to, 2u), success) << "a kernel where a function is wanted";
    ASSERT_EQ(cu("cuKernelGetFunction", &f, kernel), success);
    EXPECT_EQ(launch(f, 1, 1, nullptr, to, 3u), success);
    EXPECT_EQ(get<std::uint32_t>(to, 1)[0], 6u);
    ASSERT_EQ(cu("cuLibraryGetModule", &m, library_handle), success);
    EXPECT_EQ(function(m, "add"), f);
    if (round == 0) {
      ASSERT_EQ(cu("cuCtxCreate_v2", &other, 0u, 0), success);
    }
  }
  Address at = 0;
  EXPECT_EQ(cu("cuLibraryGetGlobal", &at, static_cast<std::size_t*>(nullptr), library_handle, "counter"), success);
  EXPECT_EQ(cu("cuLibraryGetManaged", &at, static_cast<std::size_t*>(nullptr), library_handle, "counter"), not_found);
  EXPECT_EQ(cu("cuCtxDestroy_v2", other), success);
  EXPECT_EQ(cu("cuLibraryUnload", library_handle), success);
  EXPECT_EQ(launch(kernel, 1, 1, nullptr, Address{0}, 0u), invalid_handle);
}

TEST_F(DriverModule, OnePtxTextIsLinked) {
  Handle state = nullptr, m = nullptr;
  char log[512] = "";
  int options[] = {5, 6};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  ASSERT_EQ(cu("cuLinkCreate_v2", 2u, static_cast<int*>(options), static_cast<void**>(values), &state), success);
  const auto add = [&](std::string text) {
    return cu("cuLinkAddData_v2", state, 1, static_cast<void*>(text.data()), text.size() + 1, "name", 0u, static_cast<int*>(nullptr),
              static_cast<void**>(nullptr));
  };
  void* image = nullptr;
  std::size_t bytes = 0;
  EXPECT_EQ(cu("cuLinkComplete", state, &image, &bytes), 200) << "nothing was added";
  EXPECT_EQ(add("nonsense"), invalid_ptx);
  EXPECT_EQ(add(ptx("f")), success);
  EXPECT_EQ(add(ptx("g")), not_supported);
  EXPECT_NE(std::string(log).find("the second"), std::string::npos) << log;
  ASSERT_EQ(cu("cuLinkComplete", state, &image, &bytes), success);
  ASSERT_EQ(cu("cuModuleLoadData", &m, static_cast<const void*>(image)), success);
  EXPECT_EQ(cu("cuLinkDestroy", state), success);
  EXPECT_NE(function(m, "f"), nullptr) << "the module does not need the link's memory";
  EXPECT_EQ(cu("cuLinkDestroy", state), invalid_handle);
}

constexpr const char* attributed = R"(
.version 8.0
.target sm_90
.address_size 64
.const .align 4 .b8 constants[40];
.visible .entry f(.param .u32 a, .param .u64 b) .maxntid 128, 2, 1
{
.shared .align 4 .b8 tile[4096];
.reg .b32 r;
mov.u32 r, tile;
st.shared.u32 [r], r;
ret;
}
.visible .entry c() .reqnctapercluster 2, 2, 1
{
ret;
}
)";

TEST_F(DriverModule, FunctionsAttributes) {
  const Handle m = module(attributed), f = function(m, "f"), c = function(m, "c");
  const auto attribute = [](Handle k, int which) {
    int value = -7;
    EXPECT_EQ(cu("cuFuncGetAttribute", &value, which, k), success) << which;
    return value;
  };
  EXPECT_EQ(attribute(f, 0), 256);
  EXPECT_EQ(attribute(f, 1), 4096);
  EXPECT_EQ(attribute(f, 2), 40);
  EXPECT_EQ(attribute(f, 5), 90);
  EXPECT_EQ(attribute(f, 6), 90);
  EXPECT_EQ(attribute(f, 8), 49152);
  EXPECT_EQ(attribute(f, 9), -1);
  EXPECT_EQ(attribute(f, 10), 0);
  EXPECT_EQ(attribute(c, 10), 1);
  EXPECT_EQ(attribute(c, 12), 2);
  int value = 0;
  EXPECT_EQ(cu("cuFuncGetAttribute", &value, 16, f), invalid_value);
  EXPECT_EQ(cu("cuFuncSetAttribute", f, 9, 50), success);
  EXPECT_EQ(attribute(f, 9), 50);
  EXPECT_EQ(cu("cuFuncSetAttribute", f, 9, 101), invalid_value);
  EXPECT_EQ(cu("cuFuncSetAttribute", f, 1, 0), invalid_value) << "it cannot be set";
  EXPECT_EQ(cu("cuFuncSetAttribute", f, 11, 4), success);
  EXPECT_EQ(attribute(f, 11), 4);
  EXPECT_EQ(cu("cuFuncSetAttribute", c, 11, 4), 800) << "the PTX says it";
  std::size_t offset = 99, bytes = 0;
  EXPECT_EQ(cu("cuFuncGetParamInfo", f, std::size_t{1}, &offset, &bytes), success);
  EXPECT_EQ(offset, 8u);
  EXPECT_EQ(bytes, 8u);
  EXPECT_EQ(cu("cuFuncGetParamInfo", f, std::size_t{2}, &offset, &bytes), invalid_value);
  Handle back = nullptr;
  EXPECT_EQ(cu("cuFuncGetModule", &back, f), success);
  EXPECT_EQ(back, m);
}

TEST_F(DriverModule, Occupancy) {
  const Handle m = module(attributed), f = function(m, "f"), c = function(m, "c");
  const auto active = [](Handle k, int threads, std::size_t shared) {
    int blocks = -1;
    EXPECT_EQ(cu("cuOccupancyMaxActiveBlocksPerMultiprocessor", &blocks, k, threads, shared), success);
    return blocks;
  };
  EXPECT_EQ(active(c, 32, 0), 32) << "CTAs of an SM";
  EXPECT_EQ(active(c, 1024, 0), 2) << "2048 threads";
  EXPECT_EQ(active(f, 128, 0), 16) << "2048 threads";
  EXPECT_EQ(active(f, 32, 40960), 5) << "233472 bytes hold five of 40960 + 4096 + 1024";
  EXPECT_EQ(active(f, 32, 300000), 0);
  int grid = 0, block = 0;
  ASSERT_EQ(cu("cuOccupancyMaxPotentialBlockSize", &grid, &block, f, static_cast<void*>(nullptr), std::size_t{0}, 0), success);
  EXPECT_EQ(block, 256) << "what .maxntid allows";
  EXPECT_EQ(grid, 8 * 132);
  std::size_t (*const shared_of)(int) = [](int threads) { return static_cast<std::size_t>(threads) * 1024; };
  ASSERT_EQ(cu("cuOccupancyMaxPotentialBlockSize", &grid, &block, c, shared_of, std::size_t{0}, 0), success);
  EXPECT_EQ(block * (grid / 132), 224) << "a KiB a thread and one a CTA";
  std::size_t bytes = 0;
  ASSERT_EQ(cu("cuOccupancyAvailableDynamicSMemPerBlock", &bytes, f, 2, 128), success);
  EXPECT_EQ(bytes, 233472u / 2 - 1024 - 4096);
}

}  // namespace
}  // namespace triptych::emulator::test
