/// \file
/// Token embedding.
#pragma once

#include "triptych/tensor.h"

namespace triptych {

/// Arguments of Embedding::embedding_forward. T tokens, V vocabulary, D width.
struct EmbeddingForward {
  ConstTensor tokens;  ///< [T] i32, each in 0 … V-1
  ConstTensor table;   ///< [V,D] S
  Tensor out;          ///< [T,D] S, overwritten
};

/// Arguments of Embedding::embedding_backward.
struct EmbeddingBackward {
  ConstTensor tokens;  ///< [T] i32
  ConstTensor dout;    ///< [T,D] S
  Tensor dtable;       ///< [V,D] A, accumulated (+=)
};

/// Rows of a table, chosen by token.
class Embedding {
 public:
  virtual ~Embedding() = default;

  /// out[t,:] = table[tokens[t],:]. A token outside 0 … V-1 gives a row of zeros and sets the fault
  /// `token_out_of_range`. Error: none (a copy).
  void embedding_forward(const EmbeddingForward& args);
  /// dtable[v,:] += Σ_{t: tokens[t] = v} dout[t,:], the sum in A in the order of t; tokens outside
  /// the vocabulary are left out. Error: tolerance::embedding_backward.
  void embedding_backward(const EmbeddingBackward& args);
  /// Bytes of scratch that embedding_backward needs at these shapes (Tier::reserve_scratch).
  virtual std::size_t embedding_backward_scratch(const EmbeddingBackward&) const { return 0; }

 protected:
  virtual void do_embedding_forward(const EmbeddingForward& args) = 0;
  virtual void do_embedding_backward(const EmbeddingBackward& args) = 0;
};

}  // namespace triptych
