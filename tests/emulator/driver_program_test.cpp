// Programs that were never linked against the software device: nvcc builds them here, with its own libraries, and they
// find the device by LD_LIBRARY_PATH. ctest: timeout=300 needs=triptych_emulator_runtime
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>

#include "temporary_folder.h"

namespace triptych::emulator::test {
namespace {

using triptych::testing::TemporaryFolder;

/// The CUDA toolkit's folder; empty if there is no nvcc.
std::string toolkit() {
  const char* home = std::getenv("CUDA_HOME");
  for (const std::string& folder : {std::string(home != nullptr ? home : ""), std::string("/usr/local/cuda")}) {
    if (!folder.empty() && std::filesystem::exists(folder + "/bin/nvcc")) return folder;
  }
  return "";
}

/// A command's output, with its exit code in a line at the end if that is not 0.
std::string output_of(const std::string& command) {
  std::string text;
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  for (char line[4096]; std::fgets(line, sizeof line, pipe) != nullptr;) text += line;
  const int status = pclose(pipe);
  return status == 0 ? text : text + "exit " + std::to_string(WEXITSTATUS(status)) + "\n";
}

class DriverProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    if (toolkit().empty()) GTEST_SKIP() << "there is no nvcc; script/bootstrap --cuda";
  }
  /// Builds one of the programs beside this test; empty output is success.
  std::string build(const std::string& source, const std::string& to, const std::string& options) const {
    return output_of("PATH=$PATH:" + toolkit() + "/bin nvcc -w -std=c++17 " + options + " " TRIPTYCH_SOURCE_DIR "/tests/emulator/programs/" +
                     source + " -o " + (folder_ / to).string());
  }
  std::string run(const std::string& command) const { return output_of("LD_LIBRARY_PATH=" TRIPTYCH_EMULATOR " " + (folder_ / command).string()); }

  void expect_silent(const std::string& program, const std::string& printed) const {
    ASSERT_EQ(build(program + ".cu", program, "-cudart shared -gencode arch=compute_90,code=compute_90"), "");
    EXPECT_EQ(output_of("TRIPTYCH_CHECK=all LD_LIBRARY_PATH=" TRIPTYCH_EMULATOR " " + (folder_ / program).string()), printed);
  }

  TemporaryFolder folder_;
};

TEST_F(DriverProgram, OfTheDriverApi) {
  const std::string stubs = toolkit() + "/lib64/stubs";
  if (!std::filesystem::exists(stubs + "/libcuda.so")) GTEST_SKIP() << "the toolkit has no libcuda.so to link with";
  ASSERT_EQ(build("driver.cpp", "driver", "-L" + stubs + " -lcuda"), "");
  // Each way in which nvcc may store PTX.
  for (const char* mode : {"size", "speed", "none"}) {
    const std::string image = std::string(mode) + ".fatbin";
    ASSERT_EQ(build("kernels.cu", image, std::string("-gencode arch=compute_90,code=compute_90 -fatbin --compress-mode=") + mode), "");
    EXPECT_EQ(run("driver " + (folder_ / image).string()), "launch\nclusters\ngraph\ndone\n") << mode;
  }
}

TEST_F(DriverProgram, OfTheRuntimeApi) {
  ASSERT_EQ(build("runtime.cu", "runtime", "-cudart shared -gencode arch=compute_90,code=compute_90"), "");
  const std::string printed = run("runtime");
  EXPECT_NE(printed.find("devices\nvariables and copies\nlaunches\nstreams and graphs\nkernel says 42\n"), std::string::npos) << printed;
  EXPECT_NE(printed.find("cudaErrorIllegalAddress: an illegal memory access was encountered\ndone\n"), std::string::npos) << printed;
  EXPECT_NE(printed.find("triptych: module:"), std::string::npos) << "the report of the fault\n" << printed;
  EXPECT_EQ(printed.find("exit"), std::string::npos) << printed;
}

/// Code that was not written for this device, with all checkers watching it: what it gives is compared with the
/// processor's, and there is nothing to find.
TEST_F(DriverProgram, OfCooperativeGroupsAndLibcudacxx) { expect_silent("groups", "tiles\ngrids\nbarriers\npipelines\natomics\n"); }
TEST_F(DriverProgram, OfCub) { expect_silent("primitives", "warps\nblocks\n"); }
TEST_F(DriverProgram, OfCubOnTheWholeDevice) { expect_silent("whole_device", "sums\nsorts\n"); }
TEST_F(DriverProgram, OfTensorCoresAndGenerators) { expect_silent("tensor_cores", "wmma\nFP8\ncuRAND\n"); }

TEST_F(DriverProgram, WithMachineCodeOnlyIsRefusedInOneLine) {
  ASSERT_EQ(build("runtime.cu", "machine", "-cudart shared -gencode arch=compute_90,code=sm_90"), "");
  const std::string printed = run("machine");
  EXPECT_NE(printed.find("triptych: the software device runs PTX text, and this image is machine code; build with PTX inside"),
            std::string::npos) << printed;
  EXPECT_NE(printed.find("cudaErrorNoKernelImageForDevice"), std::string::npos) << printed;
  EXPECT_NE(printed.find("exit 1"), std::string::npos) << printed;
}

/// The names that a library exports, without versions.
std::set<std::string> exported(const std::string& library) {
  std::set<std::string> names;
  std::istringstream lines(output_of("nm -D --defined-only " + library));
  for (std::string address, kind, name, rest; lines >> address >> kind >> name; std::getline(lines, rest)) {
    if (kind != "A") names.insert(name.substr(0, name.find('@')));
  }
  return names;
}

/// A program that was linked with the toolkit's libraries can be loaded: all their names are here, but for forms with
/// addresses of 32 bits, which a second form replaced, and for two that no compiler of today names.
TEST_F(DriverProgram, NothingThatTheToolkitLinksWithIsMissing) {
  const std::set<std::string> known{"__cudaGetProcAddress", "__cudaRegisterUnifiedTable", "cuTexRefSetAddress2D"};
  for (const auto& [theirs, ours] : {std::pair{"/lib64/stubs/libcuda.so", "/libcuda.so.1"}, {"/lib64/libcudart.so.13", "/libcudart.so.13"}}) {
    if (!std::filesystem::exists(toolkit() + theirs)) continue;
    const std::set<std::string> own = exported(std::string(TRIPTYCH_EMULATOR) + ours), all = exported(toolkit() + theirs);
    EXPECT_GT(all.size(), 400u) << theirs;
    for (const std::string& name : all) EXPECT_TRUE(own.count(name) != 0 || own.count(name + "_v2") != 0 || known.count(name) != 0) << name;
  }
}

}  // namespace
}  // namespace triptych::emulator::test
