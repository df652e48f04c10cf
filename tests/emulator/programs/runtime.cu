// A program of the Runtime API that knows nothing of any software device. It prints a line for each thing that came
// out right, and stops at the first that did not.
#include <cooperative_groups.h>

#include "want.h"

__device__ int table[4] = {1, 2, 3, 4};
__constant__ int scale = 3;
__managed__ int word = 5;

__global__ void scaled(int* p, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) p[i] += table[i & 3] * scale;
}

template <class T>
__global__ void reversed(const T* from, T* to) {
  extern __shared__ unsigned char bytes[];
  T* tile = reinterpret_cast<T*>(bytes);
  tile[threadIdx.x] = from[threadIdx.x];
  __syncthreads();
  to[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

__global__ void grid_sum(int* sums, int* total) {
  namespace cg = cooperative_groups;
  if (threadIdx.x == 0) sums[blockIdx.x] = static_cast<int>(blockIdx.x);
  cg::this_grid().sync();
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    *total = 0;
    for (unsigned b = 0; b < gridDim.x; ++b) *total += sums[b];
  }
}

__global__ void __cluster_dims__(2, 1, 1) ranks(unsigned* to) {
  to[blockIdx.x] = cooperative_groups::this_cluster().block_rank();
}

__global__ void say(int n) { std::printf("kernel says %d\n", n); }

__global__ void stray() { *reinterpret_cast<int*>(64) = 1; }

static void variables_and_copies() {
  int* p = nullptr;
  CHECK(cudaMalloc(&p, 10 * sizeof(int)));
  CHECK(cudaMemset(p, 0, 10 * sizeof(int)));
  const int factor = 10, second = 20;
  CHECK(cudaMemcpyToSymbol(scale, &factor, sizeof factor));
  CHECK(cudaMemcpyToSymbol(table, &second, sizeof second, sizeof(int)));
  scaled<<<2, 5>>>(p, 10);
  CHECK(cudaGetLastError());
  int back[10], first[2];
  CHECK(cudaMemcpy(back, p, sizeof back, cudaMemcpyDeviceToHost));
  WANT(back[0] == 10 && back[1] == 200 && back[9] == 200);
  CHECK(cudaMemcpyFromSymbol(first, table, sizeof first));
  WANT(first[0] == 1 && first[1] == 20);
  word = 8;
  void* address = nullptr;
  size_t bytes = 0;
  CHECK(cudaGetSymbolAddress(&address, word));
  CHECK(cudaGetSymbolSize(&bytes, table));
  WANT(bytes == 16);
  scaled<<<1, 1>>>(static_cast<int*>(address), 1);
  CHECK(cudaDeviceSynchronize());
  WANT(word == 18);
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, &word));
  WANT(attributes.type == cudaMemoryTypeManaged);
  std::vector<int> rows(12);
  for (int i = 0; i < 12; ++i) rows[i] = i;
  size_t pitch = 0;
  int* pitched = nullptr;
  CHECK(cudaMallocPitch(&pitched, &pitch, 12, 3));
  CHECK(cudaMemcpy2D(pitched, pitch, rows.data(), 16, 12, 3, cudaMemcpyHostToDevice));
  int middle[3];
  CHECK(cudaMemcpy(middle, reinterpret_cast<char*>(pitched) + pitch, sizeof middle, cudaMemcpyDefault));
  WANT(middle[0] == 4 && middle[2] == 6);
  CHECK(cudaFree(pitched));
  CHECK(cudaFree(p));
  std::puts("variables and copies");
}

static void launches() {
  double* d = nullptr;
  CHECK(cudaMallocManaged(&d, 16 * sizeof(double)));
  for (int i = 0; i < 8; ++i) d[i] = i;
  reversed<double><<<1, 8, 8 * sizeof(double)>>>(d, d + 8);
  CHECK(cudaDeviceSynchronize());
  WANT(d[8] == 7 && d[15] == 0);
  reversed<double><<<1, 8, 100000>>>(d, d + 8);
  WANT(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(reversed<double>, cudaFuncAttributeMaxDynamicSharedMemorySize, 100000));
  reversed<double><<<1, 8, 100000>>>(d, d + 8);
  CHECK(cudaGetLastError());
  reversed<double><<<1, 2000>>>(d, d + 8);
  WANT(cudaPeekAtLastError() == cudaErrorInvalidConfiguration);
  WANT(cudaGetLastError() == cudaErrorInvalidConfiguration && cudaGetLastError() == cudaSuccess);
  int blocks = 0, least = 0, block = 0;
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, scaled, 1024, 0));
  WANT(blocks == 2);
  CHECK(cudaOccupancyMaxPotentialBlockSize(&least, &block, scaled));
  WANT(least * block == 132 * 2048);
  cudaFuncAttributes attributes;
  CHECK(cudaFuncGetAttributes(&attributes, scaled));
  WANT(attributes.maxThreadsPerBlock == 1024 && attributes.ptxVersion == 90);
  int *sums = nullptr, *total = nullptr;
  CHECK(cudaMallocManaged(&sums, 65 * sizeof(int)));
  total = sums + 64;
  void* arguments[] = {&sums, &total};
  CHECK(cudaLaunchCooperativeKernel(grid_sum, 64, 96, arguments, 0, nullptr));
  CHECK(cudaDeviceSynchronize());
  WANT(*total == 64 * 63 / 2);
  ranks<<<4, 1>>>(reinterpret_cast<unsigned*>(sums));
  CHECK(cudaDeviceSynchronize());
  WANT(sums[0] == 0 && sums[1] == 1 && sums[3] == 1);
  CHECK(cudaFree(sums));
  CHECK(cudaFree(d));
  std::puts("launches");
}

