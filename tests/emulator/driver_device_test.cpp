// The Driver API's devices, contexts, result codes, and entry points by name.
// ctest: timeout=60 labels=sanitize needs=triptych_emulator_driver
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

#include "driver_api.h"

namespace triptych::emulator::test {
namespace {

class DriverDevice : public DriverTest {};

/// The names in the API's table, each with its symbol, version and default stream.
struct Row {
  std::string name, symbol, stream;
  int version;
};
std::vector<Row> table() {
  std::vector<Row> rows;
  std::ifstream file(TRIPTYCH_SOURCE_DIR "/src/emulator/driver/entries.inc");
  for (std::string line; std::getline(file, line);) {
    char name[128], symbol[128], stream[32];
    int version = 0;
    if (std::sscanf(line.c_str(), "X(%127[^,], %127[^,], %d, %31[^)])", name, symbol, &version, stream) == 4) {
      rows.push_back({name, symbol, stream, version});
    }
  }
  return rows;
}

/// What cuGetProcAddress finds, and how it says so.
std::pair<void*, int> find(const std::string& name, int version, std::uint64_t flags = 0) {
  void* function = nullptr;
  int status = -1;
  EXPECT_EQ(cu("cuGetProcAddress_v2", name.c_str(), &function, version, flags, &status), success);
  return {function, status};
}

TEST_F(DriverDevice, EntryPointsByName) {
  const auto rows = table();
  EXPECT_GT(rows.size(), 300u);
  for (const Row& row : rows) {
    void* const symbol = dlsym(library(), row.symbol.c_str());
    ASSERT_NE(symbol, nullptr) << row.symbol;
    // At its version a form is the newest that is known.
    EXPECT_EQ(find(row.name, row.version, row.stream == "legacy" ? 1 : 2).first, symbol) << row.symbol;
  }
  EXPECT_EQ(find("cuMemAlloc", 13000).first, dlsym(library(), "cuMemAlloc_v2"));
  EXPECT_EQ(find("cuCtxCreate", 11040).first, dlsym(library(), "cuCtxCreate_v3"));
  EXPECT_EQ(find("cuCtxCreate", 13000).first, dlsym(library(), "cuCtxCreate_v4"));
  EXPECT_EQ(find("cuLaunchKernel", 13000, 2).first, dlsym(library(), "cuLaunchKernel_ptsz"));
  EXPECT_EQ(find("cuMemFree", 13000, 2).first, dlsym(library(), "cuMemFree_v2")) << "it has no form of its own";
  EXPECT_EQ(find("cuLaunchKernelEx", 11000), (std::pair<void*, int>{nullptr, 2}));
  EXPECT_EQ(find("cuNothing", 13000), (std::pair<void*, int>{nullptr, 1}));
  void* function = nullptr;
  EXPECT_EQ(cu("cuGetProcAddress_v2", "cuInit", &function, 14000, std::uint64_t{0}, static_cast<int*>(nullptr)), invalid_value);
}

/// Every name that the library exports is the API's; so are those that it does not have and says so.
TEST_F(DriverDevice, ExportsAreTheApi) {
  std::set<std::string> known;
  for (const Row& row : table()) known.insert(row.symbol);
  std::ifstream file(TRIPTYCH_SOURCE_DIR "/src/emulator/driver/unsupported.inc");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("X(", 0) == 0) known.insert(line.substr(2, line.size() - 3));
  }
  std::FILE* names = popen("nm -D --defined-only " TRIPTYCH_EMULATOR "/libcuda.so.1 2>/dev/null", "r");
  ASSERT_NE(names, nullptr);
  std::set<std::string> exported;
  char kind = 0, name[256];
  for (char line[512]; std::fgets(line, sizeof line, names) != nullptr;) {
    if (std::sscanf(line, "%*s %c %255s", &kind, name) == 2) exported.insert(name);
  }
  if (pclose(names) != 0) GTEST_SKIP() << "there is no nm";
  EXPECT_EQ(exported, known);
}

