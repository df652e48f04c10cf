// CUB's primitives of a whole device: CTAs pass their sums on to each other through memory.
#include <algorithm>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_scan.cuh>

#include "want.h"

/// Calls it twice, as CUB wants: for the size of its storage, and with it.
template <class F>
void with_storage(F&& call) {
  std::size_t bytes = 0;
  CHECK(call(nullptr, bytes));
  Buffer<unsigned char> storage(std::max<std::size_t>(bytes, 1));
  CHECK(call(static_cast<void*>(storage), bytes));
  CHECK(cudaDeviceSynchronize());
}

int main() {
  constexpr int n = 20000;
  std::vector<unsigned> in = random_words(n);
  Buffer<unsigned> from(in), sum(1), scans(n), sorted(n);
  unsigned *f = from, *s = sum, *c = scans, *o = sorted;
  with_storage([&](void* storage, std::size_t& bytes) { return cub::DeviceReduce::Sum(storage, bytes, f, s, n); });
  with_storage([&](void* storage, std::size_t& bytes) { return cub::DeviceScan::InclusiveSum(storage, bytes, f, c, n); });
  const auto scanned = scans.get();
  unsigned total = 0;
  for (int i = 0; i < n; ++i) WANT(scanned[i] == (total += in[i]));
  WANT(sum.get()[0] == total);
  std::puts("sums");
  with_storage([&](void* storage, std::size_t& bytes) { return cub::DeviceRadixSort::SortKeys(storage, bytes, f, o, n); });
  std::sort(in.begin(), in.end());
  WANT(sorted.get() == in);
  std::puts("sorts");
}
