#include "model/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "model/crc32c.h"
#include "triptych/error.h"

namespace triptych {
namespace {

/// Bytes that are read at a time: a multiple of every element size, and small beside any model.
constexpr std::size_t chunk_bytes = std::size_t{1} << 18;

std::string where_of(const std::filesystem::path& path, const std::string& tensor) {
  return fmt::format("{}: tensor {}", quoted_path(path), quoted_text(tensor));
}

template <class From, class To>
void convert_chunk(std::span<const std::byte> bytes, To* into) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(From); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    if constexpr (std::is_same_v<From, bf16>) {
      into[i] = static_cast<To>(static_cast<float>(value));
    } else {
      into[i] = static_cast<To>(value);
    }
  }
}

/// The bytes a tensor needs; throws Error (usage) for what the caller got wrong.
std::uint64_t bytes_of(const StoredTensor& tensor, const std::string& where) {
  std::uint64_t bytes = size_of(tensor.type);
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) {
      throw usage_error(
          fmt::format("{}: {} has no size; give extents of 0 or more whose product "
                      "fits 63 bits",
                      where, tensor.str()));
    }
  }
  return bytes;
}

/// Offsets without holes, larger elements first.
SafetensorsHeader lay_out(const std::filesystem::path& path,
                          const std::vector<StoredTensor>& tensors,
                          const std::map<std::string, std::string>& metadata) {
  SafetensorsHeader header{.tensors = tensors, .metadata = metadata, .checksums = {}};
  header.metadata["format"] = "pt";
  std::ranges::stable_sort(header.tensors, std::ranges::greater{},
                           [](const StoredTensor& t) { return size_of(t.type); });
  std::uint64_t end = 0;
  for (StoredTensor& tensor : header.tensors) {
    tensor.begin = end;
    end += bytes_of(tensor, where_of(path, tensor.name));
    tensor.end = end;
  }
  header.checksums.assign(header.tensors.size(), 0);
  return header;
}

}  // namespace

SafetensorsReader::SafetensorsReader(const std::filesystem::path& path) : file_(path) {
  const std::string where = quoted_path(path);
  std::vector<std::byte> text(static_cast<std::size_t>(std::min<std::uint64_t>(8, file_.size())));
  file_.read_at(0, text);
  const std::uint64_t length = safetensors_header_bytes(text, file_.size(), where);
  text.resize(static_cast<std::size_t>(length));
  file_.read_at(8, text);
  data_ = 8 + length;
  header_ = parse_safetensors_header({reinterpret_cast<const char*>(text.data()), text.size()},
                                     file_.size() - data_, where);
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) index_[header_.tensors[i].name] = i;
}

const StoredTensor* SafetensorsReader::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &header_.tensors[found->second];
}

const StoredTensor& SafetensorsReader::at(std::string_view name) const {
  if (const StoredTensor* tensor = find(name)) return *tensor;
  throw environment_error(
      fmt::format("{} is missing, among {} tensors; the file belongs to another "
                  "config.json, or is only a part of the model",
                  where_of(path(), std::string(name)), tensors().size()));
}

const StoredTensor& SafetensorsReader::at(std::string_view name,
                                          const std::vector<std::int64_t>& shape) const {
  const StoredTensor& tensor = at(name);
  if (tensor.shape == shape) return tensor;
  StoredTensor wanted{.name = {}, .type = tensor.type, .shape = shape};
  throw environment_error(
      fmt::format("{} is {}, and the config wants {}; the file belongs to another "
                  "config.json",
                  where_of(path(), tensor.name), tensor.str(), wanted.str()));
}

/// Calls use(bytes, first element) for the tensor's bytes in order, a chunk at a time; then judges
/// the checksum.
template <class Use>
void SafetensorsReader::stream(const StoredTensor& tensor, std::size_t wanted, Use use) const {
  if (wanted != static_cast<std::size_t>(tensor.count())) {
    throw usage_error(fmt::format("{} is {}, and {} elements were asked for",
                                  where_of(path(), tensor.name), tensor.str(), wanted));
  }
  std::vector<std::byte> buffer(
      static_cast<std::size_t>(std::min<std::uint64_t>(chunk_bytes, tensor.end - tensor.begin)));
  std::uint32_t checksum = 0;
  for (std::uint64_t at = tensor.begin; at < tensor.end;) {
    const auto bytes = std::span(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), tensor.end - at)));
    file_.read_at(data_ + at, bytes);
    if (!header_.checksums.empty()) checksum = crc32c(bytes, checksum);
    use(std::span<const std::byte>(bytes),
        static_cast<std::size_t>((at - tensor.begin) / size_of(tensor.type)));
    at += bytes.size();
  }
  if (header_.checksums.empty()) return;
  const std::uint32_t said = header_.checksums[index_.find(tensor.name)->second];
  if (checksum != said) {
    throw environment_error(
        fmt::format("{} has checksum {:08x}, and the file says {:08x}; bits have "
                    "flipped: get the file again, or use an earlier checkpoint",
                    where_of(path(), tensor.name), checksum, said));
  }
}