TEST_F(DriverDevice, ResultCodes) {
  int count = 0;
  for (int code = 0; code <= 1000; ++code) {
    const char *name = nullptr, *text = nullptr;
    const int found = cu("cuGetErrorName", code, &name);
    EXPECT_EQ(cu("cuGetErrorString", code, &text), found);
    EXPECT_EQ(found == success, name != nullptr && text != nullptr) << code;
    count += found == success;
  }
  EXPECT_EQ(count, 101);
  const char* name = nullptr;
  ASSERT_EQ(cu("cuGetErrorName", illegal_address, &name), success);
  EXPECT_STREQ(name, "CUDA_ERROR_ILLEGAL_ADDRESS");
  ASSERT_EQ(cu("cuGetErrorName", success, &name), success);
  EXPECT_STREQ(name, "CUDA_SUCCESS");
  ASSERT_EQ(cu("cuGetErrorString", no_binary, &name), success);
  EXPECT_STREQ(name, "no kernel image is available for execution on the device");
}

TEST_F(DriverDevice, Attributes) {
  const auto attribute = [](int which) {
    int value = -7;
    EXPECT_EQ(cu("cuDeviceGetAttribute", &value, which, 0), success) << which;
    return value;
  };
  for (int which = 1; which <= 147; ++which) attribute(which);
  EXPECT_EQ(attribute(1), 1024);
  EXPECT_EQ(attribute(10), 32);
  EXPECT_EQ(attribute(16), 132);
  EXPECT_EQ(attribute(75), 9);
  EXPECT_EQ(attribute(76), 0);
  EXPECT_EQ(attribute(97), 232448);
  EXPECT_EQ(attribute(81), 233472);
  EXPECT_EQ(attribute(95), 1);
  EXPECT_EQ(attribute(120), 1);
  int value = 0;
  EXPECT_EQ(cu("cuDeviceGetAttribute", &value, 0, 0), invalid_value);
  EXPECT_EQ(cu("cuDeviceGetAttribute", &value, 148, 0), invalid_value);
  EXPECT_EQ(cu("cuDeviceGetAttribute", &value, 1, 1), invalid_device);
  char name[64], id[16];
  ASSERT_EQ(cu("cuDeviceGetName", static_cast<char*>(name), 4, 0), success);
  EXPECT_EQ(std::strlen(name), 3u) << "cut to the caller's room";
  ASSERT_EQ(cu("cuDeviceGetPCIBusId", static_cast<char*>(id), 16, 0), success);
  int device = -1;
  ASSERT_EQ(cu("cuDeviceGetByPCIBusId", &device, static_cast<const char*>(id)), success);
  EXPECT_EQ(device, 0);
  EXPECT_EQ(cu("cuDeviceGetByPCIBusId", &device, "0000:77:00.0"), invalid_device);
  std::size_t bytes = 0;
  ASSERT_EQ(cu("cuDeviceTotalMem_v2", &bytes, 0), success);
  EXPECT_EQ(bytes, std::size_t{141} << 30);
}

TEST_F(DriverDevice, ContextsAreAStackOfEachThread) {
  Handle made = nullptr, current = nullptr, popped = nullptr;
  ASSERT_EQ(cu("cuCtxCreate_v4", &made, static_cast<void*>(nullptr), 0u, 0), success);
  ASSERT_EQ(cu("cuCtxGetCurrent", &current), success);
  EXPECT_EQ(current, made);
  std::thread([&] {
    Handle other = made;
    EXPECT_EQ(cu("cuCtxGetCurrent", &other), success);
    EXPECT_EQ(other, nullptr);
    Address memory = 0;
    EXPECT_EQ(cu("cuMemAlloc_v2", &memory, std::size_t{4}), invalid_context);
    EXPECT_EQ(cu("cuCtxPushCurrent_v2", made), success);
    EXPECT_EQ(cu("cuMemAlloc_v2", &memory, std::size_t{4}), success);
  }).join();
  ASSERT_EQ(cu("cuCtxPopCurrent_v2", &popped), success);
  EXPECT_EQ(popped, made);
  ASSERT_EQ(cu("cuCtxGetCurrent", &current), success);
  EXPECT_EQ(current, context_) << "what was there before";
  ASSERT_EQ(cu("cuCtxPushCurrent_v2", made), success);
  const Address memory = allocate(256);
  EXPECT_EQ(cu("cuCtxDestroy_v2", made), success);
  EXPECT_EQ(cu("cuCtxPushCurrent_v2", made), invalid_context);
  EXPECT_EQ(cu("cuMemFree_v2", memory), invalid_value) << "it went with its context";
  EXPECT_EQ(cu("cuCtxDestroy_v2", context_), invalid_context) << "a primary context is released";
}

