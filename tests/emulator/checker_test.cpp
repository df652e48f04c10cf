// ctest: timeout=120 labels=sanitize
// Kernels in tests/emulator/check: each is correct, and says of some of its lines what breaks without them.
//
//   //- race@read        the next line left out has to give a finding of the checker `race` that names the
//                        line marked `//@ read`; without @ any line will do
//   //= text => init     the next line replaced by the text has to give one of `init`
//
// `fault` stands for an error or a deadlock, `silent` for nothing at all. Under one seed of several the finding
// has to be there; others may be beside it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "emulator/check/check.h"
#include "emulator/decode/decode.h"

namespace triptych::emulator {
namespace {

constexpr std::uint64_t buffer_bytes = 65536;
constexpr std::uint64_t seeds[] = {0, 1, 2, 3};

/// What a line's comment asks for.
struct Mutation {
  std::size_t line;
  std::string text;      ///< instead of it
  std::string expected, mark;
};

struct Case {
  std::string name;
  std::vector<std::string> lines;
  std::vector<Mutation> mutations;
  Extent3 grid{1, 1, 1}, block{32, 1, 1}, cluster{1, 1, 1};
};

std::string trimmed(std::string text) {
  const auto space = [](char c) { return c == ' '; };
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), space));
  while (!text.empty() && space(text.back())) text.pop_back();
  return text;
}

Mutation mutation_of(const std::string& comment) {
  Mutation m{};
  std::string what = trimmed(comment.substr(3));
  if (comment[2] == '=') {
    const auto arrow = what.rfind("=>");
    m.text = what.substr(0, arrow);
    what = trimmed(what.substr(arrow + 2));
  }
  const auto at = what.find('@');
  m.expected = what.substr(0, at);
  if (at != std::string::npos) m.mark = what.substr(at + 1);
  return m;
}

Case read_case(const std::filesystem::path& path) {
  Case c;
  c.name = path.stem().string();
  std::ifstream file(path);
  std::vector<Mutation> waiting;
  for (std::string line; std::getline(file, line);) {
    const std::string text = trimmed(line);
    if (text.starts_with("// launch:")) {
      std::istringstream words(text.substr(10));
      for (std::string word; words >> word;) {
        const auto number = static_cast<std::uint32_t>(std::stoul(word.substr(word.find('=') + 1)));
        (word[0] == 'b' ? c.block : word[0] == 'g' ? c.grid : c.cluster)[0] = number;
      }
    }
    if (text.starts_with("//-") || text.starts_with("//=")) {
      waiting.push_back(mutation_of(text));
    } else {
      for (Mutation& m : waiting) {
        m.line = c.lines.size();
        c.mutations.push_back(m);
      }
      waiting.clear();
    }
    c.lines.push_back(line);
  }
  return c;
}

/// Kinds of what was found, and the texts.
struct Outcome {
  std::set<std::string> kinds;
  std::string text;
};

Outcome run(const Case& c, const std::vector<std::string>& lines, std::uint64_t seed) {
  std::string text = ".version 8.8\n.target sm_90a\n.address_size 64\n.file 1 \"case.ptx\"\n";
  for (const std::string& line : lines) text += line + '\n';
  Outcome outcome;
  Parsed parsed = parse(text, "case.ptx");
  if (parsed.error) {
    ADD_FAILURE() << c.name << ": " << parsed.error->str();
    return outcome;
  }
  MachineOptions options;
  options.devices[0].sms = 4;
  options.seed = seed;
  options.instruction_limit = 1'000'000;
  Machine machine(options);
  const std::unique_ptr<Checker> checker = make_checker(machine, all_checks);
  machine.observe(checker.get());
  try {
    const std::unique_ptr<ModuleCode> code = load_module(machine, std::move(parsed.module), 0);
    auto launch = std::make_shared<Launch>();
    launch->module = code.get();
    launch->function = code->by_name.at("k");
    launch->grid = c.grid;
    launch->block = c.block;
    launch->cluster = c.cluster;
    const std::uint64_t data = machine.memory().allocate(buffer_bytes, 256, 0), fresh = machine.memory().allocate(buffer_bytes, 256, 0);
    std::memset(reinterpret_cast<void*>(data), 0, buffer_bytes);
    checker->allocated(fresh, buffer_bytes);
    launch->parameters.resize(16);
    std::memcpy(launch->parameters.data(), &data, 8);
    std::memcpy(launch->parameters.data() + 8, &fresh, 8);
    machine.submit(launch);
    if (!machine.run()) {
      outcome.kinds.insert("fault");
      outcome.text += launch->fault + '\n';
    }
  } catch (const DecodeError& e) {
    ADD_FAILURE() << c.name << ": " << e.message;
  }
  for (const Finding& f : checker->findings()) {
    outcome.kinds.insert(std::string(name_of(f.check)));
    outcome.text += f.text + '\n';
  }
  return outcome;
}

std::vector<std::filesystem::path> files() {
  std::vector<std::filesystem::path> all;
  for (const auto& entry : std::filesystem::directory_iterator(TRIPTYCH_SOURCE_DIR "/tests/emulator/check")) all.push_back(entry.path());
  std::sort(all.begin(), all.end());
  return all;
}

class CheckerTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(CheckerTest, IsSilentAboutTheCorrectKernel) {
  const Case c = read_case(GetParam());
  for (const std::uint64_t seed : seeds) {
    const Outcome outcome = run(c, c.lines, seed);
    EXPECT_TRUE(outcome.kinds.empty()) << c.name << ", seed " << seed << ":\n" << outcome.text;
  }
}

TEST_P(CheckerTest, FindsWhatWasBroken) {
  const Case c = read_case(GetParam());
  ASSERT_FALSE(c.mutations.empty());
  for (const Mutation& m : c.mutations) {
    std::vector<std::string> lines = c.lines;
    lines[m.line] = m.text;
    std::string wanted_line;
    for (std::size_t n = 0; n < lines.size() && !m.mark.empty(); ++n) {
      if (c.lines[n].ends_with("//@ " + m.mark)) wanted_line = "case.ptx:" + std::to_string(n + 5) + ":";
    }
    const bool silent = m.expected == "silent";
    bool found = false;
    std::string all;
    for (const std::uint64_t seed : seeds) {
      const Outcome outcome = run(c, lines, seed);
      all += outcome.text;
      found = found || (outcome.kinds.contains(m.expected) && outcome.text.find(wanted_line) != std::string::npos);
    }
    EXPECT_TRUE(silent ? all.empty() : found)
        << c.name << " line " << m.line + 1 << " as '" << m.text << "': wanted " << m.expected << " " << wanted_line << ", got\n" << all;
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, CheckerTest, testing::ValuesIn(files()),
                         [](const auto& i) { return i.param.stem().string(); });

TEST(CheckerNames, AreReadAndRefused) {
  EXPECT_EQ(checks_of("all"), all_checks);
  EXPECT_EQ(checks_of("none"), Checks{0});
  EXPECT_EQ(checks_of("race,init"), bit(Check::race) | bit(Check::init));
  EXPECT_EQ(checks_of("races"), std::nullopt);
}

}  // namespace
}  // namespace triptych::emulator
