#include "train/metrics.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "model/file_io.h"
#include "model/strict_json.h"
#include "triptych/error.h"

namespace triptych {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t max_metrics_bytes = std::size_t{1} << 32;
constexpr const char* remedy = "mend that line, or move the file away";

/// A metrics file's whole lines up to some step, and where they end.
struct Lines {
  std::vector<Json> objects;
  std::size_t bytes = 0;
  std::int64_t last_step = -1;
};

/// Takes lines while they are whole and their step is at most `last_step`.
Lines take_lines(const std::filesystem::path& path, std::string_view content,
                 std::int64_t last_step) {
  Lines lines;
  // What follows the last step is not looked at: a power failure may leave anything there.
  while (lines.bytes < content.size() && lines.last_step < last_step) {
    const std::size_t end = content.find('\n', lines.bytes);
    if (end == std::string_view::npos) break;  // torn: its newline was never written
    const std::string where = fmt::format("{}, line {}", quoted_path(path), lines.objects.size() + 1);
    Json object = parse_strict_json(content.substr(lines.bytes, end - lines.bytes), where,
                                    ErrorKind::environment, remedy);
    const bool has_step =
        object.is_object() && object.contains("step") && object["step"].is_number_integer();
    if (!has_step || object["step"].get<std::int64_t>() <= lines.last_step) {
      throw environment_error(fmt::format("{}: not a JSON object whose \"step\" is an integer above {}; {}",
                                          where, lines.last_step, remedy));
    }
    const auto step = object["step"].get<std::int64_t>();
    if (step > last_step) break;
    lines.last_step = step;
    lines.bytes = end + 1;
    lines.objects.push_back(std::move(object));
  }
  return lines;
}

}  // namespace

MetricsWriter::MetricsWriter(const std::filesystem::path& path, std::int64_t last_step)
    : path_(path) {
  std::error_code ignored;
  if (last_step >= 0 && std::filesystem::exists(path, ignored)) {
    const Lines kept = take_lines(path, read_file(path, max_metrics_bytes), last_step);
    size_ = static_cast<std::int64_t>(kept.bytes);
    last_step_ = kept.last_step;
  }
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file_ < 0 || ::ftruncate(file_, size_) != 0) {
    const int cause = errno;
    if (file_ >= 0) ::close(file_);
    throw environment_error(
        fmt::format("cannot open the metrics {}: {}; choose another folder for "
                    "the run",
                    quoted_path(path), std::strerror(cause)));
  }
}

MetricsWriter::~MetricsWriter() { ::close(file_); }

void MetricsWriter::write(std::int64_t step, const Json& fields) {
  if (step <= last_step_) {
    throw usage_error(fmt::format("metrics: step {} does not follow step {}; write each step once",
                                  step, last_step_));
  }
  Json line = {{"step", step}};
  line.update(fields);
  // Strings that are no UTF-8 must not stop a run: their bad bytes are replaced.
  const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  errno = 0;
  const ssize_t written = ::write(file_, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    const int cause = errno != 0 ? errno : ENOSPC;  // a short write without an error: no more room
    const bool restored = ::ftruncate(file_, size_) == 0;
    throw environment_error(fmt::format(
        "cannot write the metrics {}: {}{}; free some space and "
        "resume",
        quoted_path(path_), std::strerror(cause), restored ? "" : " (its last line is torn)"));
  }
  size_ += written;
  last_step_ = step;
}

void MetricsWriter::sync() {
  if (::fsync(file_) != 0) {
    throw environment_error(
        fmt::format("cannot force the metrics {} to the disk: {}; check the disk",
                    quoted_path(path_), std::strerror(errno)));
  }
}

std::vector<Json> read_metrics(const std::filesystem::path& path) {
  return take_lines(path, read_file(path, max_metrics_bytes), INT64_MAX).objects;
}

}  // namespace triptych
