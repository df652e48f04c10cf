/// \file
/// A tier: one implementation of every operation, with the memory that it works on.
#pragma once

#include <memory>
#include <string>

#include "triptych/adamw.h"
#include "triptych/attention.h"
#include "triptych/combine.h"
#include "triptych/cross_entropy.h"
#include "triptych/dispatch.h"
#include "triptych/elementwise.h"
#include "triptych/embedding.h"
#include "triptych/error.h"
#include "triptych/grouped_gemm.h"
#include "triptych/moe_layer.h"
#include "triptych/quantize.h"
#include "triptych/rms_norm.h"
#include "triptych/router.h"
#include "triptych/swiglu.h"

namespace triptych {

/// What only the device sees. The first one of a step stays until it is taken.
enum class Fault : std::int32_t {
  none = 0,
  token_out_of_range,   ///< index: the position in the batch
  router_not_finite,    ///< index: the token
  expert_out_of_range,  ///< index: the token
  logits_not_finite,    ///< index: the token
  gradient_not_finite,  ///< index: the element of its parameter
  capacity_exceeded     ///< index: the rows that were needed
};

/// A fault and where it was.
struct FaultReport {
  Fault fault = Fault::none;  ///< what
  std::int64_t index = 0;     ///< where, see Fault

  /// One line with the remedy; empty for Fault::none.
  std::string str() const;
};

/// Every operation of the contract on one kind of device.
///
/// Operations enqueue on the tier's stream and return: in the order of the calls each sees the
/// results of those before it. Arguments are checked when an operation is called (Error of kind
/// `usage`); what only the device sees becomes a fault. Nothing synchronises but download,
/// synchronize and take_fault, and nothing allocates but allocate and reserve_scratch. An output
/// shares no memory with another argument unless the operation says that it may.
///
/// A class that lacks an operation does not compile as a Tier. One Tier is used from one thread.
class Tier : public Embedding,
             public RmsNorm,
             public Attention,
             public Router,
             public Dispatch,
             public GroupedGemm,
             public Swiglu,
             public Combine,
             public Quantize,
             public CrossEntropy,
             public AdamW,
             public Elementwise,
             public MoeLayer {
 public:
  ~Tier() override = default;

  /// "reference", "cuda" or "ptx".
  virtual std::string name() const = 0;
  /// What it runs on: "AMD EPYC, 2 threads".
  virtual std::string device() const = 0;

  /// Memory for tensors, aligned to 256 bytes, contents unspecified.
  /// Throws Error (environment) naming the bytes wanted and there.
  virtual void* allocate(std::size_t bytes) = 0;
  /// Gives back what allocate gave; nullptr is ignored.
  virtual void deallocate(void* memory) noexcept = 0;
  /// Bytes allocated now, the tier's own scratch included, and the most so far.
  virtual std::size_t allocated_bytes() const = 0;
  virtual std::size_t peak_bytes() const = 0;  ///< \copydoc allocated_bytes
  /// Makes the tier's scratch at least this large; operations say how much they need
  /// (`…_scratch`). An operation that finds too little throws Error.
  virtual void reserve_scratch(std::size_t bytes) = 0;

  /// Copies from host memory, in the order of the operations; `source` may be reused on return.
  virtual void upload(const Tensor& to, const void* source) = 0;
  /// Waits for all operations before it, then copies to host memory.
  virtual void download(void* to, const ConstTensor& from) = 0;
  /// Sets all bits to zero, in the order of the operations.
  virtual void zero(const Tensor& tensor) = 0;
  /// Copies between tensors of one dtype and count, in the order of the operations.
  virtual void copy(const Tensor& to, const ConstTensor& from) = 0;
  /// Waits for all operations.
  virtual void synchronize() = 0;
  /// Waits for all operations, returns the first fault since the last call, and clears it.
  virtual FaultReport take_fault() = 0;

 protected:
  /// The layer composed of the fine operations, step by step (src/contract/moe_layer.cpp); a tier
  /// with a fused one overrides it, and can still call this one to be compared with.
  void do_moe_layer_forward(const MoeLayerForward& args) override;
  void do_moe_layer_backward(const MoeLayerBackward& args) override;
};

/// Rows whose sums over tokens form one partial sum (RMSNorm's and the router's weight gradients).
inline constexpr std::int64_t token_chunk = 512;

/// One allocation cut into aligned tensors. An arena without a tier only counts, so that a plan can
/// be measured with the code that will carry it out.
class Arena {
 public:
  /// Counts only: take() gives tensors without memory.
  Arena() = default;
  /// Allocates `bytes` of the tier's memory. The tier must outlive the arena.
  Arena(Tier& tier, std::size_t bytes);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// The next tensor, aligned to 256 bytes, contents unspecified.
  /// Throws Error when the arena is too small.
  Tensor take(DType dtype, Shape shape);
  /// Codes and scales of [rows, columns] (1×128 tiles).
  QuantizedRows take_quantized_rows(std::int64_t rows, std::int64_t columns,
                                    DType dtype = DType::e4m3);
  /// Codes and scales of [columns, padded rows].
  QuantizedColumns take_quantized_columns(std::int64_t columns, std::int64_t padded);
  /// Codes both ways and scales of [E,N,K].
  QuantizedWeight take_quantized_weight(std::int64_t experts, std::int64_t n, std::int64_t k);
  /// Bytes taken so far, alignment included.
  std::size_t used() const { return used_; }
  /// The first byte of the arena's memory; nullptr while it only counts.
  void* base() const { return base_; }

 private:
  Tier* tier_ = nullptr;
  std::byte* base_ = nullptr;
  std::size_t size_ = 0;
  std::size_t used_ = 0;
};

/// How to make a tier.
struct TierOptions {
  std::string name = "reference";  ///< which one
  int threads = 0;                 ///< reference: worker threads; 0: all the process may use
};

/// The factory: the only code that knows which tiers exist. Throws Error (usage) for an unknown
/// name, Error (environment) for a tier that this machine or build cannot run.
std::unique_ptr<Tier> make_tier(const TierOptions& options);

}  // namespace triptych
