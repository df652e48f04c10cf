#include "support/op_test.h"

#include <errno.h>
#include <fmt/format.h>

namespace triptych::testing {
namespace {

std::string name_of_this_test() {
  const ::testing::TestInfo* info = ::testing::UnitTest::GetInstance()->current_test_info();
  return info == nullptr ? "" : std::string(info->test_suite_name()) + "." + info->name();
}

/// Prints under each failed test the command that runs it alone with the same numbers.
class RepeatLine : public ::testing::EmptyTestEventListener {
  void OnTestEnd(const ::testing::TestInfo& info) override {
    if (!info.result()->Failed()) return;
    fmt::print("repeat: {} --gtest_filter='{}.{}' --gtest_random_seed={}\n", program_invocation_name,
               info.test_suite_name(), info.name(), GTEST_FLAG_GET(random_seed));
    std::fflush(stdout);
  }
};

}  // namespace

std::int64_t Extents::operator[](char letter) const {
  for (const auto& [name, extent] : extents_) {
    if (name == letter) return extent;
  }
  throw usage_error(fmt::format("extents: there is no {} in {}", letter, name()));
}

std::string Extents::name() const {
  std::string text;
  for (const auto& [letter, extent] : extents_) {
    text += fmt::format("{}{}{}", text.empty() ? "" : "_", letter, extent);
  }
  return text;
}

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.tier << ' ' << triptych::name_of(c.precision) << ' ' << c.extents.name();
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  const Case& c = info.param;
  const std::string extents = c.extents.name();
  return c.tier + "_" + triptych::name_of(c.precision) + (extents.empty() ? "" : "_" + extents);
}

const std::vector<std::string>& tier_names() {
  static const std::vector<std::string> names{"reference"};
  return names;
}

std::vector<Case> cases(const std::vector<Precision>& precisions, const std::vector<Extents>& extents) {
  std::vector<Case> all;
  for (const std::string& tier : tier_names()) {
    for (const Precision precision : precisions) {
      if (precision == Precision::f64 && tier != "reference") continue;
      for (const Extents& e : extents) all.push_back({tier, precision, e});
    }
  }
  return all;
}

std::uint64_t seed_of_this_test() {
  std::uint64_t hash = 0xCBF29CE484222325u + static_cast<std::uint64_t>(GTEST_FLAG_GET(random_seed));
  for (const char c : name_of_this_test()) {  // FNV-1a
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  }
  return hash;
}

OpTest::OpTest() : values_(seed_of_this_test()) {}

void OpTest::SetUp() {
  try {
    tier_ = make_tier({.name = GetParam().tier, .threads = 2});
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::environment) throw;
    GTEST_SKIP() << error.what();
  }
  memory_ = std::make_unique<GuardedMemory>(*tier_);
}

void OpTest::TearDown() { memory_.reset(); }

HostTensor OpTest::indices(Shape shape, std::int64_t n) {
  HostTensor tensor(DType::i32, shape);
  for (std::int64_t i = 0; i < tensor.count(); ++i) {
    tensor.set(i, static_cast<double>(values_.below(n)));
  }
  return tensor;
}

void OpTest::check_after(FaultReport fault) {
  const FaultReport left = tier_->take_fault();  // waits for the operation
  EXPECT_EQ(left.fault, fault.fault) << left.str();
  EXPECT_EQ(left.index, fault.index) << left.str();
  const std::string damage = memory_->damage();
  EXPECT_TRUE(damage.empty()) << damage;
}

bool install_repeat_line() {
  static const bool once = [] {
    ::testing::UnitTest::GetInstance()->listeners().Append(new RepeatLine);
    return true;
  }();
  return once;
}

}  // namespace triptych::testing
