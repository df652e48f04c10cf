#include "emulator/tool/fill.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/machine/random.h"
#include "emulator/tool/error.h"
#include "emulator/tool/source.h"
#include "emulator/tool/value.h"

namespace triptych::emulator {
namespace {

double number_at(std::string_view text, std::string_view where) {
  std::uint8_t bytes[8];
  parse_value(Type::f64, text, where, bytes);
  return read_number(Type::f64, bytes);
}

/// Calls at(i, place of element i) for all elements.
template <class F>
std::vector<std::uint8_t> each_element(Type type, std::uint64_t count, const F& at) {
  const auto bytes = static_cast<std::size_t>(bytes_of(type));
  std::vector<std::uint8_t> all(count * bytes);
  for (std::uint64_t i = 0; i < count; ++i) at(i, &all[i * bytes]);
  return all;
}

std::vector<std::uint8_t> iota(Type type, std::uint64_t count,
                               const std::vector<std::string_view>& parts, std::string_view where) {
  const double start = parts.size() > 1 ? number_at(parts[1], where) : 0;
  const double step = parts.size() > 2 ? number_at(parts[2], where) : 1;
  return each_element(type, count, [&](std::uint64_t i, std::uint8_t* to) {
    write_number(type, start + step * static_cast<double>(i), to);
  });
}

std::vector<std::uint8_t> random(Type type, std::uint64_t count,
                                 const std::vector<std::string_view>& parts, std::uint64_t seed,
                                 std::string_view where) {
  if (parts.size() != 1 && parts.size() != 3)
    throw usage(fmt::format("{}: wanted random or random:LOW:HIGH", where));
  const bool bounded = parts.size() == 3;
  const double low = bounded ? number_at(parts[1], where) : -1,
               high = bounded ? number_at(parts[2], where) : 1;
  std::uint64_t state = seed;
  return each_element(type, count, [&](std::uint64_t, std::uint8_t* to) {
    const std::uint64_t bits = next_random(state);
    const double unit = static_cast<double>(bits >> 11) * 0x1p-53;  // 0 ≤ unit < 1
    if (is_float(type)) return write_number(type, low + (high - low) * unit, to);
    if (bounded)
      return write_number(
          type, low + static_cast<double>(static_cast<std::int64_t>((high - low + 1) * unit)), to);
    for (int b = 0; b < bytes_of(type); ++b) to[b] = static_cast<std::uint8_t>(bits >> 8 * b);
  });
}

void require_size(std::uint64_t have, std::optional<std::uint64_t> want, const char* unit,
                  std::string_view where) {
  if (want && have != *want) {
    throw usage(
        fmt::format("{}: {} {} where {} are needed; give as many, or leave out the number in [ ]",
                    where, have, unit, *want));
  }
}

}  // namespace

std::vector<std::string_view> split_text(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::uint8_t> fill(Type type, std::optional<std::uint64_t> count, std::string_view text,
                               std::uint64_t seed, std::string_view where) {
  const auto bytes = static_cast<std::uint64_t>(bytes_of(type));
  if (text.starts_with("file:")) {
    const std::string content = read_text(std::string(text.substr(5)));
    if (content.size() % bytes != 0) {
      throw usage(fmt::format("{}: {} holds {} bytes, which is no whole number of {}", where,
                              text.substr(5), content.size(), name_of(type)));
    }
    require_size(content.size() / bytes, count, "elements", where);
    return {content.begin(), content.end()};
  }
  const auto parts = split_text(text, ':');
  const bool counted = parts[0] == "iota" || parts[0] == "random";
  if (counted && !count)
    throw usage(fmt::format("{}: {} needs a number of elements: {}[1024]={}", where, text,
                            name_of(type), text));
  if (parts[0] == "iota") return iota(type, *count, parts, where);
  if (parts[0] == "random") return random(type, *count, parts, seed, where);
  const auto values = split_text(text, ',');
  const bool same = values.size() == 1 && count;
  if (!same) require_size(values.size(), count, "values", where);
  return each_element(type, count.value_or(values.size()), [&](std::uint64_t i, std::uint8_t* to) {
    // Of one value for all elements only the first is read from the text.
    if (same && i > 0) return std::copy(to - i * bytes, to - i * bytes + bytes, to), void();
    parse_value(type, values[same ? 0 : i], where, to);
  });
}

}  // namespace triptych::emulator
