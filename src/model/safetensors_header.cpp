#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "model/safetensors.h"
#include "model/strict_json.h"

namespace triptych {
namespace {

using nlohmann::json;

struct TypeName {
  StoredType type;
  const char* name;
  std::size_t size;
};

constexpr std::array type_names{
    TypeName{StoredType::f64, "F64", 8},   TypeName{StoredType::f32, "F32", 4},
    TypeName{StoredType::bf16, "BF16", 2}, TypeName{StoredType::f8_e4m3, "F8_E4M3", 1},
    TypeName{StoredType::i64, "I64", 8},   TypeName{StoredType::i32, "I32", 4},
    TypeName{StoredType::u8, "U8", 1}};

constexpr const char* damaged = "the file is damaged or not a safetensors file; get it again";
constexpr const char* checksum_key = "triptych.crc32c";

const TypeName& entry_of(StoredType type) {
  return *std::ranges::find(type_names, type, &TypeName::type);
}

/// Reads one tensor's entry; every error names the tensor.
class EntryReader {
 public:
  EntryReader(const std::string& name, const json& entry, const std::string& where)
      : name_(name), entry_(entry), where_(where) {}

  StoredTensor read(std::uint64_t data_bytes) const {
    if (name_.empty()) throw error("its name is empty");
    if (!entry_.is_object()) throw error(fmt::format("it is {}, not an object", shown(entry_)));
    for (const auto& [field, value] : entry_.items()) {
      if (field != "dtype" && field != "shape" && field != "data_offsets") {
        throw error(fmt::format("field {} is not of this format", quoted_text(field)));
      }
    }
    StoredTensor tensor{.name = name_, .type = type(), .shape = {}};
    const std::uint64_t bytes = read_shape(tensor);
    read_offsets(tensor, data_bytes);
    if (tensor.end - tensor.begin != bytes) {
      throw error(fmt::format("data_offsets [{}, {}] hold {} bytes, and {} needs {}", tensor.begin,
                              tensor.end, tensor.end - tensor.begin, tensor.str(), bytes));
    }
    return tensor;
  }

 private:
  Error error(const std::string& what, const char* remedy = damaged) const {
    return environment_error(
        fmt::format("{}: tensor {}: {}; {}", where_, quoted_text(name_), what, remedy));
  }

  const json& field(const char* field) const {
    const auto found = entry_.find(field);
    if (found == entry_.end()) throw error(fmt::format("{} is missing", field));
    return *found;
  }

  StoredType type() const {
    const json& value = field("dtype");
    if (!value.is_string()) throw error(fmt::format("dtype is {}, not a string", shown(value)));
    const auto& text = value.get_ref<const std::string&>();
    for (const TypeName& t : type_names) {
      if (text == t.name) return t.type;
    }
    throw error(fmt::format("dtype is {}, which is not read here", quoted_text(text)),
                "convert it to F64, F32, BF16, F8_E4M3, I64, I32 or U8");
  }

  /// Fills in the shape; returns the bytes it needs.
  std::uint64_t read_shape(StoredTensor& tensor) const {
    const json& value = field("shape");
    if (!value.is_array()) throw error(fmt::format("shape is {}, not an array", shown(value)));
    std::uint64_t bytes = size_of(tensor.type);
    bool empty = false;
    for (const json& extent : value) {
      const std::uint64_t n = number(extent, "an extent of its shape");
      if (n > std::numeric_limits<std::int64_t>::max()) throw overflow(extent);
      tensor.shape.push_back(static_cast<std::int64_t>(n));
      empty = empty || n == 0;
      // Zero extents are left out of the product, so that [2^63, 2^63, 0] is an error too.
      if (n != 0 && __builtin_mul_overflow(bytes, n, &bytes)) throw overflow(extent);
    }
    if (bytes > std::numeric_limits<std::int64_t>::max()) throw overflow(value);
    return empty ? 0 : bytes;
  }

  void read_offsets(StoredTensor& tensor, std::uint64_t data_bytes) const {
    const json& value = field("data_offsets");
    if (!value.is_array() || value.size() != 2) {
      throw error(fmt::format("data_offsets is {}, not an array of 2", shown(value)));
    }
    tensor.begin = number(value[0], "the first of data_offsets");
    tensor.end = number(value[1], "the second of data_offsets");
    if (tensor.begin > tensor.end) {
      throw error(
          fmt::format("data_offsets [{}, {}] end before they begin", tensor.begin, tensor.end));
    }
    if (tensor.end > data_bytes) {
      throw error(fmt::format("data_offsets [{}, {}] reach past the {} bytes of data", tensor.begin,
                              tensor.end, data_bytes),
                  "the file was cut or is damaged; get it again");
    }
  }

  std::uint64_t number(const json& value, const char* what) const {
    if (!value.is_number_unsigned()) {
      throw error(fmt::format("{} is {}, not a whole number of 0 or more", what, shown(value)));
    }
    return value.get<std::uint64_t>();
  }

  Error overflow(const json& value) const {
    return error(fmt::format("the product of its shape overflows at {}", shown(value)));
  }

  const std::string& name_;
  const json& entry_;
  const std::string& where_;
};

void read_metadata(SafetensorsHeader& header, const json& value, const std::string& where) {
  if (!value.is_object()) {
    throw environment_error(
        fmt::format("{}: __metadata__ is {}, not an object; {}", where, shown(value), damaged));
  }
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      throw environment_error(fmt::format("{}: __metadata__ field {} is {}, not a string; {}",
                                          where, quoted_text(key), shown(text), damaged));
    }
    header.metadata[key] = text.get<std::string>();
  }
}

