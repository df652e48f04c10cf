// The kernels that the build embedded: all stems are there, as text that an assembler can read.
// ctest: timeout=30
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "cuda/images.h"
#include "ptx/images.h"

namespace triptych {
namespace {

namespace fs = std::filesystem;

std::set<std::string> stems_in(const char* folder, const char* extension) {
  std::set<std::string> stems;
  for (const auto& entry : fs::directory_iterator(fs::path(TRIPTYCH_SOURCE_DIR) / folder)) {
    if (entry.path().extension() == extension) stems.insert(entry.path().stem().string());
  }
  return stems;
}

void expect_images(std::span<const gpu::Image> images, const std::set<std::string>& stems) {
  std::set<std::string> found;
  for (const gpu::Image& image : images) {
    SCOPED_TRACE(std::string(image.stem));
    found.emplace(image.stem);
    const std::string text = image.ptx;
    EXPECT_NE(text.find(".version "), std::string::npos);
    EXPECT_NE(text.find(".target sm_"), std::string::npos);
    EXPECT_NE(text.find(".visible .entry " + std::string(image.stem)), std::string::npos);
    EXPECT_EQ(text.find(TRIPTYCH_SOURCE_DIR), std::string::npos) << "a path of this machine";
    for (const gpu::Cubin& cubin : image.cubins) {
      EXPECT_GE(cubin.architecture, 80);
      ASSERT_GT(cubin.code.size(), 4u);
      EXPECT_EQ(std::string(cubin.code.begin(), cubin.code.begin() + 4), "\x7F""ELF");
      EXPECT_NE(cubin.resources.find("registers"), std::string_view::npos);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(cubin.code.data()) % 16, 0u);
    }
  }
  EXPECT_EQ(found, stems);
}

TEST(Images, EveryPtxFileIsEmbedded) { expect_images(ptx::images(), stems_in("src/ptx", ".ptx")); }

TEST(Images, EveryCudaFileIsEmbedded) {
  if (cuda::images().empty()) GTEST_SKIP() << "this build had no nvcc; script/bootstrap --cuda";
  expect_images(cuda::images(), stems_in("src/cuda", ".cu"));
}

// Line markers name the hand-written file, so that a driver's error message does.
TEST(Images, PtxTextNamesItsSource) {
  for (const gpu::Image& image : ptx::images()) {
    const std::string marker = "\"src/ptx/" + std::string(image.stem) + ".ptx\"";
    EXPECT_NE(std::string(image.ptx).find(marker), std::string::npos) << image.stem;
  }
}

}  // namespace
}  // namespace triptych
