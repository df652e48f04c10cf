// CUB's primitives of warps and blocks.
#include <algorithm>
#include <cub/block/block_histogram.cuh>
#include <cub/block/block_load.cuh>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>
#include <cub/warp/warp_reduce.cuh>
#include <cub/warp/warp_scan.cuh>
#include <numeric>

#include "want.h"

constexpr int threads = 128, items = 4, total_items = threads * items;

__global__ void warps(const unsigned* from, unsigned* sums, unsigned* scans) {
  using Reduce = cub::WarpReduce<unsigned>;
  using Scan = cub::WarpScan<unsigned>;
  __shared__ typename Reduce::TempStorage reduce[threads / 32];
  __shared__ typename Scan::TempStorage scan[threads / 32];
  const int w = threadIdx.x / 32;
  const unsigned value = from[threadIdx.x];
  const unsigned sum = Reduce(reduce[w]).Sum(value);
  unsigned before;
  Scan(scan[w]).ExclusiveSum(value, before);
  scans[threadIdx.x] = before;
  if (threadIdx.x % 32 == 0) sums[w] = sum;
}

__global__ void blocks(const unsigned* from, unsigned* sum, unsigned* scans, unsigned* sorted, unsigned* counts) {
  using Load = cub::BlockLoad<unsigned, threads, items, cub::BLOCK_LOAD_WARP_TRANSPOSE>;
  using Reduce = cub::BlockReduce<unsigned, threads>;
  using Scan = cub::BlockScan<unsigned, threads>;
  using Sort = cub::BlockRadixSort<unsigned, threads, items>;
  using Histogram = cub::BlockHistogram<unsigned char, threads, items, 256>;
  __shared__ union {
    typename Load::TempStorage load;
    typename Reduce::TempStorage reduce;
    typename Scan::TempStorage scan;
    typename Sort::TempStorage sort;
    typename Histogram::TempStorage histogram;
  } shared;
  __shared__ unsigned bins[256];
  unsigned own[items];
  Load(shared.load).Load(from, own);
  __syncthreads();
  const unsigned total = Reduce(shared.reduce).Sum(own);
  if (threadIdx.x == 0) *sum = total;
  __syncthreads();
  unsigned before[items];
  Scan(shared.scan).ExclusiveSum(own, before);
  for (int i = 0; i < items; ++i) scans[threadIdx.x * items + i] = before[i];
  __syncthreads();
  unsigned char bytes[items];
  for (int i = 0; i < items; ++i) bytes[i] = static_cast<unsigned char>(own[i] & 255);
  Histogram(shared.histogram).Histogram(bytes, bins);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += threads) counts[i] = bins[i];
  __syncthreads();
  Sort(shared.sort).Sort(own);
  for (int i = 0; i < items; ++i) sorted[threadIdx.x * items + i] = own[i];
}

int main() {
  std::vector<unsigned> in = random_words(total_items);
  Buffer<unsigned> from(in), sums(threads / 32), scans(total_items), sum(1), sorted(total_items), counts(256);
  warps<<<1, threads>>>(from, sums, scans);
  auto s = sums.get(), c = scans.get();
  for (int w = 0; w < threads / 32; ++w) {
    unsigned before = 0;
    for (int l = 0; l < 32; ++l) {
      WANT(c[w * 32 + l] == before);
      before += in[w * 32 + l];
    }
    WANT(s[w] == before);
  }
  std::puts("warps");

  blocks<<<1, threads>>>(from, sum, scans, sorted, counts);
  c = scans.get();
  unsigned before = 0;
  std::vector<unsigned> expected(256);
  for (int i = 0; i < total_items; ++i) {
    WANT(c[i] == before);
    before += in[i];
    ++expected[in[i] & 255];
  }
  WANT(sum.get()[0] == before);
  WANT(counts.get() == expected);
  std::sort(in.begin(), in.end());
  WANT(sorted.get() == in);
  std::puts("blocks");
}
