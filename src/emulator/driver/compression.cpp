// zstd and LZ4, where the build found them.
#include "emulator/driver/compression.h"

#if TRIPTYCH_HAVE_ZSTD
#include <zstd.h>
#endif
#if TRIPTYCH_HAVE_LZ4
#include <lz4.h>
#endif

namespace triptych::emulator::driver {

const bool have_zstd = TRIPTYCH_HAVE_ZSTD, have_lz4 = TRIPTYCH_HAVE_LZ4;

std::string unpack_zstd([[maybe_unused]] std::string_view packed, [[maybe_unused]] std::size_t bytes) {
#if TRIPTYCH_HAVE_ZSTD
  std::string text(bytes, '\0');
  if (ZSTD_decompress(text.data(), bytes, packed.data(), packed.size()) == bytes) return text;
#endif
  return "";
}

std::string unpack_lz4([[maybe_unused]] std::string_view packed, [[maybe_unused]] std::size_t bytes) {
#if TRIPTYCH_HAVE_LZ4
  std::string text(bytes, '\0');
  const int made = LZ4_decompress_safe(packed.data(), text.data(), static_cast<int>(packed.size()), static_cast<int>(bytes));
  if (made >= 0 && static_cast<std::size_t>(made) == bytes) return text;
#endif
  return "";
}

}  // namespace triptych::emulator::driver