/// The data must be covered once, from its first byte to its last.
void check_cover(const SafetensorsHeader& header, std::uint64_t data_bytes,
                 const std::string& where) {
  std::uint64_t covered = 0;
  for (const StoredTensor& tensor : header.tensors) {
    if (tensor.begin != covered) {
      throw environment_error(fmt::format(
          "{}: tensor {}: its data begin at {}, {} {}, where the tensor before it ends; {}", where,
          quoted_text(tensor.name), tensor.begin, tensor.begin > covered ? "after" : "before",
          covered, damaged));
    }
    covered = tensor.end;
  }
  if (covered != data_bytes) {
    throw environment_error(fmt::format("{}: {} bytes of data follow the last tensor; {}", where,
                                        data_bytes - covered, damaged));
  }
}

void read_checksums(SafetensorsHeader& header, const std::string& where) {
  const auto found = header.metadata.find(checksum_key);
  if (found == header.metadata.end()) return;
  const std::string& text = found->second;
  const bool hexadecimal = text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!hexadecimal || text.size() != 8 * header.tensors.size()) {
    throw environment_error(
        fmt::format("{}: __metadata__ field {} holds no 8 hexadecimal digits for "
                    "each of the {} tensors; {}",
                    where, quoted_text(checksum_key), header.tensors.size(), damaged));
  }
  for (std::size_t i = 0; i < text.size(); i += 8) {
    header.checksums.push_back(
        static_cast<std::uint32_t>(std::stoul(text.substr(i, 8), nullptr, 16)));
  }
  header.metadata.erase(found);
}

}  // namespace

std::size_t size_of(StoredType type) { return entry_of(type).size; }

const char* name_of(StoredType type) { return entry_of(type).name; }

StoredType stored_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return StoredType::f64;
    case DType::f32:
      return StoredType::f32;
    case DType::bf16:
      return StoredType::bf16;
    case DType::e4m3:
      return StoredType::f8_e4m3;
    case DType::i32:
      return StoredType::i32;
    case DType::e5m6:
      break;
  }
  throw usage_error(fmt::format("safetensors: dtype {} has no name in the format; cast it to bf16",
                                name_of(dtype)));
}

std::string StoredTensor::str() const {
  std::string text = name_of(type);
  text += " [";
  // A hostile shape may have a million extents; a message shows eight.
  for (std::size_t i = 0; i < shape.size() && i < 8; ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", shape[i]);
  }
  return text + (shape.size() > 8 ? ", ...]" : "]");
}

std::uint64_t safetensors_header_bytes(std::span<const std::byte> first, std::uint64_t file_bytes,
                                       const std::string& where) {
  if (file_bytes < 8 || first.size() < 8) {
    throw environment_error(fmt::format("{}: it has {} bytes, too few for a safetensors file; {}",
                                        where, file_bytes, damaged));
  }
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = (length << 8) | static_cast<std::uint64_t>(first[i]);
  if (length > file_bytes - 8) {
    throw environment_error(
        fmt::format("{}: it has {} bytes, and its first 8 announce a header of "
                    "{}; {}",
                    where, file_bytes, length, damaged));
  }
  if (length < 2 || length > safetensors_header_limit) {
    throw environment_error(fmt::format("{}: its header has {} bytes, and 2 to {} are read; {}",
                                        where, length, safetensors_header_limit, damaged));
  }
  return length;
}

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes,
                                           const std::string& where) {
  const json object = parse_strict_json(text, where + ": header", ErrorKind::environment, damaged);
  if (!object.is_object()) {
    throw environment_error(
        fmt::format("{}: its header is {}, not an object; {}", where, shown(object), damaged));
  }
  SafetensorsHeader header;
  for (const auto& [name, entry] : object.items()) {
    if (name == "__metadata__") {
      read_metadata(header, entry, where);
    } else {
      header.tensors.push_back(EntryReader(name, entry, where).read(data_bytes));
    }
  }
  std::ranges::stable_sort(header.tensors, [](const StoredTensor& a, const StoredTensor& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  check_cover(header, data_bytes, where);
  read_checksums(header, where);
  return header;
}

std::string safetensors_header_text(const SafetensorsHeader& header) {
  nlohmann::ordered_json object;
  nlohmann::ordered_json& metadata = object["__metadata__"];
  metadata = nlohmann::ordered_json::object();
  for (const auto& [key, text] : header.metadata) metadata[key] = text;
  if (!header.checksums.empty()) {
    std::string digits;
    for (const std::uint32_t checksum : header.checksums) digits += fmt::format("{:08x}", checksum);
    metadata[checksum_key] = digits;
  }
  for (const StoredTensor& tensor : header.tensors) {
    object[tensor.name] = {{"dtype", name_of(tensor.type)},
                           {"shape", tensor.shape},
                           {"data_offsets", {tensor.begin, tensor.end}}};
  }
  std::string text(8, '\0');
  text += object.dump();
  text.resize((text.size() + 63) / 64 * 64, ' ');
  for (std::size_t i = 0; i < 8; ++i) text[i] = static_cast<char>((text.size() - 8) >> (8 * i));
  return text;
}

}  // namespace triptych
