/// \file
/// What the benchmarks share: an operation's tensors, and its time beside what bounds it.
///
/// A time on a shared machine says little; the ratio of two times that were taken one after the other
/// says more, and the median of many such ratios can be trusted. So a benchmark goes in rounds, and in
/// each these take turns, a different one first every time:
///
///   ours      the operation
///   copy      memcpy of as many bytes as the operation reads and writes, on as many threads
///   product   a square sgemm of OpenBLAS on every thread, for an operation made of products
///   peer      what a user would call instead, where there is such a thing
///
/// What is reported (`triptych bench` prints it as a table, Google Benchmark writes it as JSON):
///
///   real_time  the median of ours
///   GB/s       bytes over that time, or
///   GFLOP/s    floating-point operations over that time
///   roofline   the median of bound / ours; the bound is the copy's time, or what the operation's FLOPs
///              take at the product's rate, whichever is longer
///   peer       the median of peer / ours: above 1 we are faster
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/blas.h"
#include "bench/settings.h"
#include "triptych/tier.h"

namespace triptych::bench {

/// Extents, by the letters of the contract.
struct Sizes {
  const char* name;
  std::int64_t tokens, width, inner, experts, vocabulary;  ///< T, D, F, E, V
  int choices;                                             ///< K
  std::int64_t sequence, heads;                            ///< S, H: of attention

  std::int64_t rows() const { return tokens * choices; }  ///< R
};
/// S1 is the layer of moe_layer_bench.cpp; S0 shows what a call costs when there is little to do.
inline constexpr Sizes all_sizes[] = {{"S0", 128, 256, 128, 8, 512, 2, 64, 4},
                                      {"S1", 2048, 1024, 512, 16, 8192, 4, 512, 16}};

/// What stands beside an operation.
struct Peer {
  std::string name;            ///< "OpenBLAS"
  std::function<void()> call;  ///< the same work; absent: there is no peer
  double rest = 0;             ///< seconds to wait after it
};

/// One operation under one policy at one size, on a tier of its own.
class Case {
 public:
  Case(benchmark::State& state, Precision precision, const Sizes& sizes);
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;
  ~Case();

  const Precision precision;
  const Sizes& sizes;
  const DType s, a;  ///< storage and accumulation dtype
  const int threads;
  const std::unique_ptr<Tier> tier;

  /// Tensors of the operation, by what it does to them: reads, overwrites, or both. So the bytes that it
  /// must move are known. Values of f32 and bf16 are normal deviates times `scale`.
  Tensor read(DType dtype, Shape shape, double scale = 1);
  Tensor written(DType dtype, Shape shape);
  Tensor updated(DType dtype, Shape shape, double scale = 1);
  /// Read: integers, uniform in 0 … below-1.
  Tensor indices(Shape shape, std::int64_t below);
  /// Read: [T,K] distinct experts of each token, all equally likely.
  Tensor experts();
  /// A tensor that moves no bytes: small, or not touched as a whole.
  Tensor uncounted(DType dtype, Shape shape, double scale = 1);
  /// The dispatch plan of these experts, uncounted.
  DispatchPlan plan(const ConstTensor& experts);
  /// Codes of a weight [E,N,K] in both layouts, uncounted.
  QuantizedWeight quantized_weight(const ConstTensor& w);
  /// Bytes that the operation moves besides its tensors.
  void bytes(double count) { bytes_ += count; }
  /// Floating-point operations, as the algebra has them: 2 for a product and its sum.
  void flops(double count) { flops_ += count; }

  /// Times ours in turns with the others, and reports.
  void measure(const std::function<void()>& ours, const Peer& peer = {});

 private:
  benchmark::State& state_;
  std::vector<void*> memory_;
  double bytes_ = 0, flops_ = 0;
};

/// Registers `operation`/policy/size for each policy and size. Returns true, for a static initialiser.
bool add(const std::string& operation, std::initializer_list<Precision> policies, void (*body)(Case&));
bool add(const std::string& operation, void (*body)(Case&));  ///< f32 and bf16

}  // namespace triptych::bench