TEST_F(DriverDevice, ADestroyedContextIsNoLongerCurrentElsewhere) {
  Handle made = nullptr;
  ASSERT_EQ(cu("cuCtxCreate_v2", &made, 0u, 0), success);
  std::thread([&] { EXPECT_EQ(cu("cuCtxDestroy_v2", made), success); }).join();
  EXPECT_EQ(cu("cuCtxSynchronize"), context_destroyed);
  EXPECT_EQ(cu("cuCtxSetCurrent", context_), success);
  EXPECT_EQ(cu("cuCtxSynchronize"), success);
}

TEST_F(DriverDevice, LimitsFlagsAndConfigurations) {
  std::size_t value = 0;
  for (int limit = 0; limit < 8; ++limit) EXPECT_EQ(cu("cuCtxGetLimit", &value, limit), success) << limit;
  ASSERT_EQ(cu("cuCtxSetLimit", 2, std::size_t{1} << 20), success);
  ASSERT_EQ(cu("cuCtxGetLimit", &value, 2), success);
  EXPECT_EQ(value, std::size_t{1} << 20);
  EXPECT_EQ(cu("cuCtxGetLimit", &value, 8), unsupported_limit);
  EXPECT_EQ(cu("cuCtxGetLimit", &value, 99), invalid_value);
  int config = -1, least = 1, greatest = 1, active = 0;
  ASSERT_EQ(cu("cuCtxSetCacheConfig", 2), success);
  ASSERT_EQ(cu("cuCtxGetCacheConfig", &config), success);
  EXPECT_EQ(config, 2);
  EXPECT_EQ(cu("cuCtxSetCacheConfig", 4), invalid_value);
  ASSERT_EQ(cu("cuCtxGetStreamPriorityRange", &least, &greatest), success);
  EXPECT_GT(least, greatest);
  unsigned flags = 9;
  ASSERT_EQ(cu("cuDevicePrimaryCtxSetFlags_v2", 0, 4u), success);
  ASSERT_EQ(cu("cuDevicePrimaryCtxGetState", 0, &flags, &active), success);
  EXPECT_EQ(flags, 4u);
  EXPECT_EQ(active, 1);
}

/// Whatever is missing is an error or means a default; nothing crashes.
TEST_F(DriverDevice, NothingGivenIsNoCrash) {
  using Any = int (*)(void*, void*, void*, void*, void*, void*, void*, void*, void*, void*, void*, void*);
  for (const Row& row : table()) {
    const auto function = reinterpret_cast<Any>(dlsym(library(), row.symbol.c_str()));
    ASSERT_NE(function, nullptr) << row.symbol;
    const int code = function(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
    const char* name = nullptr;
    EXPECT_EQ(cu("cuGetErrorName", code, &name), success) << row.symbol << " gives " << code;
    cu("cuCtxSetCurrent", context_);
  }
  EXPECT_EQ(cu("cuDevicePrimaryCtxRetain", &context_, 0), success) << "one of them has released it";
}

/// Handles that are none are found out.
TEST_F(DriverDevice, HandlesThatAreNone) {
  std::array<char, 256> nothing{};
  const Handle none = nothing.data();
  int number = 0;
  EXPECT_EQ(cu("cuStreamSynchronize", none), invalid_handle);
  EXPECT_EQ(cu("cuStreamDestroy_v2", none), invalid_handle);
  EXPECT_EQ(cu("cuEventSynchronize", none), invalid_handle);
  EXPECT_EQ(cu("cuEventRecord", none, static_cast<Handle>(nullptr)), invalid_handle);
  EXPECT_EQ(cu("cuModuleUnload", none), invalid_handle);
  EXPECT_EQ(cu("cuLibraryUnload", none), invalid_handle);
  EXPECT_EQ(cu("cuFuncGetAttribute", &number, 0, none), invalid_handle);
  EXPECT_EQ(launch(none, 1, 1, nullptr), invalid_handle);
  EXPECT_EQ(cu("cuGraphLaunch", none, static_cast<Handle>(nullptr)), invalid_value);
  EXPECT_EQ(cu("cuGraphDestroy", none), invalid_value);
  EXPECT_EQ(cu("cuMemFree_v2", Address{4096}), invalid_value);
  EXPECT_EQ(cu("cuCtxSetCurrent", none), invalid_context);
}

}  // namespace
}  // namespace triptych::emulator::test
