// What the programs share: each says a line for what came out right, and stops at the first that did not.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#define CHECK(call)                                                                               \
  do {                                                                                            \
    const cudaError_t code = (call);                                                              \
    if (code != cudaSuccess) {                                                                    \
      std::printf("line %d: %s: %s\n", __LINE__, cudaGetErrorName(code), cudaGetErrorString(code));\
      std::exit(1);                                                                               \
    }                                                                                             \
  } while (0)
#define WANT(condition)                                                                           \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      std::printf("line %d: not %s\n", __LINE__, #condition);                                     \
      std::exit(1);                                                                               \
    }                                                                                             \
  } while (0)

/// Device memory.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::size_t count) : count_(count) { CHECK(cudaMalloc(&data_, count * sizeof(T))); }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    CHECK(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  Buffer(const Buffer&) = delete;
  ~Buffer() { cudaFree(data_); }
  operator T*() { return data_; }
  std::vector<T> get() const {
    std::vector<T> values(count_);
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

/// The same numbers on every machine.
inline std::vector<unsigned> random_words(std::size_t count, unsigned seed = 1) {
  std::vector<unsigned> words(count);
  for (unsigned& w : words) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    w = seed;
  }
  return words;
}
