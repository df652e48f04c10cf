// ctest: timeout=20
// The arrows of docs/design.md: which folder's files may include which other folder's.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace triptych {
namespace {

using Arrows = std::map<std::string, std::set<std::string>>;

/// Beside itself, and beside the contract in include/triptych, each folder of src/ may include these.
const Arrows arrows{{"contract", {}},
                    {"reference", {}},
                    {"gpu", {}},
                    {"emulator", {}},
                    {"cuda", {"gpu"}},
                    {"ptx", {"gpu"}},
                    {"tier", {"reference", "cuda", "ptx"}},
                    {"model", {}},
                    {"train", {"model"}},
                    {"parallel", {"model"}},
                    {"app", {"model", "train", "tier", "parallel", "emulator"}}};

/// What is wrong with one file of a folder: a line "place:number: folder includes other" each.
std::vector<std::string> wrong_arrows(const std::string& place, const std::string& folder, std::istream& text) {
  static const std::regex include(R"(^\s*#\s*include\s*["<]([^">/]+)/[^">]*[">])");
  std::vector<std::string> wrong;
  int number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    std::smatch match;
    if (!std::regex_search(line, match, include)) continue;
    const std::string other = match[1];
    const bool ours = other == "triptych" || arrows.contains(other);
    if (!ours || other == folder || (other == "triptych" && folder != "emulator")) continue;
    if (folder == "include" || !arrows.at(folder).contains(other)) {
      wrong.push_back(place + ":" + std::to_string(number) + ": " + folder + " includes " + other);
    }
  }
  return wrong;
}

std::vector<std::string> of_line(const std::string& folder, const std::string& line) {
  std::istringstream text("\n" + line + "\n");
  return wrong_arrows("file", folder, text);
}

TEST(Arrows, APlantedOneIsFound) {
  EXPECT_EQ(of_line("model", "#include \"train/loader.h\""),
            (std::vector<std::string>{"file:2: model includes train"}));
  EXPECT_EQ(of_line("cuda", "#  include <ptx/images.h>").size(), 1u);
  EXPECT_EQ(of_line("reference", "#include \"contract/check.h\"").size(), 1u) << "the checks are the contract's own";
  EXPECT_EQ(of_line("include", "#include \"model/config.h\"").size(), 1u);
  EXPECT_EQ(of_line("train", "#include \"model/config.h\"").size(), 0u);
  EXPECT_EQ(of_line("train", "#include <nlohmann/json.hpp>").size(), 0u);
  EXPECT_EQ(of_line("train", "// train includes \"app/command.h\" nowhere").size(), 0u);
}

TEST(Arrows, NoFileIncludesAgainstThem) {
  const std::filesystem::path root = TRIPTYCH_SOURCE_DIR;
  int files = 0;
  for (const char* top : {"include", "src"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / top)) {
      if (!entry.is_regular_file()) continue;
      const std::filesystem::path place = entry.path().lexically_relative(root);
      const std::string folder = std::string(top) == "include" ? top : (++place.begin())->string();
      ASSERT_TRUE(folder == "include" || arrows.contains(folder))
          << place << ": say in the table above and in docs/design.md what src/" << folder << " may include";
      std::ifstream text(entry.path());
      for (const std::string& wrong : wrong_arrows(place.string(), folder, text)) ADD_FAILURE() << wrong;
      ++files;
    }
  }
  EXPECT_GT(files, 100);
}

}  // namespace
}  // namespace triptych
