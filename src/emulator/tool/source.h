/// \file
/// The text that is to be run: read from a file, and preprocessed if asked.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/ptx/syntax.h"

namespace triptych::emulator {

/// A file's bytes. Throws ToolError.
std::string read_text(const std::string& path);
/// Replaces a file's bytes. Throws ToolError.
void write_text(const std::string& path, std::string_view content);

struct SourceRequest {
  std::string file;
  bool preprocess = false;           ///< by `cpp -x assembler-with-cpp -undef -nostdinc`
  std::vector<std::string> include;  ///< its -I
};

/// PTX text and its file's name, as parse() takes them.
struct Source {
  std::string text, name;
};
Source read_source(const SourceRequest& request);

/// What does not parse: what the parser says of it, one line.
struct ModuleError {
  std::string message;
};
/// Parses it. Throws ModuleError.
std::unique_ptr<Module> parse_source(const Source& source);

/// The lines of a module's files, for listings: of the module's own text, or where line markers
/// lead elsewhere, of that file if it can be read.
class SourceLines {
 public:
  explicit SourceLines(const Module& module);
  SourceLines(const SourceLines&) = delete;
  SourceLines& operator=(const SourceLines&) = delete;
  /// The text of a line from 1; empty if it is not known.
  std::string_view line(std::uint32_t file, std::uint32_t number) const;
  /// Lines that are known of a file.
  std::uint32_t count(std::uint32_t file) const;

 private:
  std::vector<std::string> texts_;
  std::vector<std::vector<std::string_view>> lines_;  // of each file
};

}  // namespace triptych::emulator
