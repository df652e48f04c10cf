// Images that modules are loaded from: PTX text, and the fatbins in which nvcc embeds it.
#include <algorithm>
#include <cstring>

#include "emulator/driver/compression.h"
#include "emulator/driver/module.h"

namespace triptych::emulator::driver {
namespace {

constexpr std::uint32_t wrapper_magic = 0x466243b1, fatbin_magic = 0xBA55ED50, elf_magic = 0x464C457F;
constexpr std::uint16_t kind_ptx = 1;
constexpr std::uint64_t flag_lz4 = 0x2000, flag_zstd = 0x8000;
constexpr std::uint64_t most_text = std::uint64_t{1} << 30;

/// What a program's fatbin section holds.
struct Wrapper {
  std::uint32_t magic, version;
  const void* data;
  const void* file;
};
struct Header {
  std::uint32_t magic;
  std::uint16_t version, header_bytes;
  std::uint64_t bytes;             ///< behind this header
};
struct Entry {
  std::uint16_t kind, version;
  std::uint32_t header_bytes;
  std::uint64_t bytes;             ///< behind the entry's header, padded
  std::uint32_t stored_bytes, options;
  std::uint16_t minor, major;
  std::uint32_t architecture, name_offset, name_bytes;
  std::uint64_t flags, reserved, text_bytes;
};
static_assert(sizeof(Header) == 16 && sizeof(Entry) == 64);

const char* const build_with_ptx =
    "the software device runs PTX text, and this image is machine code; build with PTX inside "
    "(nvcc -gencode arch=compute_90a,code=compute_90a)";

std::string text_of(const Entry& entry, const char* stored) {
  std::string text;
  if ((entry.flags & (flag_lz4 | flag_zstd)) == 0) {
    text.assign(stored, entry.bytes);
  } else if (entry.text_bytes <= most_text && entry.stored_bytes <= entry.bytes) {
    const std::string_view packed(stored, entry.stored_bytes);
    text = (entry.flags & flag_zstd) != 0 ? unpack_zstd(packed, entry.text_bytes) : unpack_lz4(packed, entry.text_bytes);
  }
  // It ends in zeros.
  text.erase(std::find(text.begin(), text.end(), '\0'), text.end());
  return text;
}

/// The PTX for the newest architecture that the device can run.
Ptx ptx_of_fatbin(const char* image, int architecture, std::size_t most) {
  Header header;
  std::memcpy(&header, image, sizeof header);
  if (header.header_bytes < sizeof header || header.bytes > most - std::min<std::size_t>(most, header.header_bytes)) {
    return {.refusal = "a fatbin that is cut off"};
  }
  const char *at = image + header.header_bytes, *end = at + header.bytes;
  Ptx best{.refusal = build_with_ptx};
  std::uint32_t best_architecture = 0;
  while (static_cast<std::size_t>(end - at) >= sizeof(Entry)) {
    Entry entry;
    std::memcpy(&entry, at, sizeof entry);
    const auto rest = static_cast<std::size_t>(end - at);
    if (entry.header_bytes < sizeof entry || entry.header_bytes > rest || entry.bytes > rest - entry.header_bytes) break;
    if (entry.kind == kind_ptx && entry.architecture <= static_cast<std::uint32_t>(architecture) &&
        entry.architecture >= best_architecture) {
      best = {.text = text_of(entry, at + entry.header_bytes)};
      best_architecture = entry.architecture;
      if (best.text.empty()) {
        best.refusal = (entry.flags & flag_zstd) != 0 && !have_zstd ? "the PTX in this image is compressed with zstd, which this build lacks; install libzstd-dev and build again, or compile with nvcc --compress-mode=none"
                       : (entry.flags & flag_lz4) != 0 && !have_lz4 ? "the PTX in this image is compressed with LZ4, which this build lacks; install liblz4-dev and build again, or compile with nvcc --compress-mode=none"
                                                                   : "the PTX in this image is damaged";
      }
    } else if (entry.kind == kind_ptx && best.text.empty() && best_architecture == 0) {
      best.refusal = "the PTX in this image is for compute_" + std::to_string(entry.architecture) + ", and the device is " +
                     std::to_string(architecture) + "; build with nvcc -gencode arch=compute_90a,code=compute_90a";
    }
    at += entry.header_bytes + entry.bytes;
  }
  return best;
}

}  // namespace

Ptx ptx_of(const void* image, int architecture, std::size_t most) {
  const auto* bytes = static_cast<const char*>(image);
  if (most < 4) return {.refusal = "an empty image"};
  std::uint32_t magic = 0;
  std::memcpy(&magic, bytes, std::min<std::size_t>(4, strnlen(bytes, 4)));
  if (magic == wrapper_magic && most == unknown_bytes) {
    return ptx_of(static_cast<const Wrapper*>(image)->data, architecture, unknown_bytes);
  }
  if (magic == fatbin_magic) {
    return most < sizeof(Header) ? Ptx{.refusal = "a fatbin that is cut off"} : ptx_of_fatbin(bytes, architecture, most);
  }
  if (magic == elf_magic || (magic & 0x80) != 0) return {.refusal = build_with_ptx};
  return {.text = std::string(bytes, strnlen(bytes, std::min<std::size_t>(most, most_text)))};
}

}  // namespace triptych::emulator::driver
