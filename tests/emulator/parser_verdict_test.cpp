// What the front end takes and what it refuses, with which words, and that ptxas thinks the same;
// and all that nvcc and the preprocessor make of this project's kernels. ctest: timeout=300
#include <gtest/gtest.h>

#include <cstdlib>

#include "emulator/ptx/syntax.h"
#include "ptx_cases.h"

namespace triptych::emulator {
namespace {

using namespace triptych::testing;

/// A program of the CUDA toolkit; empty if it is not there.
std::string toolkit_program(const std::string& name) {
  const char* home = std::getenv("CUDA_HOME");
  for (const std::string& folder :
       {home != nullptr ? home + std::string("/bin") : "", std::string("/usr/local/cuda/bin")}) {
    if (std::filesystem::exists(folder + "/" + name)) return folder + "/" + name;
  }
  return "";
}

bool runs(const std::string& command) {
  return std::system((command + " > /dev/null 2>&1").c_str()) == 0;
}

/// "line:column: message", or "" if the text is accepted. Begins with the file if a line marker
/// names one.
std::string verdict(const std::string& text) {
  const Parsed parsed = parse(text, "");
  EXPECT_NE(parsed.error.has_value(), parsed.module != nullptr);
  return parsed.error ? parsed.error->str().substr(parsed.error->file.empty() ? 1 : 0) : "";
}

TEST(Verdicts, AcceptedTexts) {
  const auto cases = accepted_cases();
  EXPECT_GE(cases.size(), 8u);
  for (const PtxCase& one : cases) EXPECT_EQ(verdict(one.text), "") << one.place;
}

TEST(Verdicts, RefusedTexts) {
  const auto cases = rejected_cases();
  EXPECT_GE(cases.size(), 500u);
  for (const PtxCase& one : cases) EXPECT_EQ(verdict(one.text), one.expected) << one.place;
}

TEST(Verdicts, PtxasAgrees) {
  const std::string ptxas = toolkit_program("ptxas");
  if (ptxas.empty()) GTEST_SKIP() << "there is no ptxas; script/bootstrap --cuda";
  const TemporaryFolder folder;
  std::vector<PtxCase> cases = rejected_cases();
  for (PtxCase& one : accepted_cases()) cases.push_back(std::move(one));
  for (const PtxCase& one : cases) {
    const std::string file = folder.write("case.ptx", one.text);
    EXPECT_EQ(runs(ptxas + " -arch=sm_90a -o /dev/null " + file), one.ptxas_accepts) << one.place;
  }
}

const std::string source = TRIPTYCH_SOURCE_DIR;

TEST(Verdicts, WhatThePreprocessorMakes) {
  if (!runs("c++ --version")) GTEST_SKIP() << "there is no c++";
  const TemporaryFolder folder;
  const std::string output = folder / "kernels.ptx";
  const std::string preprocess =
      "c++ -E -x assembler-with-cpp -undef -nostdinc -I" + source + "/src/ptx/include ";
  for (const auto& entry : std::filesystem::directory_iterator(source + "/src/ptx")) {
    if (entry.path().extension() != ".ptx") continue;
    ASSERT_TRUE(runs(preprocess + entry.path().string() + " -o " + output));
    EXPECT_EQ(verdict(content_of(output)), "") << entry.path();
  }
}

// With and without what is there for debuggers. The smallest file stands for all: nvcc takes its
// time.
TEST(Verdicts, WhatNvccMakes) {
  const std::string nvcc = toolkit_program("nvcc");
  if (nvcc.empty()) GTEST_SKIP() << "there is no nvcc; script/bootstrap --cuda";
  const TemporaryFolder folder;
  const std::string output = folder / "swiglu.ptx";
  const std::string compile = nvcc + " -std=c++20 -arch=sm_90a -ptx -I" + source + "/include -I" +
                              source + "/src -o " + output + " " + source + "/src/cuda/swiglu.cu ";
  for (const char* options : {"", "-G", "-lineinfo", "-rdc=true"}) {
    ASSERT_TRUE(runs(compile + options));
    EXPECT_EQ(verdict(content_of(output)), "") << options;
  }
}

}  // namespace
}  // namespace triptych::emulator
