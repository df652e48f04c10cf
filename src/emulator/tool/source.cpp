#include "emulator/tool/source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "emulator/tool/error.h"
#include "emulator/tool/fill.h"

extern char** environ;

namespace triptych::emulator {
namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 32;

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// All that a descriptor gives.
std::string drain(int descriptor) {
  std::string text;
  char buffer[1 << 16];
  for (ssize_t got; (got = ::read(descriptor, buffer, sizeof buffer)) != 0;) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

/// Runs cpp; its output, or its first complaint as a ToolError.
std::string preprocess(const SourceRequest& request) {
  std::vector<std::string> words{"cpp", "-x", "assembler-with-cpp", "-undef", "-nostdinc"};
  for (const std::string& folder : request.include) words.insert(words.end(), {"-I", folder});
  words.push_back(request.file);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  // What it says of errors goes to a file, so that neither pipe can fill while the other is read.
  const File complaints(std::tmpfile(), std::fclose);
  int ends[2];
  if (complaints == nullptr || ::pipe2(ends, O_CLOEXEC) != 0)
    throw environment(fmt::format("cannot start cpp: {}", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ::fileno(complaints.get()), 2);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "cpp", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string text = error == 0 ? drain(ends[0]) : "";
  ::close(ends[0]);
  if (error != 0)
    throw environment(
        fmt::format("cannot run cpp: {}; install the C preprocessor, or preprocess {} elsewhere",
                    std::strerror(error), request.file));
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  ::lseek(::fileno(complaints.get()), 0, SEEK_SET);
  const std::string said = drain(::fileno(complaints.get()));
  throw usage(fmt::format("cpp: {}", said.substr(0, said.find('\n'))));
}

}  // namespace

std::string read_text(const std::string& path) {
  struct stat state;
  const File file(std::fopen(path.c_str(), "rb"),
                  [](std::FILE* f) { return f != nullptr ? std::fclose(f) : 0; });
  if (file == nullptr || ::fstat(::fileno(file.get()), &state) != 0) {
    throw environment(fmt::format("cannot read '{}': {}; check the path and its permissions", path,
                                  std::strerror(errno)));
  }
  if (S_ISDIR(state.st_mode)) throw environment(fmt::format("'{}' is a folder; give a file", path));
  if (static_cast<std::size_t>(state.st_size) > most_bytes)
    throw environment(fmt::format("'{}' has more than 4 GiB; give a smaller file", path));
  return drain(::fileno(file.get()));
}

void write_text(const std::string& path, std::string_view content) {
  const File file(std::fopen(path.c_str(), "wb"),
                  [](std::FILE* f) { return f != nullptr ? std::fclose(f) : 0; });
  const bool good = file != nullptr &&
                    std::fwrite(content.data(), 1, content.size(), file.get()) == content.size() &&
                    std::fflush(file.get()) == 0;
  if (!good)
    throw environment(fmt::format("cannot write '{}': {}; check the path and the disk", path,
                                  std::strerror(errno)));
}

Source read_source(const SourceRequest& request) {
  std::string text = read_text(request.file);  // cpp's own words for a missing file are no help
  return {request.preprocess ? preprocess(request) : std::move(text), request.file};
}

std::unique_ptr<Module> parse_source(const Source& source) {
  Parsed parsed = parse(source.text, source.name);
  if (parsed.error) throw ModuleError{parsed.error->str()};
  return std::move(parsed.module);
}

SourceLines::SourceLines(const Module& module) {
  // With line markers the module's own text is cpp's output, and positions are those of the files.
  const bool marked =
      module.text.starts_with("# ") || module.text.find("\n# ") != std::string::npos;
  for (std::size_t f = 0; f < module.files.size(); ++f) {
    std::string text;
    try {
      text = f == 0 && !marked ? module.text : read_text(module.files[f]);
    } catch (const ToolError&) {
      // A listing without the text of that file.
    }
    texts_.push_back(std::move(text));
  }
  for (const std::string& text : texts_) {
    auto& lines = lines_.emplace_back(split_text(text, '\n'));
    if (!lines.empty() && lines.back().empty()) lines.pop_back();
  }
}

std::string_view SourceLines::line(std::uint32_t file, std::uint32_t number) const {
  return number >= 1 && number <= count(file) ? lines_[file][number - 1] : std::string_view();
}

std::uint32_t SourceLines::count(std::uint32_t file) const {
  return file < lines_.size() ? static_cast<std::uint32_t>(lines_[file].size()) : 0;
}

}  // namespace triptych::emulator
