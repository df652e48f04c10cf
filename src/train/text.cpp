#include "train/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <string_view>

#include "model/file_io.h"
#include "train/synthetic.h"
#include "triptych/error.h"

namespace triptych {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view synthetic_prefix = "synthetic:";
constexpr std::size_t probe_bytes = 8000;  // how far git looks for a NUL
constexpr std::size_t held_out_period = 10;
constexpr std::size_t held_out_index = 4;

Error data_error(ErrorKind kind, const std::string& source, const std::string& rest) {
  return Error(kind, fmt::format("data: {} {}", quoted_path(source), rest));
}

Error too_long(const std::string& source, std::size_t max_bytes) {
  return data_error(ErrorKind::usage, source,
                    fmt::format("holds more than {} bytes, the most that is read; choose a smaller "
                                "file or folder",
                                max_bytes));
}

Text synthetic_text(const std::string& source, const TextLimits& limits) {
  const std::string_view number = std::string_view(source).substr(synthetic_prefix.size());
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), seed);
  if (number.empty() || error != std::errc() || end != number.data() + number.size()) {
    throw data_error(ErrorKind::usage, source,
                     "has no valid seed; write synthetic: and a number from 0 to 2^64-1");
  }
  const SyntheticLanguage language(seed);
  Text text;
  text.bytes = std::make_shared<const std::string>(language.sample(limits.synthetic_bytes));
  text.entropy_rate = language.entropy_rate();
  return text;
}

/// The regular files under `folder`, hidden ones and linked folders left out, in no order.
void collect_files(const fs::path& folder, std::vector<fs::path>& files) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), last; !error && entry != last;
       entry.increment(error)) {
    if (entry->path().filename().native().starts_with('.')) continue;
    std::error_code broken_link;
    if (entry->symlink_status(broken_link).type() == fs::file_type::directory) {
      collect_files(entry->path(), files);
    } else if (entry->is_regular_file(broken_link)) {
      files.push_back(entry->path());
    }
  }
  if (error) {
    throw data_error(ErrorKind::environment, folder.string(),
                     fmt::format("cannot be listed: {}; change its permissions, or move it away",
                                 error.message()));
  }
}

bool is_binary(const std::string& bytes) {
  return std::memchr(bytes.data(), 0, std::min(bytes.size(), probe_bytes)) != nullptr;
}

Text folder_text(const std::string& source, const TextLimits& limits) {
  std::vector<fs::path> files;
  collect_files(source, files);
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  Text text;
  std::string bytes;
  for (const fs::path& path : files) {
    std::error_code ignored;
    const std::size_t left = limits.max_bytes - bytes.size();
    if (fs::file_size(path, ignored) > left && !ignored) throw too_long(source, limits.max_bytes);
    const std::string content = read_file(path, left);
    if (is_binary(content)) {
      ++text.binary_files;
    } else {
      ++text.files;
      bytes += content;
    }
  }
  if (text.files == 0) {
    throw data_error(
        ErrorKind::usage, source,
        text.binary_files == 0
            ? std::string("is a folder without files; name one that holds text (hidden files and "
                          "linked folders do not count)")
            : fmt::format("holds {} binary files and no text; name one of them itself to train on "
                          "its bytes",
                          text.binary_files));
  }
  text.bytes = std::make_shared<const std::string>(std::move(bytes));
  return text;
}

Text file_text(const std::string& source, const TextLimits& limits) {
  std::error_code ignored;
  if (fs::file_size(source, ignored) > limits.max_bytes && !ignored) {
    throw too_long(source, limits.max_bytes);
  }
  Text text;
  text.bytes = std::make_shared<const std::string>(read_file(source, limits.max_bytes));
  text.files = 1;
  return text;
}

std::uint64_t fnv1a(std::string_view bytes) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return hash;
}

Text text_at(const std::string& source, const TextLimits& limits) {
  std::error_code error;
  const fs::file_status status = fs::status(source, error);
  switch (status.type()) {
    case fs::file_type::regular:
      return file_text(source, limits);
    case fs::file_type::directory:
      return folder_text(source, limits);
    case fs::file_type::not_found:
      throw data_error(ErrorKind::usage, source,
                       "does not exist; give a file or folder of text, or synthetic:SEED");
    case fs::file_type::none:
      throw data_error(ErrorKind::environment, source,
                       fmt::format("cannot be looked at: {}; check the path and its permissions",
                                   error.message()));
    default:
      throw data_error(ErrorKind::usage, source,
                       "is neither a file nor a folder; write the text to a file and name that");
  }
}

}  // namespace

Text read_text(const std::string& source, const TextLimits& limits) {
  Text text = source.starts_with(synthetic_prefix) ? synthetic_text(source, limits)
                                                   : text_at(source, limits);
  text.name = source;
  if (text.bytes->empty()) {
    throw data_error(ErrorKind::usage, source, "is empty; give a file or folder with text in it");
  }
  text.fingerprint = fnv1a(*text.bytes);
  return text;
}

std::size_t TextPart::size() const {
  return std::accumulate(
      blocks.begin(), blocks.end(), std::size_t{0},
      [](std::size_t sum, const TextBlock& block) { return sum + block.size(); });
}

TextSplit split_text(const Text& text, std::int64_t sequence) {
  const std::size_t size = text.bytes->size();
  const auto inputs = static_cast<std::size_t>(sequence);
  const std::size_t needed = (held_out_index + 1) * window_bytes(sequence);
  if (inputs > size || size < needed) {  // the first comparison, since the product may overflow
    throw data_error(ErrorKind::usage, text.name,
                     fmt::format("has {} bytes, but training and held-out part need {} together at "
                                 "sequence length {}; give a longer text or a shorter sequence",
                                 size, needed, sequence));
  }
  const std::size_t windows = std::clamp<std::size_t>(size / (50 * inputs), 1, 16);
  const std::size_t count =
      size / (windows * inputs + 2);  // ≥ 5, and no block is shorter than this

  // Lengths differ by at most one byte, and no stub remains.
  TextSplit split{{text.bytes, {}}, {text.bytes, {}}};
  const std::size_t base = size / count, longer = size % count;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t end = begin + base + (i < longer ? 1 : 0);
    TextPart& part = i % held_out_period == held_out_index ? split.held_out : split.train;
    part.blocks.push_back({begin, end});
    begin = end;
  }
  return split;
}

}  // namespace triptych
