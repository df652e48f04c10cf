// Cooperative groups, and libcu++'s barriers, pipelines and atomics.
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>

#include <cuda/atomic>
#include <cuda/barrier>
#include <cuda/pipeline>
#include <numeric>

#include "want.h"

namespace cg = cooperative_groups;

__global__ void tile_sums(const unsigned* from, unsigned* sums, unsigned* scans) {
  const cg::thread_block block = cg::this_thread_block();
  const cg::thread_block_tile<16> tile = cg::tiled_partition<16>(block);
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned sum = cg::reduce(tile, from[i], cg::plus<unsigned>());
  scans[i] = cg::inclusive_scan(tile, from[i], cg::plus<unsigned>());
  if (tile.thread_rank() == 0) sums[i / 16] = sum;
}

/// Each round reads what other CTAs wrote in the one before.
__global__ void rounds(unsigned* a, unsigned* b, int n) {
  const cg::grid_group grid = cg::this_grid();
  for (int round = 0; round < n; ++round) {
    const unsigned i = static_cast<unsigned>(grid.thread_rank()), all = static_cast<unsigned>(grid.size());
    b[i] = a[(i + 65) % all] + 1;
    grid.sync();
    unsigned* t = a;
    a = b;
    b = t;
  }
}

__global__ void through_barrier(const unsigned* from, unsigned* to) {
  __shared__ cuda::barrier<cuda::thread_scope_block> bar;
  __shared__ unsigned words[128];
  if (threadIdx.x == 0) init(&bar, blockDim.x);
  __syncthreads();
  for (int round = 0; round < 3; ++round) {
    words[threadIdx.x] = from[threadIdx.x] + round;
    bar.arrive_and_wait();
    to[round * 128 + threadIdx.x] = words[127 - threadIdx.x];
    bar.arrive_and_wait();
  }
}

/// Two stages of tiles on their way while a third is added up.
__global__ void pipelined(const unsigned* from, unsigned* to, int tiles) {
  constexpr int stages = 2;
  __shared__ alignas(16) unsigned buffer[stages][128];
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, stages> state;
  const cg::thread_block block = cg::this_thread_block();
  auto pipe = cuda::make_pipeline(block, &state);
  int ahead = 0;
  unsigned sum = 0;
  for (int t = 0; t < tiles; ++t) {
    for (; ahead < tiles && ahead < t + stages; ++ahead) {
      pipe.producer_acquire();
      cuda::memcpy_async(block, buffer[ahead % stages], from + ahead * 128, sizeof buffer[0], pipe);
      pipe.producer_commit();
    }
    pipe.consumer_wait();
    sum += buffer[t % stages][127 - threadIdx.x];
    pipe.consumer_release();
  }
  to[threadIdx.x] = sum;
}

__global__ void handed_on(unsigned* flag, unsigned* word, unsigned* out) {
  cuda::atomic_ref<unsigned, cuda::thread_scope_device> f(*flag);
  if (threadIdx.x != 0) return;
  if (blockIdx.x == 0) {
    *word = 42;
    f.store(1, cuda::memory_order_release);
  } else {
    while (f.load(cuda::memory_order_acquire) == 0) {
    }
    out[blockIdx.x] = *word;
  }
}

int main() {
  const std::vector<unsigned> in = random_words(512);
  Buffer<unsigned> from(in), sums(32), scans(512);
  tile_sums<<<4, 128>>>(from, sums, scans);
  const auto s = sums.get(), c = scans.get();
  for (std::size_t t = 0; t < 32; ++t) {
    unsigned sum = 0;
    for (std::size_t i = 0; i < 16; ++i) {
      sum += in[t * 16 + i];
      WANT(c[t * 16 + i] == sum);
    }
    WANT(s[t] == sum);
  }
  std::puts("tiles");

  std::vector<unsigned> start(192);
  std::iota(start.begin(), start.end(), 0u);
  Buffer<unsigned> a(start), b(192);
  unsigned *pa = a, *pb = b;
  int n = 4;
  void* arguments[] = {&pa, &pb, &n};
  CHECK(cudaLaunchCooperativeKernel(reinterpret_cast<void*>(rounds), dim3(3), dim3(64), arguments, 0, nullptr));
  const auto r = a.get();
  for (unsigned i = 0; i < 192; ++i) WANT(r[i] == (i + 4 * 65) % 192 + 4);
  std::puts("grids");

  Buffer<unsigned> turned(384);
  through_barrier<<<1, 128>>>(from, turned);
  const auto t = turned.get();
  for (unsigned i = 0; i < 384; ++i) WANT(t[i] == in[127 - i % 128] + i / 128);
  std::puts("barriers");

  Buffer<unsigned> added(128);
  pipelined<<<1, 128>>>(from, added, 4);
  const auto p = added.get();
  for (unsigned i = 0; i < 128; ++i) WANT(p[i] == in[127 - i] + in[255 - i] + in[383 - i] + in[511 - i]);
  std::puts("pipelines");

  Buffer<unsigned> flag(std::vector<unsigned>{0}), word(std::vector<unsigned>{0}), out(std::vector<unsigned>(4));
  handed_on<<<4, 32>>>(flag, word, out);
  for (std::size_t i = 1; i < 4; ++i) WANT(out.get()[i] == 42);
  std::puts("atomics");
}
