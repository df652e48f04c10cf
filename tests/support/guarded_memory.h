/// \file
/// A tier's memory for one test: every tensor lies between poisoned bands, outputs start poisoned, and
/// inputs are remembered.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "support/host_tensor.h"
#include "triptych/tier.h"

namespace triptych::testing {

/// Every byte of a band, and of an output before it is written: NaN in all floating types, -1 in i32.
/// So an operation that reads past its input, or reads an output, spoils its result visibly.
inline constexpr std::byte poison{0xFF};

/// Gives out tensors and finds out what an operation did besides writing its outputs.
class GuardedMemory {
 public:
  explicit GuardedMemory(Tier& tier) : tier_(tier) {}
  ~GuardedMemory();
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  /// A tensor that operations only read.
  Tensor input(const std::string& name, const HostTensor& values);
  /// A poisoned tensor for an output.
  Tensor output(const std::string& name, DType dtype, Shape shape);
  /// A tensor with contents that an operation changes.
  Tensor update(const std::string& name, const HostTensor& values);
  /// Downloads a tensor, whole or in part.
  HostTensor read(const ConstTensor& tensor) const;
  /// What is wrong: one line for each band that was written to and each input that was changed; empty
  /// if nothing is.
  std::string damage() const;

 private:
  struct Block {
    std::string name;
    std::byte* base;             // band, contents, band
    std::vector<std::byte> all;  // as uploaded
    std::size_t bytes;           // of the contents
    bool read_only;
  };
  Tensor place(const std::string& name, DType dtype, Shape shape, const std::byte* contents,
               bool read_only);
  Tier& tier_;
  std::vector<Block> blocks_;
};

/// Whether all of a tensor's bytes are poison: it was not written.
bool untouched(const HostTensor& tensor);

}  // namespace triptych::testing
