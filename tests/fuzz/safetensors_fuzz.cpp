// A safetensors file: its tensors are read, written, and read again the same.
#include "fuzz.h"
#include "model/safetensors.h"
#include "temporary_folder.h"

using namespace triptych;

namespace {

const char* const name = "m.safetensors";

template <class T>
void read_as(const SafetensorsReader& reader, const StoredTensor& tensor, std::size_t size) {
  fuzz::read(name, size, [&] {
    std::vector<T> values(static_cast<std::size_t>(tensor.count()));
    reader.read(tensor, std::span<T>(values));
    return true;
  });
}

/// The bytes of all tensors; nothing if one is damaged.
std::optional<std::vector<std::vector<std::byte>>> contents(const SafetensorsReader& reader,
                                                            std::size_t size) {
  return fuzz::read(name, size, [&] {
    std::vector<std::vector<std::byte>> all;
    for (const StoredTensor& tensor : reader.tensors()) {
      all.emplace_back(tensor.end - tensor.begin);
      reader.read_bytes(tensor, all.back());
    }
    return all;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const testing::TemporaryFolder folder;
  const std::string path = folder.write(name, fuzz::text_of(data, size));
  const auto reader = fuzz::read(name, size, [&] { return SafetensorsReader(path); });
  if (!reader) return 0;
  for (const StoredTensor& tensor : reader->tensors()) {
    read_as<float>(*reader, tensor, size);
    read_as<double>(*reader, tensor, size);
    read_as<std::int64_t>(*reader, tensor, size);
    read_as<std::int32_t>(*reader, tensor, size);
  }
  const auto bytes = contents(*reader, size);
  if (!bytes) return 0;
  SafetensorsWriter writer(folder / "again", reader->tensors(), reader->metadata());
  for (std::size_t i = 0; i < bytes->size(); ++i) {
    writer.append(reader->tensors()[i].name, std::span<const std::byte>((*bytes)[i]));
  }
  writer.finish();
  const SafetensorsReader again(folder / "again");
  for (std::size_t i = 0; i < bytes->size(); ++i) {
    const StoredTensor& tensor = reader->tensors()[i];
    std::vector<std::byte> other((*bytes)[i].size());
    const StoredTensor& there = again.at(tensor.name, tensor.shape);
    again.read_bytes(there, other);
    fuzz::expect(there.type == tensor.type && other == (*bytes)[i], "it reads otherwise");
  }
  return 0;
}
