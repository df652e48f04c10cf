// Kernels for the program of the Driver API.
extern "C" __global__ void add(int* p, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  p[i] += n;
}

extern "C" __global__ void ranks(unsigned* to) {
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  to[blockIdx.x] = rank;
}

__device__ int counter = 3;

extern "C" __global__ void count() { atomicAdd(&counter, 1); }
