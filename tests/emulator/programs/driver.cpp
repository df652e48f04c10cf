// A program of the Driver API that knows nothing of any software device. Its argument is an image with PTX in it.
#include <cuda.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#define CHECK(call)                                             \
  do {                                                          \
    const CUresult code = (call);                               \
    if (code != CUDA_SUCCESS) {                                 \
      const char* name = "?";                                   \
      cuGetErrorName(code, &name);                              \
      std::printf("line %d: %s\n", __LINE__, name);             \
      std::exit(1);                                             \
    }                                                           \
  } while (0)
#define WANT(condition)                                         \
  do {                                                          \
    if (!(condition)) {                                         \
      std::printf("line %d: not %s\n", __LINE__, #condition);   \
      std::exit(1);                                             \
    }                                                           \
  } while (0)

int main(int, char** arguments) {
  CHECK(cuInit(0));
  CUdevice device;
  CUcontext context;
  CHECK(cuDeviceGet(&device, 0));
  CHECK(cuCtxCreate(&context, nullptr, 0, device));
  int major = 0, sms = 0;
  CHECK(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device));
  CHECK(cuDeviceGetAttribute(&sms, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device));
  WANT(major == 9 && sms == 132);

  CUmodule module;
  CUfunction add, ranks;
  CHECK(cuModuleLoad(&module, arguments[1]));
  CHECK(cuModuleGetFunction(&add, module, "add"));
  CHECK(cuModuleGetFunction(&ranks, module, "ranks"));
  std::vector<int> values(256, 5);
  CUdeviceptr p;
  CHECK(cuMemAlloc(&p, 1024));
  CHECK(cuMemcpyHtoD(p, values.data(), 1024));
  int n = 2;
  void* parameters[] = {&p, &n};
  CHECK(cuLaunchKernel(add, 4, 1, 1, 64, 1, 1, 0, nullptr, parameters, nullptr));
  CHECK(cuMemcpyDtoH(values.data(), p, 1024));
  for (const int v : values) WANT(v == 7);
  std::puts("launch");

  CUlaunchAttribute attribute{};
  attribute.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
  attribute.value.clusterDim = {4, 1, 1};
  CUstream stream;
  CHECK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  CUlaunchConfig config{8, 1, 1, 32, 1, 1, 0, stream, &attribute, 1};
  CHECK(cuLaunchKernelEx(&config, ranks, parameters, nullptr));
  CHECK(cuStreamSynchronize(stream));
  CHECK(cuMemcpyDtoH(values.data(), p, 32));
  WANT(values[3] == 3 && values[4] == 0);
  std::puts("clusters");

  CUgraph graph;
  CUgraphExec executable;
  CHECK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  CHECK(cuMemsetD32Async(p, 1, 256, stream));
  CHECK(cuLaunchKernel(add, 4, 1, 1, 64, 1, 1, 0, stream, parameters, nullptr));
  CHECK(cuStreamEndCapture(stream, &graph));
  CHECK(cuGraphInstantiate(&executable, graph, 0));
  CHECK(cuGraphLaunch(executable, stream));
  CHECK(cuStreamSynchronize(stream));
  CHECK(cuMemcpyDtoH(values.data(), p, 1024));
  WANT(values[255] == 3);
  std::puts("graph");

  CUlibrary library;
  CUkernel count;
  CUdeviceptr counter;
  size_t bytes;
  CHECK(cuLibraryLoadFromFile(&library, arguments[1], nullptr, nullptr, 0, nullptr, nullptr, 0));
  CHECK(cuLibraryGetKernel(&count, library, "count"));
  CHECK(cuLaunchKernel(reinterpret_cast<CUfunction>(count), 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, nullptr));
  CHECK(cuLibraryGetGlobal(&counter, &bytes, library, "counter"));
  CHECK(cuMemcpyDtoH(&n, counter, bytes));
  WANT(n == 35);
  void* function = nullptr;
  CHECK(cuGetProcAddress("cuMemAlloc", &function, CUDA_VERSION, CU_GET_PROC_ADDRESS_DEFAULT, nullptr));
  WANT(function == reinterpret_cast<void*>(&cuMemAlloc));
  CHECK(cuCtxDestroy(context));
  std::puts("done");
}
