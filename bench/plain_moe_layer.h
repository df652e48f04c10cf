/// \file
/// The yardstick of `moe_layer`: what somebody who has OpenBLAS would write in an afternoon. An expert
/// after the other: gather its tokens, one sgemm, SwiGLU, one sgemm, add into the tokens' sums; and the
/// backward in the same way. f32. OpenBLAS uses as many threads as the tier beside it, and so do the
/// loops between its calls.
#pragma once

#include <cstdint>
#include <vector>

#include "reference/thread_pool.h"

namespace triptych::bench {

/// Extents: T tokens of width D, E experts of inner width F, K experts a token.
struct PlainShape {
  std::int64_t tokens, width, inner, experts, choices;
  std::int64_t rows() const { return tokens * choices; }
};

/// A routed layer with buffers of its own.
class PlainMoeLayer {
 public:
  PlainMoeLayer(const PlainShape& shape, int threads);

  /// Parameters, as MoeLayerWeights lays them out.
  struct Weights {
    const float *router, *gate_up, *down;
  };
  /// Their gradients, accumulated.
  struct Gradients {
    float *router, *gate_up, *down;
  };
  void forward(const float* x, const Weights& weights, float* y);
  /// After forward, with the same x.
  void backward(const float* x, const float* dy, const Weights& weights, const Gradients& gradients,
                float* dx);

 private:
  void route(const float* x, const float* router);
  void sort_rows();
  void route_backward(const float* x, const float* router, float* drouter, float* dx);

  PlainShape s_;
  int threads_;
  reference::ThreadPool pool_;
  std::vector<float> scores_, dscores_, gates_, dgates_;
  std::vector<int> chosen_, row_of_, token_of_, choice_of_, first_row_;
  std::vector<float> rows_, gate_up_, act_, out_, dgate_up_, dact_;
};

}  // namespace triptych::bench
