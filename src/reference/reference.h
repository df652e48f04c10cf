/// \file
/// The reference tier: every operation in C++ with Eigen, on the CPU. The mathematics, written to be
/// read, and the oracle for the other tiers.
///
/// One operation a file: `router.cpp` holds ReferenceTier's router functions, and so on.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "reference/thread_pool.h"
#include "triptych/tier.h"

namespace triptych::reference {

/// Memory that one worker thread reuses from call to call: it grows and never shrinks, so that a
/// steady training step allocates nothing.
class Workspace {
 public:
  Workspace() = default;
  ~Workspace();
  Workspace(Workspace&& other) noexcept;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  /// Starts over: what was taken before is worthless.
  void reset();
  /// Room for `count` elements, aligned to 64 bytes; contents unspecified. Pointers taken since the
  /// last reset stay good: a block that is too small is kept until then.
  template <class T>
  T* take(std::int64_t count) {
    return static_cast<T*>(take_bytes(static_cast<std::size_t>(count) * sizeof(T)));
  }
  std::size_t bytes() const;

 private:
  void* take_bytes(std::size_t bytes);
  void add_block(std::size_t bytes);
  struct Block {
    void* memory;
    std::size_t bytes;
  };
  std::vector<Block> blocks_;  // the last one is in use, merged into one at the next reset
  std::size_t used_ = 0;       // bytes taken of the last block
};

/// All operations for S in {f64, f32, bf16}, and the FP8 ones.
class ReferenceTier final : public Tier {
 public:
  /// threads = 0 takes all processors that the process may use.
  explicit ReferenceTier(int threads);
  ~ReferenceTier() override;

  std::string name() const override { return "reference"; }
  std::string device() const override;

  void* allocate(std::size_t bytes) override;
  void deallocate(void* memory) noexcept override;
  std::size_t allocated_bytes() const override;
  std::size_t peak_bytes() const override;
  void reserve_scratch(std::size_t) override {}  // workspaces grow in the first step
  void upload(const Tensor& to, const void* source) override;
  void download(void* to, const ConstTensor& from) override;
  void zero(const Tensor& tensor) override;
  void copy(const Tensor& to, const ConstTensor& from) override;
  void synchronize() override {}
  FaultReport take_fault() override;

 protected:
  void do_embedding_forward(const EmbeddingForward& args) override;
  void do_embedding_backward(const EmbeddingBackward& args) override;
  void do_rms_norm_forward(const RmsNormForward& args) override;
  void do_rms_norm_backward(const RmsNormBackward& args) override;
  void do_attention_forward(const AttentionForward& args) override;
  void do_attention_backward(const AttentionBackward& args) override;
  void do_attention_cached(const AttentionCached& args) override;
  void do_router_forward(const RouterForward& args) override;
  void do_router_backward(const RouterBackward& args) override;
  void do_router_update_bias(const RouterUpdateBias& args) override;
  void do_dispatch_plan(const DispatchPlanArgs& args) override;
  void do_dispatch_rows(const DispatchRows& args) override;
  void do_dispatch_weights(const DispatchWeights& args) override;
  void do_dispatch_weights_backward(const DispatchWeightsBackward& args) override;
  void do_grouped_gemm_forward(const GroupedGemmForward& args) override;
  void do_grouped_gemm_dgrad(const GroupedGemmDgrad& args) override;
  void do_grouped_gemm_wgrad(const GroupedGemmWgrad& args) override;
  void do_grouped_gemm_fp8_forward(const GroupedGemmFp8Forward& args) override;
  void do_grouped_gemm_fp8_dgrad(const GroupedGemmFp8Dgrad& args) override;
  void do_grouped_gemm_fp8_wgrad(const GroupedGemmFp8Wgrad& args) override;
  void do_swiglu_forward(const SwigluForward& args) override;
  void do_swiglu_backward(const SwigluBackward& args) override;
  void do_combine(const CombineArgs& args) override;
  void do_quantize_rows(const QuantizeRows& args) override;
  void do_dequantize_rows(const DequantizeRows& args) override;
  void do_quantize_transpose(const QuantizeTranspose& args) override;
  void do_quantize_weight(const QuantizeWeightArgs& args) override;
  void do_cross_entropy(const CrossEntropyArgs& args) override;
  void do_grad_norm(const GradNorm& args) override;
  void do_adamw_step(const AdamWStep& args) override;
  void do_add(const AddArgs& args) override;
  void do_cast(const CastArgs& args) override;
  void do_split_columns(const SplitColumns& args) override;
  void do_concat_columns(const ConcatColumns& args) override;

 private:
  /// Keeps the first fault until it is taken. Called by the thread that called the operation, when a
  /// loop is over (first_index.h): so which fault is first does not depend on the number of threads.
  void set_fault(Fault fault, std::int64_t index) {
    if (fault_.fault == Fault::none) fault_ = {fault, index};
  }

  /// Calls body(row, thread) for each row; a task takes a few rows, so that taking it costs little.
  template <class Body>
  void for_rows(std::int64_t rows, Body&& body) {
    constexpr std::int64_t rows_a_task = 16;
    pool_.run((rows + rows_a_task - 1) / rows_a_task, [&](std::int64_t task, int thread) {
      const std::int64_t end = std::min(rows, (task + 1) * rows_a_task);
      for (std::int64_t row = task * rows_a_task; row < end; ++row) body(row, thread);
    });
  }

  /// The thread's workspace, started over.
  Workspace& workspace(int thread) {
    Workspace& own = workspaces_[static_cast<std::size_t>(thread)];
    own.reset();
    return own;
  }
  /// What one loop of an operation leaves for its next one, started over.
  Workspace& between_loops() {
    between_loops_.reset();
    return between_loops_;
  }

  ThreadPool pool_;
  std::vector<Workspace> workspaces_;  // one a thread
  Workspace between_loops_;
  FaultReport fault_;
  std::size_t allocated_ = 0, peak_ = 0;
};

/// Calls f.template operator()<S, A>() with the C++ types of a storage dtype and of its accumulation
/// dtype.
template <class F>
void with_storage(DType storage, F&& f) {
  switch (storage) {
    case DType::f64: return f.template operator()<double, double>();
    case DType::f32: return f.template operator()<float, float>();
    case DType::bf16: return f.template operator()<bf16, float>();
    default: break;
  }
  throw usage_error(std::string("reference: no arithmetic for dtype ") + name_of(storage));
}

}  // namespace triptych::reference
