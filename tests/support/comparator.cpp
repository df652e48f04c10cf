#include "support/comparator.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>

namespace triptych::testing {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// One element as the judge sees it.
struct Element {
  double got, want;
  double allowed;  ///< the largest error that agrees
  double ratio;    ///< error / allowed: above 1 it disagrees
};

double ratio_of(double got, Real want, double allowed) {
  const double rounded = static_cast<double>(want);
  if (std::isnan(got) && std::isnan(rounded)) return 0;
  if (!std::isfinite(got) || !std::isfinite(rounded)) return got == rounded ? 0 : infinity;
  const double error = static_cast<double>(std::fabs(static_cast<Real>(got) - want));
  return error == 0 ? 0 : error / allowed;
}

std::string place(const Shape& shape, std::int64_t i) {
  std::string text;
  for (int d = shape.rank() - 1; d >= 0; --d) {
    text = std::to_string(i % shape[d]) + (text.empty() ? "" : ", ") + text;
    i /= shape[d];
  }
  return "[" + text + "]";
}

/// Looks at all elements in order and writes the verdict.
class Judge {
 public:
  Judge(const HostTensor& got, Zeros zeros, std::function<Element(std::int64_t)> element)
      : got_(got), zeros_(zeros), element_(std::move(element)) {}

  Comparison judge() {
    const std::int64_t n = got_.count();
    const std::int64_t columns = n == 0 ? 1 : std::max<std::int64_t>(got_.shape().rank() == 0 ? 1 : got_.shape()[-1], 1);
    for (std::int64_t row = 0; row * columns < n; ++row) look_at_row(row, columns);
    if (zero_ * 2 > n && zeros_ == Zeros::suspicious && got_.dtype() != DType::i32) {
      mistrust(fmt::format("{} of {} elements are zero: choose inputs that reach them", zero_, n));
    }
    if (vacuous_ * 2 > n) {
      mistrust(fmt::format("the error allowed exceeds the value in {} of {} elements: any value would do",
                           vacuous_, n));
    }
    write_report();
    return result_;
  }

 private:
  void look_at_row(std::int64_t row, std::int64_t columns) {
    bool all_zero = true, should_be_zero = true, bad = false;
    for (std::int64_t i = row * columns; i < (row + 1) * columns; ++i) {
      const Element e = element_(i);
      zero_ += e.got == 0;
      all_zero = all_zero && e.got == 0;
      should_be_zero = should_be_zero && std::fabs(e.want) < std::numeric_limits<float>::min();
      vacuous_ += e.want != 0 && e.allowed >= std::fabs(e.want);
      if (e.ratio > 1 || std::isnan(e.ratio)) {
        bad = true;
        if (result_.bad++ == 0) first_ = i;
      }
      if (worst_ < 0 || e.ratio > result_.worst) {
        worst_ = i;
        result_.worst = e.ratio;
      }
    }
    if (all_zero && !should_be_zero && !bad) {
      result_.bad += columns;
      lines_ += fmt::format("\n  row {} is zero and within bounds, but should not be zero", row);
      bad = true;
    }
    if (bad && ++bad_rows_ <= 3) lines_ += whose_row(row, columns);
    if (bad) result_.verdict = Verdict::disagrees;
  }

  /// A row that is in the wrong place is a common fault, and is worth a word.
  std::string whose_row(std::int64_t row, std::int64_t columns) const {
    for (std::int64_t other = 0; other * columns < got_.count(); ++other) {
      bool equal = other != row && columns > 1;
      for (std::int64_t c = 0; equal && c < columns; ++c) {
        const Element e = element_(other * columns + c);
        equal = std::fabs(got_[row * columns + c] - e.want) <= e.allowed;
      }
      if (equal) return fmt::format("\n  row {} holds what row {} should", row, other);
    }
    return "";
  }

  void mistrust(const std::string& why) {
    lines_ += "\n  " + why;
    if (result_.verdict == Verdict::agrees) result_.verdict = Verdict::mistrusted;
  }

  void write_report() {
    static constexpr const char* words[] = {"agrees", "DISAGREES", "MISTRUSTED"};
    result_.report = fmt::format("{} {} {}: {} of {} elements disagree, worst error/allowed {:.3g}",
                                 name_of(got_.dtype()), got_.shape().str(),
                                 words[static_cast<int>(result_.verdict)], result_.bad, got_.count(),
                                 result_.worst);
    if (bad_rows_ > 0) result_.report += fmt::format(", {} rows", bad_rows_);
    if (first_ >= 0) result_.report += line("first", first_);
    if (worst_ >= 0) result_.report += line("worst", worst_);
    result_.report += lines_;
  }

  std::string line(const char* which, std::int64_t i) const {
    const Element e = element_(i);
    return fmt::format("\n  {} {}  got {:.9g}  want {:.9g}  allowed {:.3g}  error/allowed {:.3g}", which,
                       place(got_.shape(), i), e.got, e.want, e.allowed, e.ratio);
  }

  const HostTensor& got_;
  Zeros zeros_;
  std::function<Element(std::int64_t)> element_;
  Comparison result_;
  std::string lines_;
  std::int64_t first_ = -1, worst_ = -1, zero_ = 0, vacuous_ = 0, bad_rows_ = 0;
};

double smallest_normal(DType accumulate) {
  return accumulate == DType::f64 ? std::numeric_limits<double>::min()
                                  : static_cast<double>(std::numeric_limits<float>::min());
}

Comparison wrong_size(std::int64_t got, std::int64_t want) {
  return {Verdict::disagrees, infinity, got, fmt::format("{} elements, wanted {}", got, want)};
}

::testing::AssertionResult result(const std::string& name, const Comparison& c) {
  if (c.verdict == Verdict::agrees) return ::testing::AssertionSuccess() << name << " " << c.report;
  return ::testing::AssertionFailure() << name << " " << c.report;
}

}  // namespace

Comparison compare(const HostTensor& got, const Expected& want, const Bound& bound, Dtypes dtypes,
                   Zeros zeros) {
  if (got.count() != want.count()) return wrong_size(got.count(), want.count());
  return Judge(got, zeros,
               [&](std::int64_t i) {
                 const double value = static_cast<double>(want[i]);
                 const double allowed =
                     bound.allowed(value, static_cast<double>(want.size(i)),
                                   want.k[static_cast<std::size_t>(i)], dtypes.storage, dtypes.accumulate) +
                     smallest_normal(dtypes.accumulate);
                 return Element{got[i], value, allowed, ratio_of(got[i], want[i], allowed)};
               })
      .judge();
}

Comparison compare_bits(const HostTensor& got, const HostTensor& want, Zeros zeros) {
  if (got.count() != want.count()) return wrong_size(got.count(), want.count());
  if (got.dtype() != want.dtype()) {
    return {Verdict::disagrees, infinity, got.count(),
            fmt::format("{}, wanted {}", name_of(got.dtype()), name_of(want.dtype()))};
  }
  return Judge(got, zeros,
               [&](std::int64_t i) {
                 return Element{got[i], want[i], 0, got.bits(i) == want.bits(i) ? 0 : infinity};
               })
      .judge();
}

::testing::AssertionResult agrees(const std::string& name, const HostTensor& got,
                                  const Expected& want, const Bound& bound, Dtypes dtypes,
                                  Zeros zeros) {
  return result(name, compare(got, want, bound, dtypes, zeros));
}

::testing::AssertionResult same_bits(const std::string& name, const HostTensor& got,
                                     const HostTensor& want, Zeros zeros) {
  return result(name, compare_bits(got, want, zeros));
}

}  // namespace triptych::testing
