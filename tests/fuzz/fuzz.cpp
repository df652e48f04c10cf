#include "fuzz.h"

#include <malloc.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> live{0}, peak{0};

}  // namespace

// All of C++'s allocations, counted. A sanitizer has its own of every form, so none may be left to
// call another.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  void* const memory = std::malloc(bytes);
  const std::size_t now = live += ::malloc_usable_size(memory);
  if (now > peak) peak = now;
  return memory;
}

void* operator new(std::size_t bytes) {
  if (void* const memory = operator new(bytes, std::nothrow)) return memory;
  throw std::bad_alloc();
}

void* operator new[](std::size_t bytes) { return operator new(bytes); }

void operator delete(void* memory) noexcept {
  live -= ::malloc_usable_size(memory);
  std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
void operator delete[](void* memory) noexcept { operator delete(memory); }
void operator delete[](void* memory, std::size_t) noexcept { operator delete(memory); }

namespace triptych::fuzz {

std::size_t live_bytes() { return live; }
std::size_t peak_bytes() { return peak; }
void reset_peak() { peak = live.load(); }

void fail(std::string_view what) {
  std::fprintf(stderr, "fuzz: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

void check_line(std::string_view line, std::string_view file) {
  const auto refuse = [&](std::string_view what) {
    fail(std::string(what) + " in the error's line: " + std::string(line.substr(0, 2000)));
  };
  if (line.empty() || line.size() > 1000) refuse("nothing, or too much,");
  if (line.find(file) == std::string_view::npos) refuse("no name of the file");
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto byte = static_cast<unsigned char>(line[i]);
    const auto next = static_cast<unsigned char>(i + 1 < line.size() ? line[i + 1] : 0);
    // C2 80 … C2 9F are the control characters U+0080 … U+009F.
    if (byte < 0x20 || byte == 0x7F || (byte == 0xC2 && next >= 0x80 && next < 0xA0)) {
      refuse("a control character");
    }
  }
}

}  // namespace triptych::fuzz
