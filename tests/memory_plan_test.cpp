// ctest: timeout=120 processors=2 needs=triptych
// Memory: what `train` predicts beside what the process then held at its peak.
#include "train/memory_plan.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "temporary_folder.h"

namespace triptych {
namespace {

/// The JSON that a short run of the program prints.
nlohmann::json run(const std::string& options, const std::string& out) {
  const std::string command =
      std::string(TRIPTYCH_BINARY) + " train --steps 2 --json " + options + " --out " + out + " 2>/dev/null";
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return nlohmann::json::parse(text);
}

TEST(MemoryPlan, IsWithinTenPercentOfThePeak) {
  const testing::TemporaryFolder folder;
  int i = 0;
  for (const char* options : {"--preset nano --eval-windows 8", "--preset nano --batch 64 --threads 1",
                              "--preset nano --precision fp8", "--preset tiny --eval-windows 8",
                              "--preset tiny --precision bf16 --bf16-moments --batch 2"}) {
    const nlohmann::json result = run(options, folder / std::to_string(i++));
    const double peak = result["peak_bytes"], predicted = result["predicted_bytes"];
    EXPECT_NEAR(predicted / peak, 1, 0.1) << options << ": " << predicted << " predicted, " << peak << " held";
  }
}

}  // namespace
}  // namespace triptych
