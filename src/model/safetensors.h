/// \file
/// The safetensors format: reading and writing, with every claim of a file checked before it is
/// used.
///
/// A file is 8 bytes, little-endian: the header's length n; n bytes of JSON,
/// {"__metadata__": {string: string}, name: {"dtype", "shape", "data_offsets": [begin, end]}, …};
/// then the data, to which the offsets are relative. Docs: docs/files.md.
/// Source: the format's description in the repository huggingface/safetensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/file_io.h"
#include "triptych/dtype.h"

namespace triptych {

/// Element types of a safetensors file that are read and written here.
enum class StoredType : std::uint8_t { f64, f32, bf16, f8_e4m3, i64, i32, u8 };

/// Bytes of one element.
std::size_t size_of(StoredType type);
/// The format's name of the type: "F64", "F32", "BF16", "F8_E4M3", "I64", "I32", "U8".
const char* name_of(StoredType type);
/// The stored type of a contract's dtype; e5m6 has none (throws Error).
StoredType stored_type(DType dtype);

/// One tensor as a header describes it, row-major and little-endian.
struct StoredTensor {
  std::string name;
  StoredType type = StoredType::f32;
  std::vector<std::int64_t> shape;  ///< [] is one element
  std::uint64_t begin = 0;          ///< first byte, counted from the end of the header
  std::uint64_t end = 0;            ///< one past the last

  std::int64_t count() const { return static_cast<std::int64_t>((end - begin) / size_of(type)); }
  /// "F32 [128, 256]"
  std::string str() const;
};

/// What a header says.
struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;  ///< in the order of the data
  std::map<std::string, std::string> metadata;
  /// CRC-32C of each tensor's bytes, in the order of `tensors`; empty if the file carries none.
  std::vector<std::uint32_t> checksums;
};

/// A header longer than this is refused (a model with 10,000 experts' matrices needs some 2 MB).
inline constexpr std::uint64_t safetensors_header_limit = std::uint64_t{16} << 20;

/// The header's length from a file's first 8 bytes. Throws Error (environment) naming `where`
/// unless 2 <= n <= safetensors_header_limit and 8 + n <= file_bytes.
std::uint64_t safetensors_header_bytes(std::span<const std::byte> first, std::uint64_t file_bytes,
                                       const std::string& where);

/// Parses and checks a header whose data has `data_bytes` bytes: JSON without duplicate names;
/// known dtypes; shapes of non-negative extents whose product times the element size does not
/// overflow and equals end - begin; data that the tensors cover from the first byte to the last
/// with no hole and no overlap. Throws Error (environment), one line naming `where`, the tensor,
/// the value and the remedy.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes,
                                           const std::string& where);

/// The 8 bytes and the JSON, padded with spaces to a multiple of 64 bytes.
/// REQUIRES: tensors laid out without holes; names and metadata in UTF-8.
std::string safetensors_header_text(const SafetensorsHeader& header);

/// A safetensors file open for reading. The constructor checks the header whole; memory is the
/// header's and one small buffer, however large the file is.
class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::vector<StoredTensor>& tensors() const { return header_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  /// nullptr if there is no such tensor.
  const StoredTensor* find(std::string_view name) const;
  /// Throws Error (environment) if there is no such tensor.
  const StoredTensor& at(std::string_view name) const;
  /// The same, and its shape must be the given one.
  const StoredTensor& at(std::string_view name, const std::vector<std::int64_t>& shape) const;

  /// A whole tensor's bytes as they are. REQUIRES: into.size() == end - begin; the tensor is one of
  /// tensors(). Throws Error if the file was cut since, or if the bytes do not have the checksum
  /// that the file carries for them: a bit has flipped.
  void read_bytes(const StoredTensor& tensor, std::span<std::byte> into) const;
  /// A whole tensor as numbers, checked likewise. F32, F64 and BF16 become float (to nearest) or
  /// double; I64, I32 and U8 become int64 or int32. Throws Error for another type, or for an
  /// integer that does not fit. REQUIRES: into.size() == tensor.count().
  void read(const StoredTensor& tensor, std::span<float> into) const;
  void read(const StoredTensor& tensor, std::span<double> into) const;
  void read(const StoredTensor& tensor, std::span<std::int64_t> into) const;
  void read(const StoredTensor& tensor, std::span<std::int32_t> into) const;

 private:
  template <class T>
  void convert(const StoredTensor& tensor, std::span<T> into) const;
  template <class Use>
  void stream(const StoredTensor& tensor, std::size_t wanted, Use use) const;

  InputFile file_;
  SafetensorsHeader header_;
  std::uint64_t data_ = 0;  // offset of the data in the file
  std::map<std::string, std::size_t, std::less<>> index_;
};

/// A safetensors file in the making. It appears under its name when finish() has returned, complete
/// and on the disk; before that, what bore the name stays as it was (OutputFile).
class SafetensorsWriter {
 public:
  /// Names, types and shapes of all tensors are given first (begin and end are computed here), so
  /// that the data can be streamed. Larger element types come first in the file: every tensor is
  /// aligned. `metadata` is written beside {"format": "pt"}, without which transformers refuses the
  /// file. Throws Error (usage) for a name given twice or empty or a negative extent, Error
  /// (environment) if the file cannot be made or the disk has no room for it.
  SafetensorsWriter(const std::filesystem::path& path, const std::vector<StoredTensor>& tensors,
                    const std::map<std::string, std::string>& metadata = {});

  /// The next bytes of a tensor; tensors may be written in any order, each from its start to its
  /// end.
  void append(std::string_view name, std::span<const std::byte> bytes);
  template <class T>
  void append(std::string_view name, std::span<const T> values) {
    append(name, std::as_bytes(values));
  }
  /// Writes the header with the checksums and commits the file. REQUIRES: every tensor is complete.
  void finish();

 private:
  struct Progress {
    std::size_t index = 0;
    std::uint64_t written = 0;
  };

  SafetensorsHeader header_;
  std::uint64_t data_ = 0;
  OutputFile file_;
  std::map<std::string, Progress, std::less<>> progress_;
};

}  // namespace triptych
