/// \file
/// Drawing primitives of the project's pages: SVG text, numbers as labels, and axes.
///
/// Nothing here names a colour. Elements carry the classes of svg_style(), so that a page's light
/// or dark mode decides; there is no script, tooltips are <title> elements.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace triptych {

/// Text as the content of an HTML or SVG element or of a quoted attribute: & < > " ' are escaped,
/// and what is not valid UTF-8 or a control character (but for newline and tab) becomes U+FFFD.
std::string escape_markup(std::string_view text);

/// A coordinate: two decimals at most, no trailing zeros, "-0" as "0". A value that is not finite,
/// which a browser would reject, gives "0".
std::string coordinate(double value);

/// A number for people, with about `digits` significant digits: 0.312, 2.31, 48.2, 12 300, 3·10⁻⁴.
/// One that is not finite gives "–".
std::string number_text(double value, int digits = 3);

/// A number for people to six significant digits, without zeros that end its decimals: 320, 0.5.
std::string short_number(double value);

/// A place on an axis, with its label.
struct Tick {
  double value = 0;
  std::string label;
};

/// A scale from values to coordinates.
struct Axis {
  double low = 0, high = 1;  ///< low < high; low > 0 where `logarithmic`
  bool logarithmic = false;
  std::vector<Tick> ticks;  ///< ascending, inside of low … high

  /// A linear axis that covers `low … high`, widened to whole ticks at multiples of 1, 2 or 5 times
  /// a power of 10, about `ticks` of them. Equal or non-finite limits are widened to something
  /// sane.
  static Axis linear(double low, double high, int ticks = 6);
  /// The same without widening: the axis ends where the data does (for steps).
  static Axis tight(double low, double high, int ticks = 8);
  /// A logarithmic axis with ticks at 1, 2 and 5 times powers of 10, at whole powers alone where
  /// they would be too many, and as linear() has them where too few. Limits that are not positive
  /// are replaced.
  static Axis log(double low, double high);

  /// Where `value` lies between the coordinates of low and high; beyond them it is held at the end.
  double place(double value, double at_low, double at_high) const;
};

/// The text of one SVG picture, written element by element.
class Svg {
 public:
  /// A picture `width` × `height` units that fills its parent's width. `title` is its description
  /// for screen readers.
  Svg(double width, double height, std::string_view title);

  void line(double x1, double y1, double x2, double y2, std::string_view style);
  /// A rectangle; with a tooltip when `tooltip` is not empty.
  void rect(double x, double y, double width, double height, std::string_view style,
            std::string_view tooltip = {}, double radius = 0);
  void circle(double x, double y, double radius, std::string_view style);
  /// `anchor` is start, middle or end: what of the text lies at x. y is its base line.
  void text(double x, double y, std::string_view content, std::string_view style,
            std::string_view anchor = "start");
  /// The same, turned by 90° counter-clockwise around (x, y).
  void vertical_text(double x, double y, std::string_view content, std::string_view style);
  /// A line through the points, interrupted where a coordinate is not finite. A point without a
  /// neighbour is drawn as a dot. REQUIRES: x and y of one length.
  void polyline(std::span<const double> x, std::span<const double> y, std::string_view style);
  /// A path from its `d` attribute.
  void path(std::string_view d, std::string_view style);
  /// Another picture's elements, its upper left corner at (x, y), its units those of this one.
  void place(const Svg& other, double x, double y);

  /// The whole <svg> element, for a page that has svg_style() among its styles.
  std::string element() const;
  /// A file of its own, with the styles inside and the page's surface behind.
  std::string document() const;

 private:
  std::string opening_, body_;
};

/// The style sheet of all pictures: fonts, ink, series colours `s1 … s4`, the classes h0 … h12 of
/// heat maps, in light and dark (prefers-color-scheme). Custom properties are set on :root, so a
/// page may use them too: --page --surface --ink --soft --faint --grid --s1 … --s4.
std::string_view svg_style();

}  // namespace triptych