void SafetensorsReader::read_bytes(const StoredTensor& tensor, std::span<std::byte> into) const {
  const std::size_t size = size_of(tensor.type);
  // Bytes that are no whole number of elements give a count that no tensor has.
  const std::size_t wanted = into.size() % size == 0 ? into.size() / size : std::size_t(-1);
  stream(tensor, wanted, [&](std::span<const std::byte> bytes, std::size_t first) {
    std::ranges::copy(bytes, into.begin() + static_cast<std::ptrdiff_t>(first * size));
  });
}

template <class T>
void SafetensorsReader::convert(const StoredTensor& tensor, std::span<T> into) const {
  const auto refuse = [&](const char* wanted) {
    return environment_error(fmt::format("{} is {}, wanted {}; convert the file",
                                         where_of(path(), tensor.name), tensor.str(), wanted));
  };
  stream(tensor, into.size(), [&](std::span<const std::byte> bytes, std::size_t first) {
    T* const to = into.data() + first;
    if constexpr (std::is_floating_point_v<T>) {
      switch (tensor.type) {
        case StoredType::f64:
          return convert_chunk<double>(bytes, to);
        case StoredType::f32:
          return convert_chunk<float>(bytes, to);
        case StoredType::bf16:
          return convert_chunk<bf16>(bytes, to);
        default:
          throw refuse("F64, F32 or BF16");
      }
    } else {
      switch (tensor.type) {
        case StoredType::i64: {
          std::vector<std::int64_t> wide(bytes.size() / 8);
          convert_chunk<std::int64_t>(bytes, wide.data());
          for (std::size_t i = 0; i < wide.size(); ++i) {
            if (!std::in_range<T>(wide[i])) {
              throw environment_error(
                  fmt::format("{}: element {} is {}, which does not fit 32 bits; "
                              "the file is damaged or not of this use",
                              where_of(path(), tensor.name), first + i, wide[i]));
            }
            to[i] = static_cast<T>(wide[i]);
          }
          return;
        }
        case StoredType::i32:
          return convert_chunk<std::int32_t>(bytes, to);
        case StoredType::u8:
          return convert_chunk<std::uint8_t>(bytes, to);
        default:
          throw refuse("I64, I32 or U8");
      }
    }
  });
}

void SafetensorsReader::read(const StoredTensor& t, std::span<float> into) const {
  convert(t, into);
}
void SafetensorsReader::read(const StoredTensor& t, std::span<double> into) const {
  convert(t, into);
}
void SafetensorsReader::read(const StoredTensor& t, std::span<std::int64_t> into) const {
  convert(t, into);
}
void SafetensorsReader::read(const StoredTensor& t, std::span<std::int32_t> into) const {
  convert(t, into);
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     const std::vector<StoredTensor>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : header_(lay_out(path, tensors, metadata)),
      data_(safetensors_header_text(header_).size()),
      file_(path, data_ + (header_.tensors.empty() ? 0 : header_.tensors.back().end)) {
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) {
    const std::string& name = header_.tensors[i].name;
    if (name.empty() || name == "__metadata__" || !progress_.emplace(name, Progress{i, 0}).second) {
      throw usage_error(
          fmt::format("{}: the name is empty, reserved or given twice; name it otherwise",
                      where_of(path, name)));
    }
  }
}

void SafetensorsWriter::append(std::string_view name, std::span<const std::byte> bytes) {
  const auto found = progress_.find(name);
  if (found == progress_.end()) {
    throw usage_error(fmt::format("{} was not announced; give it to the constructor",
                                  where_of(file_.path(), std::string(name))));
  }
  auto& [index, written] = found->second;
  const StoredTensor& tensor = header_.tensors[index];
  if (bytes.size() > tensor.end - tensor.begin - written) {
    throw usage_error(fmt::format("{} is {}, and {} bytes were written after {}",
                                  where_of(file_.path(), tensor.name), tensor.str(), bytes.size(),
                                  written));
  }
  file_.write_at(data_ + tensor.begin + written, bytes);
  header_.checksums[index] = crc32c(bytes, header_.checksums[index]);
  written += bytes.size();
}

void SafetensorsWriter::finish() {
  for (const auto& [name, progress] : progress_) {
    const StoredTensor& tensor = header_.tensors[progress.index];
    if (progress.written != tensor.end - tensor.begin) {
      throw usage_error(fmt::format("{} is {}, and only {} of its bytes were written",
                                    where_of(file_.path(), name), tensor.str(), progress.written));
    }
  }
  const std::string text = safetensors_header_text(header_);
  file_.write_at(0, std::as_bytes(std::span(text)));
  file_.commit();
}

}  // namespace triptych
