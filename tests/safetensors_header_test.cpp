// What a safetensors header can get wrong: each is one line that names the file, the tensor and the
// value. ctest: timeout=60 labels=sanitize
#include <gtest/gtest.h>

#include <string>

#include "expect_error.h"
#include "model/safetensors.h"
#include "temporary_folder.h"

namespace triptych {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;

/// A file of a header text and data, its length in front.
std::string file_text(const std::string& header, const std::string& data) {
  std::string text(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) text[i] = static_cast<char>(header.size() >> (8 * i));
  return text + header + data;
}

/// Reading a file of this content fails, naming the file and these parts.
void expect_refused(const std::string& content, std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(content.substr(0, 200));
  const TemporaryFolder folder;
  const std::string path = folder.write("m.safetensors", content);
  expect_error([&] { SafetensorsReader{path}; }, ErrorKind::environment, {"m.safetensors"});
  expect_error([&] { SafetensorsReader{path}; }, ErrorKind::environment, parts);
}

void expect_header_refused(const std::string& header, std::size_t data_bytes,
                           std::initializer_list<std::string_view> parts) {
  expect_refused(file_text(header, std::string(data_bytes, 'd')), parts);
}

TEST(SafetensorsHeader, RefusesForeignFiles) {
  expect_refused("", {"0 bytes", "too few"});
  expect_refused("PK\x03\x04 a zip file, as PyTorch writes", {"announce a header"});
  expect_refused(file_text("[1, 2]", ""), {"an array of 2"});
  expect_refused(file_text("{\"a\": ", ""), {"not JSON"});
  expect_refused(file_text("{}", "x"), {"1 bytes of data follow"});
  std::string huge = file_text("{}", "");
  huge[3] = 2;  // 2 + 2^25
  huge.resize(8 + 2 + (std::size_t{1} << 25), ' ');
  expect_refused(huge, {"its header has 33554434 bytes"});
}

TEST(SafetensorsHeader, RefusesWrongEntries) {
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return R"({"t": {"dtype": )" + dtype + R"(, "shape": )" + shape + R"(, "data_offsets": )" +
           offsets + "}}";
  };
  expect_header_refused(R"({"t": 3})", 0, {"tensor 't'", "it is 3"});
  expect_header_refused(R"({"": {}})", 0, {"name is empty"});
  expect_header_refused(R"({"t": {"shape": [1], "data_offsets": [0, 4]}})", 4,
                        {"'t'", "dtype is missing"});
  expect_header_refused(R"({"t": {"dtype": "F32", "data_offsets": [0, 4]}})", 4,
                        {"shape is missing"});
  expect_header_refused(R"({"t": {"dtype": "F32", "shape": [1]}})", 4, {"data_offsets is missing"});
  expect_header_refused(R"({"t": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "x": 1}})",
                        4, {"field 'x'"});
  expect_header_refused(entry("\"F16\"", "[2]", "[0, 4]"), 4, {"'F16'", "convert it to"});
  expect_header_refused(entry("7", "[2]", "[0, 4]"), 4, {"dtype is 7"});
  expect_header_refused(entry("\"F32\"", "2", "[0, 8]"), 8, {"shape is 2"});
  expect_header_refused(entry("\"F32\"", "[-2]", "[0, 8]"), 8, {"-2", "0 or more"});
  expect_header_refused(entry("\"F32\"", "[2.0]", "[0, 8]"), 8, {"2.0"});
  expect_header_refused(entry("\"F32\"", "[\"2\"]", "[0, 8]"), 8, {"'2'"});
  expect_header_refused(entry("\"F32\"", "[2]", "[0]"), 8, {"not an array of 2"});
  expect_header_refused(entry("\"F32\"", "[2]", "[0, -8]"), 8, {"-8"});
  expect_header_refused(entry("\"F32\"", "[2]", "[8, 0]"), 8, {"end before they begin"});
  expect_header_refused(entry("\"F32\"", "[2]", "[0, 12]"), 8, {"reach past the 8 bytes"});
  expect_header_refused(entry("\"F32\"", "[3]", "[0, 8]"), 8, {"hold 8 bytes", "F32 [3] needs 12"});
}

TEST(SafetensorsHeader, RefusesProductsThatOverflow) {
  for (const char* shape :
       {"[4611686018427387904, 4]", "[18446744073709551615]", "[9223372036854775807]",
        "[4294967296, 4294967296]", "[0, 9223372036854775808]",
        "[9223372036854775807, 9223372036854775807, 0]"}) {
    expect_header_refused(std::string(R"({"t": {"dtype": "F32", "shape": )") + shape +
                              R"(, "data_offsets": [0, 0]}})",
                          0, {"tensor 't'", "overflows"});
  }
}

TEST(SafetensorsHeader, RefusesHolesOverlapsAndDoubles) {
  const auto two = [](const std::string& first, const std::string& second, const char* name = "b") {
    return R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": )" + first + R"(}, ")" + name +
           R"(": {"dtype": "U8", "shape": [4], "data_offsets": )" + second + "}}";
  };
  expect_header_refused(two("[0, 4]", "[5, 9]"), 9, {"tensor 'b'", "begin at 5, after 4"});
  expect_header_refused(two("[0, 4]", "[2, 6]"), 6, {"tensor 'b'", "begin at 2, before 4"});
  expect_header_refused(two("[0, 4]", "[0, 4]"), 4, {"begin at 0, before 4"});
  expect_header_refused(two("[1, 5]", "[5, 9]"), 9, {"tensor 'a'", "begin at 1, after 0"});
  expect_header_refused(two("[0, 4]", "[4, 8]"), 9, {"1 bytes of data follow"});
  expect_header_refused(two("[0, 4]", "[4, 8]", "a"), 8, {"'a'", "twice"});
  expect_header_refused(R"({"__metadata__": 1})", 0, {"__metadata__ is 1"});
  expect_header_refused(R"({"__metadata__": {"k": 1}})", 0, {"field 'k' is 1"});
  expect_header_refused(R"({"__metadata__": {"triptych.crc32c": "00"}})", 0, {"crc32c"});
}

}  // namespace
}  // namespace triptych
