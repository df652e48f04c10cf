// The GPU tiers' host side before there is a device: a driver that only writes down what it is asked for.
// Kernels' parameters are read from the embedded PTX, so that a host and a kernel that disagree are found.
// ctest: timeout=30
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <regex>
#include <vector>

#include "cuda/images.h"
#include "gpu/grouped_gemm.h"
#include "gpu/swiglu.h"
#include "ptx/images.h"

namespace triptych::gpu {
namespace {

struct Kernel {
  std::string name;
  std::vector<std::size_t> parameter_bytes;
};
struct Launched {
  std::string name;
  std::vector<unsigned> grid, block;
  unsigned shared_bytes;
  std::vector<std::uint64_t> arguments;
};

std::map<std::string, Kernel> kernels;
std::vector<Launched> launched;
std::map<std::string, int> shared_limit;

Kernel* kernel_of(FunctionHandle handle) { return reinterpret_cast<Kernel*>(handle); }

/// Reads every entry's name and the sizes of its parameters.
Status load_text(ModuleHandle* module, const void* image, unsigned, JitOption*, void**) {
  const std::string text = static_cast<const char*>(image);
  const std::regex entry(R"(\.entry\s+(\w+)\s*\(([^)]*)\))"), parameter(R"(\.param\s+\.(?:align\s+\d+\s+\.)?[bsuf](\d+))");
  kernels.clear();
  for (std::sregex_iterator e(text.begin(), text.end(), entry), end; e != end; ++e) {
    Kernel k{(*e)[1], {}};
    const std::string list = (*e)[2];
    for (std::sregex_iterator p(list.begin(), list.end(), parameter); p != end; ++p) {
      k.parameter_bytes.push_back(std::stoul((*p)[1]) / 8);
    }
    kernels[k.name] = k;
  }
  *module = reinterpret_cast<ModuleHandle>(&kernels);
  return 0;
}

Driver recording_driver() {
  Driver d;
  d.device_get = [](DeviceHandle* device, int) { *device = 0; return 0; };
  d.device_name = [](char* name, int bytes, DeviceHandle) {
    std::strncpy(name, "a driver that writes down", static_cast<std::size_t>(bytes));
    return 0;
  };
  d.device_attribute = [](int* value, DeviceAttribute a, DeviceHandle) {
    // Newer than any cubin, so that the text is loaded.
    *value = a == DeviceAttribute::multiprocessor_count ? 132 : a == DeviceAttribute::capability_major ? 30 : 0;
    return 0;
  };
  d.device_count = [](int* count) { *count = 1; return 0; };
  d.context_retain = [](ContextHandle* context, DeviceHandle) { *context = nullptr; return 0; };
  d.context_release = [](DeviceHandle) { return 0; };
  d.context_set_current = [](ContextHandle) { return 0; };
  d.stream_create = [](StreamHandle* stream, unsigned) { *stream = nullptr; return 0; };
  d.stream_destroy = [](StreamHandle) { return 0; };
  d.module_load = load_text;
  d.module_unload = [](ModuleHandle) { return 0; };
  d.module_function = [](FunctionHandle* function, ModuleHandle, const char* name) {
    const auto found = kernels.find(name);
    if (found == kernels.end()) return 500;
    *function = reinterpret_cast<FunctionHandle>(&found->second);
    return 0;
  };
  d.function_set = [](FunctionHandle function, FunctionAttribute, int value) {
    shared_limit[kernel_of(function)->name] = value;
    return 0;
  };
  d.parameter_info = [](FunctionHandle function, std::size_t index, std::size_t*, std::size_t* bytes) {
    if (index >= kernel_of(function)->parameter_bytes.size()) return 1;
    *bytes = kernel_of(function)->parameter_bytes[index];
    return 0;
  };
  d.launch = [](FunctionHandle function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                unsigned bz, unsigned shared, StreamHandle, void** parameters, void**) {
    const Kernel& k = *kernel_of(function);
    Launched l{k.name, {gx, gy, gz}, {bx, by, bz}, shared, {}};
    for (std::size_t i = 0; i < k.parameter_bytes.size(); ++i) {
      std::uint64_t value = 0;
      std::memcpy(&value, parameters[i], k.parameter_bytes[i]);
      l.arguments.push_back(value);
    }
    launched.push_back(l);
    return 0;
  };
  return d;
}

Tensor at(std::uintptr_t address, DType dtype, Shape shape) {
  return {reinterpret_cast<void*>(address), dtype, shape};
}

class GpuLaunch : public ::testing::TestWithParam<const char*> {
 protected:
  GpuLaunch() : driver_(recording_driver()), device_(driver_), stream_(device_) { launched.clear(); }
  std::span<const Image> images() const {
    return GetParam() == std::string("cuda") ? cuda::images() : ptx::images();
  }
  void SetUp() override {
    if (images().empty()) GTEST_SKIP() << "this build had no nvcc; script/bootstrap --cuda";
  }
  Driver driver_;
  Device device_;
  Stream stream_;
};

TEST_P(GpuLaunch, Swiglu) {
  const SwigluKernels kernel(device_, find_image(images(), GetParam(), "swiglu"));
  kernel.forward(stream_, {.gate_up = at(16, DType::bf16, {17, 10}), .weight = {}, .rows = at(32, DType::i32, {1}),
                           .act = at(48, DType::bf16, {17, 5})});
  kernel.backward(stream_, {.gate_up = at(16, DType::f32, {8, 6}), .weight = at(24, DType::f32, {8}), .rows = {},
                            .dact = at(32, DType::f32, {8, 3}), .dgate_up = at(48, DType::f32, {8, 6}),
                            .dweight = {}, .act = at(64, DType::f32, {8, 3})});
  ASSERT_EQ(launched.size(), 2u);
  EXPECT_EQ(launched[0].name, "swiglu_forward_bf16");
  EXPECT_EQ(launched[0].grid, (std::vector{3u, 1u, 1u}));
  EXPECT_EQ(launched[0].block, (std::vector{256u, 1u, 1u}));
  EXPECT_EQ(launched[0].arguments, (std::vector<std::uint64_t>{16, 0, 32, 48, 17, 5}));
  EXPECT_EQ(launched[1].name, "swiglu_backward_f32");
  EXPECT_EQ(launched[1].grid, (std::vector{1u, 1u, 1u}));
  EXPECT_EQ(launched[1].arguments, (std::vector<std::uint64_t>{16, 24, 0, 32, 48, 0, 64, 8, 3}));
}

TEST_P(GpuLaunch, GroupedGemm) {
  const GroupedGemmKernels kernel(device_, find_image(images(), GetParam(), "grouped_gemm"));
  const Tensor x = at(16, DType::bf16, {300, 40}), w = at(32, DType::bf16, {3, 130, 40});
  const Tensor offsets = at(48, DType::i32, {4}), dy = at(64, DType::bf16, {300, 130});
  kernel.forward(stream_, {x, w, offsets, at(80, DType::f32, {300, 130})});
  kernel.dgrad(stream_, {dy, w, {}, at(96, DType::bf16, {300, 40})});
  kernel.wgrad(stream_, {dy, x, offsets, at(112, DType::f32, {3, 130, 40}), true});
  ASSERT_EQ(launched.size(), 3u);
  EXPECT_EQ(launched[0].name, "grouped_gemm_forward_bf16");
  EXPECT_EQ(launched[0].grid, (std::vector{5u, 2u, 1u}));  // ⌊(300 + 3·127) / 128⌋ tiles of rows
  EXPECT_EQ(launched[0].shared_bytes, 61440u);
  EXPECT_EQ(launched[0].arguments, (std::vector<std::uint64_t>{16, 32, 48, 80, 3, 300, 130, 40, 1}));
  EXPECT_EQ(launched[1].grid, (std::vector{5u, 1u, 1u}));
  EXPECT_EQ(launched[1].arguments, (std::vector<std::uint64_t>{64, 32, 0, 96, 3, 300, 130, 40, 0}));
  EXPECT_EQ(launched[2].name, "grouped_gemm_wgrad_bf16");
  EXPECT_EQ(launched[2].grid, (std::vector{1u, 2u, 3u}));
  EXPECT_EQ(launched[2].arguments, (std::vector<std::uint64_t>{64, 16, 48, 112, 3, 300, 130, 40, 1}));
  EXPECT_EQ(shared_limit["grouped_gemm_wgrad_bf16"], 61440);
  EXPECT_EQ(shared_limit["grouped_gemm_wgrad_f32"], 50688);
}

TEST_P(GpuLaunch, NothingIsLaunchedForNoRows) {
  const SwigluKernels kernel(device_, find_image(images(), GetParam(), "swiglu"));
  kernel.forward(stream_, {.gate_up = at(16, DType::f32, {0, 10}), .weight = {}, .rows = {},
                           .act = at(48, DType::f32, {0, 5})});
  EXPECT_TRUE(launched.empty());
}

TEST(RowTiles, AreEnoughForEverySplit) {
  EXPECT_EQ(most_row_tiles(0, 5), 0);
  for (int a = 0; a < 300; ++a) {
    for (int b = 0; b < 300; b += 7) {
      const int need = (a + 127) / 128 + (b + 127) / 128 + (130 + 127) / 128;
      ASSERT_GE(most_row_tiles(a + b + 130, 3), need) << a << " " << b;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, GpuLaunch, ::testing::Values("cuda", "ptx"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace triptych::gpu
