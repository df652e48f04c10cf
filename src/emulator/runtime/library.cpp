// Libraries.
#include "emulator/runtime/runtime.h"

using namespace triptych::emulator::runtime;

TRIPTYCH_FORWARD(cudaLibraryLoadData, cuLibraryLoadData,
                 (Library * *library, const void* code, int* options, void** values, unsigned count, int* library_options,
                  void** library_values, unsigned library_count),
                 (library, code, options, values, count, library_options, library_values, library_count))
TRIPTYCH_FORWARD(cudaLibraryLoadFromFile, cuLibraryLoadFromFile,
                 (Library * *library, const char* path, int* options, void** values, unsigned count, int* library_options,
                  void** library_values, unsigned library_count),
                 (library, path, options, values, count, library_options, library_values, library_count))
TRIPTYCH_FORWARD(cudaLibraryUnload, cuLibraryUnload, (Library * library), (library))
TRIPTYCH_FORWARD(cudaLibraryGetKernel, cuLibraryGetKernel, (Kernel * *kernel, Library* library, const char* name), (kernel, library, name))
TRIPTYCH_FORWARD(cudaLibraryGetKernelCount, cuLibraryGetKernelCount, (unsigned* count, Library* library), (count, library))
TRIPTYCH_FORWARD(cudaLibraryEnumerateKernels, cuLibraryEnumerateKernels, (Kernel * *kernels, unsigned count, Library* library),
                 (kernels, count, library))

TRIPTYCH_CUDA Result cudaLibraryGetGlobal(void** address, std::size_t* bytes, Library* library, const char* name) {
  return on_device([&] { return cuLibraryGetGlobal(reinterpret_cast<DevicePointer*>(address), bytes, library, name); });
}
TRIPTYCH_CUDA Result cudaLibraryGetManaged(void** address, std::size_t* bytes, Library* library, const char* name) {
  return on_device([&] { return cuLibraryGetManaged(reinterpret_cast<DevicePointer*>(address), bytes, library, name); });
}