static void streams_and_graphs() {
  cudaStream_t a, b;
  cudaEvent_t e, f;
  CHECK(cudaStreamCreate(&a));
  CHECK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
  CHECK(cudaEventCreate(&e));
  CHECK(cudaEventCreate(&f));
  int *p = nullptr, *host = nullptr;
  CHECK(cudaMallocAsync(&p, 8 * sizeof(int), a));
  CHECK(cudaMallocHost(&host, 8 * sizeof(int)));
  CHECK(cudaMemsetAsync(p, 0, 8 * sizeof(int), a));
  CHECK(cudaEventRecord(e, a));
  CHECK(cudaStreamWaitEvent(b, e));
  CHECK(cudaStreamBeginCapture(b, cudaStreamCaptureModeGlobal));
  scaled<<<1, 8, 0, b>>>(p, 8);
  CHECK(cudaMemcpyAsync(host, p, 8 * sizeof(int), cudaMemcpyDeviceToHost, b));
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  CHECK(cudaStreamEndCapture(b, &graph));
  CHECK(cudaGraphInstantiate(&executable, graph, 0));
  for (int i = 1; i <= 3; ++i) {
    CHECK(cudaGraphLaunch(executable, b));
    CHECK(cudaStreamSynchronize(b));
    WANT(host[0] == 10 * i && host[1] == 200 * i);
  }
  int calls = 0;
  CHECK(cudaLaunchHostFunc(b, [](void* data) { ++*static_cast<int*>(data); }, &calls));
  CHECK(cudaEventRecord(f, b));
  CHECK(cudaEventSynchronize(f));
  float ms = -1;
  CHECK(cudaEventElapsedTime(&ms, e, f));
  WANT(calls == 1 && ms >= 0);
  CHECK(cudaFreeAsync(p, b));
  CHECK(cudaGraphExecDestroy(executable));
  CHECK(cudaGraphDestroy(graph));
  CHECK(cudaFreeHost(host));
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  std::puts("streams and graphs");
}

static void devices() {
  int count = 0, device = -1, value = 0;
  CHECK(cudaGetDeviceCount(&count));
  CHECK(cudaGetDevice(&device));
  WANT(count == 1 && device == 0);
  WANT(cudaSetDevice(1) == cudaErrorInvalidDevice && cudaGetLastError() == cudaErrorInvalidDevice);
  cudaDeviceProp p;
  CHECK(cudaGetDeviceProperties(&p, 0));
  WANT(p.major == 9 && p.minor == 0 && p.multiProcessorCount == 132 && p.warpSize == 32 && p.sharedMemPerBlockOptin == 232448);
  WANT(p.maxThreadsPerMultiProcessor == 2048 && p.cooperativeLaunch == 1 && p.clusterLaunch == 1 && p.maxGridSize[1] == 65535);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0));
  WANT(value == 132);
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found;
  CHECK(cudaGetDriverEntryPointByVersion("cuLaunchKernelEx", &function, 12000, cudaEnableDefault, &found));
  WANT(function != nullptr && found == cudaDriverEntryPointSuccess);
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, &value));
  WANT(attributes.type == cudaMemoryTypeUnregistered);
  std::puts("devices");
}

int main() {
  devices();
  variables_and_copies();
  launches();
  streams_and_graphs();
  say<<<1, 1>>>(42);
  CHECK(cudaDeviceSynchronize());
  stray<<<1, 1>>>();
  WANT(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  std::printf("%s: %s\n", cudaGetErrorName(cudaErrorIllegalAddress), cudaGetErrorString(cudaErrorIllegalAddress));
  CHECK(cudaDeviceReset());
  int* p = nullptr;
  cudaGetLastError();
  CHECK(cudaMalloc(&p, 4));
  std::puts("done");
}
