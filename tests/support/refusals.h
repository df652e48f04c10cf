/// \file
/// How an operation refuses its arguments: arguments that it accepts, spoiled one way at a time.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "expect_error.h"
#include "support/op_test.h"

namespace triptych::testing {

/// A tier with memory for arguments that are never computed with.
class RefusalTest : public ::testing::Test {
 protected:
  RefusalTest()
      : tier_(make_tier({.name = tier_names().front(), .threads = 1})), arena_(*tier_, 1 << 16) {
    tier_->zero({arena_.base(), DType::e4m3, {1 << 16}});
  }
  Tier& tier() { return *tier_; }
  Tensor take(DType dtype, Shape shape) { return arena_.take(dtype, shape); }

 private:
  std::unique_ptr<Tier> tier_;
  Arena arena_;
};

/// Good arguments of one operation, and the call that takes them.
template <class Args, class Call>
class Refusals {
 public:
  /// The arguments must be accepted as they are: so whatever is refused later is the change's
  /// doing.
  Refusals(const char* operation, Args good, Call call)
      : operation_(operation), good_(std::move(good)), call_(std::move(call)) {
    EXPECT_NO_THROW(call_(good_)) << operation;
  }

  /// The changed arguments are refused in one line that begins with the operation and has all of
  /// `parts` in it.
  template <class Change>
  void when(Change&& change, std::initializer_list<std::string_view> parts) const {
    Args bad = good_;
    change(bad);
    expect_error([&] { call_(bad); }, ErrorKind::usage, {operation_ + ": "});
    expect_error([&] { call_(bad); }, ErrorKind::usage, parts);
  }

  /// Another dtype, another rank, another extent and no memory are refused for this tensor.
  /// `free` are the dimensions that may be longer.
  template <class View>
  void tensor(View Args::*member, const std::string& name,
              std::initializer_list<int> free = {}) const {
    const Shape& shape = (good_.*member).shape;
    when([&](Args& a) { (a.*member).dtype = DType::e5m6; }, {name + " is e5m6, wanted "});
    const Shape other = shape.rank() < 4 ? deeper(shape) : Shape{shape.count()};
    when([&](Args& a) { (a.*member).shape = other; }, {name, other.str(), ", wanted "});
    when([&](Args& a) { (a.*member).data = nullptr; },
         {name + " has shape " + shape.str() + " but no memory; take it from an Arena"});
    for (int d = 0; d < shape.rank(); ++d) {
      if (std::find(free.begin(), free.end(), d) != free.end()) continue;
      SCOPED_TRACE(name + ", dimension " + std::to_string(d));
      // Which of two tensors that disagree is named is the operation's business.
      when([&](Args& a) { (a.*member).shape = longer(shape, d); }, {});
    }
  }

  /// Memory of which `moved` shares one byte with `onto` is refused: "FIRST overlaps SECOND".
  template <class View, class Other>
  void overlap(View Args::*moved, Other Args::*onto,
               const std::string& first_overlaps_second) const {
    when(
        [&](Args& a) {
          // The last byte of one is the first of the other.
          const auto* begin = static_cast<const std::byte*>((a.*onto).data);
          (a.*moved).data = const_cast<std::byte*>(begin + (a.*onto).bytes() - 1);
        },
        {first_overlaps_second + "; give it memory of its own"});
  }

 private:
  static Shape deeper(const Shape& s) {
    switch (s.rank()) {
      case 1:
        return {s[0], 1};
      case 2:
        return {s[0], s[1], 1};
      default:
        return {s[0], s[1], s[2], 1};
    }
  }
  static Shape longer(const Shape& s, int d) {
    const auto extent = [&](int i) { return s[i] + (i == d ? 1 : 0); };
    switch (s.rank()) {
      case 1:
        return {extent(0)};
      case 2:
        return {extent(0), extent(1)};
      case 3:
        return {extent(0), extent(1), extent(2)};
      default:
        return {extent(0), extent(1), extent(2), extent(3)};
    }
  }

  std::string operation_;
  Args good_;
  Call call_;
};

}  // namespace triptych::testing
