// weave: a chapter's README.md shows code that is in its sources and output that its programs
// print.
//
//   weave --check tutorials/01_moe_layer build/release/tutorials/01_moe_layer
//   weave --write tutorials/01_moe_layer build/release/tutorials/01_moe_layer
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "triptych/error.h"
#include "weaver.h"

namespace {

using namespace triptych;

int run(const weave::Chapter& chapter, weave::Mode mode) {
  const std::vector<weave::Finding> findings = weave::weave(chapter, mode);
  for (const weave::Finding& finding : findings) {
    fmt::print("{}:{}: {}\n", (chapter.folder / "README.md").string(), finding.line + 1,
               finding.text);
  }
  return findings.empty() ? 0 : static_cast<int>(ErrorKind::finding);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Checks or refreshes the code, output and pictures of a chapter's README.md. Runs in the "
      "repository's root; CONTRIBUTING.md describes the blocks.");
  weave::Chapter chapter;
  bool check = false, write = false;
  CLI::Option_group* mode = app.add_option_group("mode");
  mode->add_flag("--check", check, "exit with 1 and say where, if a block is not current");
  mode->add_flag("--write", write, "bring the blocks up to date");
  mode->require_option(1);
  app.add_option("chapter", chapter.folder, "the chapter's folder")->required();
  app.add_option("programs", chapter.programs, "folders with programs")->required();
  try {
    app.parse(argc, argv);
    return run(chapter, check ? weave::Mode::check : weave::Mode::write);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ErrorKind::usage);
  } catch (const Error& error) {
    fmt::print(stderr, "weave: {}\n", error.what());
    return static_cast<int>(error.kind());
  }
}
