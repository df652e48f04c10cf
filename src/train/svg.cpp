#include "train/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "train/tokenizer.h"

namespace triptych {

namespace {

constexpr const char* thin_space = "\u2009";
constexpr const char* minus_sign = "\u2212";

std::string superscript(int number) {
  static constexpr const char* digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text;
  for (const char c : std::to_string(number)) text += c == '-' ? "⁻" : digits[c - '0'];
  return text;
}

/// A non-negative number with its integer digits in groups of three; four digits stay together.
std::string grouped(std::string digits) {
  const std::size_t whole = std::min(digits.find('.'), digits.size());
  if (whole <= 4) return digits;
  for (std::size_t end = whole; end > 3;) digits.insert(end -= 3, thin_space);
  return digits;
}

/// `value` without the zeros that end its decimals.
std::string trimmed(std::string value) {
  if (value.find('.') != value.npos) {
    value.erase(value.find_last_not_of('0') + 1);
    if (value.back() == '.') value.pop_back();
  }
  return value;
}

/// 1, 2 or 5 times a power of 10: the one that comes closest to cutting `range` in `parts`.
double tick_distance(double range, int parts) {
  const double rough = range / parts;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double digit = rough / power;
  // The limits are the geometric means of neighbours.
  return power * (digit >= 7.07 ? 10 : digit >= 3.16 ? 5 : digit >= 1.41 ? 2 : 1);
}

/// Decimals that tell multiples of `distance` apart.
int decimals_of(double distance) {
  return std::max(0, static_cast<int>(-std::floor(std::log10(distance) + 1e-9)));
}

/// Labels of an axis share their decimals and, where all values are small or huge, their power
/// of 10.
std::string tick_label(double value, double distance, double largest) {
  if (std::fabs(value) < distance / 2) return "0";
  const std::string sign = value < 0 ? minus_sign : "";
  const int exponent = static_cast<int>(std::floor(std::log10(largest) + 1e-9));
  if (exponent < -2 || exponent > 8) {
    const double power = std::pow(10, exponent);
    return fmt::format("{}{:.{}f}·10{}", sign, std::fabs(value) / power,
                       decimals_of(distance / power), superscript(exponent));
  }
  const int decimals = decimals_of(distance);
  return sign + grouped(fmt::format("{:.{}f}", std::fabs(value), decimals));
}

void add_ticks(Axis& axis, double distance) {
  const double largest = std::max(std::fabs(axis.low), std::fabs(axis.high));
  for (double k = std::ceil(axis.low / distance - 1e-9);
       k * distance <= axis.high + 1e-9 * distance; ++k) {
    axis.ticks.push_back({k * distance, tick_label(k * distance, distance, largest)});
  }
}

void make_sane(double& low, double& high) {
  if (!std::isfinite(low) || !std::isfinite(high)) low = 0, high = 1;
  if (low > high) std::swap(low, high);
  // Narrower than this, ticks would fall together in f64.
  const double least = 1e-9 * std::max(std::fabs(low), std::fabs(high));
  if (high - low <= least) {
    const double pad = high == 0 ? 1 : std::fabs(high) / 2;
    low -= pad;
    high += pad;
  }
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string escaped;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string coordinate(double value) {
  if (!std::isfinite(value)) return "0";
  const std::string text = trimmed(fmt::format("{:.2f}", value));
  return text == "-0" ? "0" : text;
}

std::string number_text(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  if (value == 0) return "0";
  const std::string sign = value < 0 ? minus_sign : "";
  const double magnitude = std::fabs(value);
  // The exponent after rounding to the digits asked for: 9.996 with three digits is 10.0.
  const std::string scientific = fmt::format("{:.{}e}", magnitude, digits - 1);
  const std::size_t e = scientific.find('e');
  const int exponent = std::atoi(scientific.c_str() + e + 1);
  if (exponent < -3 || exponent > 14) {
    const std::string mantissa = trimmed(scientific.substr(0, e));
    return sign + (mantissa == "1" ? "" : mantissa + "·") + "10" + superscript(exponent);
  }
  const int decimals = std::max(0, digits - 1 - exponent);
  return sign + grouped(fmt::format("{:.{}f}", magnitude, decimals));
}

std::string short_number(double value) { return trimmed(number_text(value, 6)); }

Axis Axis::linear(double low, double high, int ticks) {
  make_sane(low, high);
  const double distance = tick_distance(high - low, ticks);
  Axis axis;
  axis.low = std::floor(low / distance + 1e-9) * distance;
  axis.high = std::ceil(high / distance - 1e-9) * distance;
  add_ticks(axis, distance);
  return axis;
}

Axis Axis::tight(double low, double high, int ticks) {
  make_sane(low, high);
  Axis axis;
  axis.low = low;
  axis.high = high;
  add_ticks(axis, tick_distance(high - low, ticks));
  return axis;
}

Axis Axis::log(double low, double high) {
  if (!std::isfinite(low) || !std::isfinite(high) || high <= 0) low = 0.1, high = 10;
  if (low <= 0) low = high / 1000;
  if (high < low * 1.5) {
    low /= 1.5;
    high *= 1.5;
  }
  Axis axis;
  axis.low = low;
  axis.high = high;
  axis.logarithmic = true;
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  const int decades = last - first;
  const int stride = std::max(1, decades / 8);  // powers of ten between labels
  for (int exponent = first; exponent <= last; exponent += stride) {
    for (const int digit : {1, 2, 5}) {
      if (digit != 1 && decades > 3) continue;
      const double value = digit * std::pow(10, exponent);
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      axis.ticks.push_back({value, number_text(value, 1)});
    }
  }
  if (axis.ticks.size() < 2) {  // a narrow range between two such numbers
    axis.ticks.clear();
    add_ticks(axis, tick_distance(high - low, 4));
  }
  return axis;
}

double Axis::place(double value, double at_low, double at_high) const {
  const double held = std::clamp(value, low, high);  // a NaN stays one
  const double share =
      logarithmic ? std::log(held / low) / std::log(high / low) : (held - low) / (high - low);
  return at_low + share * (at_high - at_low);
}

Svg::Svg(double width, double height, std::string_view title) {
  opening_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" "
      "aria-label=\"{}\">\n",
      coordinate(width), coordinate(height), escape_markup(title));
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view style) {
  body_ += fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", style,
                       coordinate(x1), coordinate(y1), coordinate(x2), coordinate(y2));
}

void Svg::rect(double x, double y, double width, double height, std::string_view style,
               std::string_view tooltip, double radius) {
  body_ += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", style,
                       coordinate(x), coordinate(y), coordinate(width), coordinate(height));
  if (radius > 0) body_ += fmt::format(" rx=\"{}\"", coordinate(radius));
  body_ +=
      tooltip.empty() ? "/>\n" : fmt::format("><title>{}</title></rect>\n", escape_markup(tooltip));
}

