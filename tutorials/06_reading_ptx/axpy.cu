// axpy           y[i] += a * x[i] for i < n, each thread in steps of all threads
// [cuda]
extern "C" __global__ void axpy(int n, float a, const float* x, float* y) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    y[i] += a * x[i];
  }
}
// [/cuda]
