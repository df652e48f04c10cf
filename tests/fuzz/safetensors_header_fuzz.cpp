// A safetensors header: JSON, a NUL, and then the data, of which only the length matters.
#include <algorithm>

#include "fuzz.h"
#include "model/safetensors.h"

using namespace triptych;

namespace {

bool equal(const SafetensorsHeader& a, const SafetensorsHeader& b) {
  const auto same = [](const StoredTensor& x, const StoredTensor& y) {
    return x.name == y.name && x.type == y.type && x.shape == y.shape && x.begin == y.begin &&
           x.end == y.end;
  };
  return std::ranges::equal(a.tensors, b.tensors, same) && a.metadata == b.metadata &&
         a.checksums == b.checksums;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all = fuzz::text_of(data, size);
  const std::string_view json = all.substr(0, all.find('\0'));
  const std::size_t data_bytes = all.size() - std::min(all.size(), json.size() + 1);
  const auto header = fuzz::read("m.safetensors", size, [&] {
    return parse_safetensors_header(json, data_bytes, "m.safetensors");
  });
  if (!header) return 0;
  const std::string written = safetensors_header_text(*header);
  fuzz::expect(written.size() % 64 == 0, "the data would not be aligned");
  fuzz::expect(
      equal(parse_safetensors_header(std::string_view(written).substr(8), data_bytes, "again"),
            *header),
      "it reads otherwise");
  return 0;
}