void Svg::circle(double x, double y, double radius, std::string_view style) {
  body_ += fmt::format("<circle class=\"{}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>\n", style,
                       coordinate(x), coordinate(y), coordinate(radius));
}

void Svg::text(double x, double y, std::string_view content, std::string_view style,
               std::string_view anchor) {
  body_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", style,
                       coordinate(x), coordinate(y), anchor, escape_markup(content));
}

void Svg::vertical_text(double x, double y, std::string_view content, std::string_view style) {
  body_ += fmt::format(
      "<text class=\"{}\" text-anchor=\"middle\" "
      "transform=\"translate({} {}) rotate(-90)\">{}</text>\n",
      style, coordinate(x), coordinate(y), escape_markup(content));
}

void Svg::polyline(std::span<const double> x, std::span<const double> y, std::string_view style) {
  const auto drawn = [&](std::size_t i) {
    return i < x.size() && std::isfinite(x[i]) && std::isfinite(y[i]);
  };
  std::string d;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!drawn(i)) continue;
    const bool begins = i == 0 || !drawn(i - 1);
    d += fmt::format("{}{} {}", begins ? 'M' : 'L', coordinate(x[i]), coordinate(y[i]));
    if (begins && !drawn(i + 1)) d += "h0";  // round line caps make a dot of it
  }
  if (!d.empty()) path(d, style);
}

void Svg::path(std::string_view d, std::string_view style) {
  body_ += fmt::format("<path class=\"{}\" d=\"{}\"/>\n", style, d);
}

void Svg::place(const Svg& other, double x, double y) {
  body_ += fmt::format("<g transform=\"translate({} {})\">\n{}</g>\n", coordinate(x), coordinate(y),
                       other.body_);
}

std::string Svg::element() const { return opening_ + body_ + "</svg>\n"; }

std::string Svg::document() const {
  return fmt::format("{}<style>{}svg {{ background: var(--surface); }}\n</style>\n{}</svg>\n",
                     opening_, svg_style(), body_);
}

}  // namespace triptych
