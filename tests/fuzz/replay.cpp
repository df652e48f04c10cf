// The corpus of a fuzz target and mutations of it, run where there is no libFuzzer:
//   <reader>_fuzz CORPUS MUTATIONS LAST
// The same corpus gives the same mutations on every machine. The input at hand lies in the file
// LAST, so that whatever ends the program leaves the input that did it: <reader>_fuzz LAST runs it
// again.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "fuzz.h"

namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> inputs_of(const fs::path& path) {
  std::vector<fs::path> files;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path)) files.push_back(entry.path());
  } else {
    files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> inputs;
  for (const fs::path& file : files) inputs.push_back(content_of(file));
  return inputs;
}

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

/// Changes an input as files get damaged, or as somebody would change them who means harm.
class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& inputs) : inputs_(inputs) {}

  std::string next() {
    std::string text = any();
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) change(text);
    return text;
  }

 private:
  // Not std::uniform_int_distribution, whose numbers each standard library draws its own way.
  std::size_t below(std::size_t count) { return count == 0 ? 0 : random_() % count; }
  const std::string& any() { return inputs_[below(inputs_.size())]; }

  void change(std::string& text) {
    static const char* const numbers[] = {"-1",
                                          "0",
                                          "1",
                                          "4.5",
                                          "1e300",
                                          "1e999",
                                          "2147483648",
                                          "9223372036854775807",
                                          "18446744073709551615",
                                          "null"};
    const std::size_t at = below(text.size());
    switch (below(6)) {
      case 0:
        if (!text.empty()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        if (!text.empty()) text[at] = static_cast<char>(below(256));
        break;
      case 2:
        text.erase(at, 1 + below(32));
        break;
      case 3: {
        const std::string& other = any();
        text.insert(at, other, below(other.size()), 1 + below(64));
        break;
      }
      case 4: {  // a number
        const std::size_t first = text.find_first_of("0123456789", at);
        if (first == std::string::npos) break;
        const std::size_t end = text.find_first_not_of("0123456789", first);
        text.replace(first, std::min(end, text.size()) - first, numbers[below(std::size(numbers))]);
        break;
      }
      default:
        text.resize(at);
    }
  }

  const std::vector<std::string>& inputs_;
  std::mt19937 random_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> inputs =
      argc > 1 ? inputs_of(argv[1]) : std::vector<std::string>();
  if (inputs.empty()) {
    std::fprintf(stderr, "usage: %s CORPUS [MUTATIONS LAST]\n", argv[0]);
    return 2;
  }
  for (const std::string& input : inputs) run(input);
  const int mutations = argc > 3 ? std::atoi(argv[2]) : 0;
  const int last = mutations > 0 ? ::open(argv[3], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
  Mutator mutator(inputs);
  for (int i = 0; i < mutations; ++i) {
    const std::string input = mutator.next();
    // Not opened anew: some file systems write a file that was cut to nothing to the disk at once.
    if (::pwrite(last, input.data(), input.size(), 0) != static_cast<ssize_t>(input.size()) ||
        ::ftruncate(last, static_cast<off_t>(input.size())) != 0) {
      std::perror(argv[3]);
      return 3;
    }
    run(input);
  }
  if (mutations > 0) fs::remove(argv[3]);
  std::printf("%zu inputs and %d mutations of them\n", inputs.size(), mutations);
  return 0;
}
