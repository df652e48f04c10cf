// The GPU tiers' kernels on the software device, through the Driver API, against the formulas: the library is
// found at run time as a real driver would be. Ragged extents, empty groups, both images.
// ctest: timeout=120 needs=triptych_emulator_driver
#include <gtest/gtest.h>

#include "cuda/images.h"
#include "gpu/grouped_gemm.h"
#include "gpu/swiglu.h"
#include "ptx/images.h"
#include "support/comparator.h"
#include "support/oracle_grouped_gemm.h"
#include "support/oracle_swiglu.h"

namespace triptych::testing {
namespace {

/// The software device and tensors on it.
class SoftwareDevice {
 public:
  SoftwareDevice() : driver_(gpu::load_driver(TRIPTYCH_EMULATOR "/libcuda.so.1")), device_(driver_), stream_(device_) {}

  Tensor put(const HostTensor& host) {
    if (host.absent()) return {};
    const Tensor t = empty(host.dtype(), host.shape());
    if (t.bytes() > 0) gpu::upload(stream_, t.data, host.bytes().data(), t.bytes());
    return t;
  }
  Tensor empty(DType dtype, Shape shape) {
    Tensor t{nullptr, dtype, shape};
    memory_.push_back(std::make_unique<gpu::DeviceMemory>(device_, std::max<std::size_t>(256, t.bytes())));
    t.data = memory_.back()->data();
    return t;
  }
  HostTensor get(const Tensor& t) {
    std::vector<std::byte> bytes(t.bytes());
    if (!bytes.empty()) gpu::download(stream_, bytes.data(), t.data, bytes.size());
    return HostTensor::from_bytes(t.dtype, t.shape, std::move(bytes));
  }
  const gpu::Device& device() const { return device_; }
  const gpu::Stream& stream() const { return stream_; }

 private:
  gpu::Driver driver_;
  gpu::Device device_;
  gpu::Stream stream_;
  std::vector<std::unique_ptr<gpu::DeviceMemory>> memory_;
};

class GpuKernels : public ::testing::TestWithParam<const char*> {
 protected:
  static SoftwareDevice& device() {
    static SoftwareDevice one;
    return one;
  }
  std::span<const gpu::Image> images() const {
    return GetParam() == std::string("cuda") ? cuda::images() : ptx::images();
  }
  void SetUp() override {
    if (images().empty()) GTEST_SKIP() << "this build had no nvcc; script/bootstrap --cuda";
  }
};

TEST_P(GpuKernels, Swiglu) {
  SoftwareDevice& d = device();
  const gpu::SwigluKernels kernels(d.device(), gpu::find_image(images(), GetParam(), "swiglu"));
  Values v(5);
  for (const Precision p : {Precision::f32, Precision::bf16}) {
    const DType s = storage_dtype(p);
    for (const auto& [r, f] : {std::pair{1, 1}, {3, 16}, {17, 97}, {131, 40}}) {
      SCOPED_TRACE(std::string(name_of(p)) + " " + std::to_string(r) + "×" + std::to_string(f));
      const HostTensor gate_up = HostTensor::uniform(s, {r, 2 * f}, v, -4, 4), dact = HostTensor::uniform(s, {r, f}, v, -1, 1);
      const HostTensor weight = HostTensor::uniform(DType::f32, {r}, v, 0.1, 1);
      const Tensor x = d.put(gate_up), w = d.put(weight), dy = d.put(dact);
      const Tensor act = d.empty(s, {r, f}), again = d.empty(s, {r, f}), dx = d.empty(s, {r, 2 * f}), dw = d.empty(DType::f32, {r});
      kernels.forward(d.stream(), {.gate_up = x, .weight = w, .rows = {}, .act = act});
      kernels.backward(d.stream(), {.gate_up = x, .weight = w, .rows = {}, .dact = dy, .dgate_up = dx, .dweight = dw, .act = again});
      EXPECT_TRUE(agrees("act", d.get(act), oracle::swiglu_forward(gate_up, weight), tolerance::swiglu_forward, dtypes_of(p)));
      const auto want = oracle::swiglu_backward(gate_up, weight, dact);
      EXPECT_TRUE(agrees("dgate_up", d.get(dx), want.dgate_up, tolerance::swiglu_backward, dtypes_of(p)));
      EXPECT_TRUE(agrees("dweight", d.get(dw), want.dweight, tolerance::swiglu_backward, {DType::f32, DType::f32}));
      EXPECT_TRUE(same_bits("act again", d.get(again), d.get(act)));
    }
  }
}

TEST_P(GpuKernels, GroupedGemm) {
  SoftwareDevice& d = device();
  const gpu::GroupedGemmKernels kernels(d.device(), gpu::find_image(images(), GetParam(), "grouped_gemm"));
  Values v(6);
  for (const Precision p : {Precision::f32, Precision::bf16}) {
    const DType s = storage_dtype(p);
    for (const auto& [n, k] : {std::pair{7, 19}, {130, 40}, {33, 131}}) {
      SCOPED_TRACE(std::string(name_of(p)) + " " + std::to_string(n) + "×" + std::to_string(k));
      constexpr std::int64_t rows = 171;
      const HostTensor offsets(DType::i32, {4}, {0, 3, 3, rows});   // an empty group
      const HostTensor x = HostTensor::uniform(s, {rows, k}, v, -1, 1), w = HostTensor::uniform(s, {3, n, k}, v, -1, 1);
      const HostTensor dy = HostTensor::uniform(s, {rows, n}, v, -1, 1), dw0 = HostTensor::uniform(DType::f32, {3, n, k}, v, -1, 1);
      const Tensor tx = d.put(x), tw = d.put(w), tdy = d.put(dy), to = d.put(offsets), tdw = d.put(dw0);
      const Tensor y = d.empty(s, {rows, n}), dx = d.empty(s, {rows, k});
      kernels.forward(d.stream(), {tx, tw, to, y});
      kernels.dgrad(d.stream(), {tdy, tw, to, dx});
      kernels.wgrad(d.stream(), {tdy, tx, to, tdw, true});
      EXPECT_TRUE(agrees("y", d.get(y), oracle::grouped_gemm_forward(x, w, offsets), tolerance::grouped_gemm, dtypes_of(p)));
      EXPECT_TRUE(agrees("dx", d.get(dx), oracle::grouped_gemm_dgrad(dy, w, offsets), tolerance::grouped_gemm, dtypes_of(p)));
      EXPECT_TRUE(agrees("dw", d.get(tdw), oracle::grouped_gemm_wgrad(dy, x, offsets, dw0), tolerance::grouped_gemm,
                         {DType::f32, DType::f32}));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, GpuKernels, ::testing::Values("cuda", "ptx"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace triptych::testing
