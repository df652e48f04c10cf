// The safetensors format: reading, writing, and everything a file can get wrong.
// ctest: timeout=60 labels=sanitize
#include "model/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "expect_error.h"
#include "file_limit.h"
#include "temporary_folder.h"

namespace triptych {
namespace {

namespace fs = std::filesystem;
using testing::content_of;
using testing::expect_error;
using testing::TemporaryFolder;

StoredTensor tensor(const char* name, StoredType type, std::vector<std::int64_t> shape) {
  return {.name = name, .type = type, .shape = std::move(shape)};
}

/// Reading a file of this content fails, naming the file and these parts.
void expect_refused(const std::string& content, std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(content.substr(0, 200));
  const TemporaryFolder folder;
  const std::string path = folder.write("m.safetensors", content);
  expect_error([&] { SafetensorsReader{path}; }, ErrorKind::environment, {"m.safetensors"});
  expect_error([&] { SafetensorsReader{path}; }, ErrorKind::environment, parts);
}

TEST(Safetensors, WritesAndReadsEveryType) {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.safetensors";
  const std::vector<float> f32 = {1.5f, -2.0f, 0x1p-149f, std::numeric_limits<float>::infinity(),
                                  0,    3};
  const std::vector<double> f64 = {0.1, -1e300};
  const std::vector<bf16> b16 = {bf16(1.0f), bf16(-3.5f), bf16(1e30f)};
  const std::vector<std::int64_t> i64 = {-1, std::int64_t{1} << 40};
  const std::vector<std::int32_t> i32 = {7};
  const std::vector<std::uint8_t> u8 = {0, 255, 9};
  const std::vector<e4m3> f8 = {e4m3(448.0f), e4m3(-0.5f)};
  {
    SafetensorsWriter writer(
        path,
        {tensor("b", StoredType::bf16, {3}), tensor("f", StoredType::f32, {2, 3}),
         tensor("d", StoredType::f64, {2}), tensor("l", StoredType::i64, {2, 1}),
         tensor("i", StoredType::i32, {}), tensor("u", StoredType::u8, {3}),
         tensor("q", StoredType::f8_e4m3, {1, 2}), tensor("empty", StoredType::f32, {0, 5})},
        {{"step", "7"}});
    writer.append<std::uint8_t>("u", u8);
    writer.append<float>("f", std::span(f32).first(1));
    writer.append<float>("f", std::span(f32).subspan(1));
    writer.append<bf16>("b", b16);
    writer.append<double>("d", f64);
    writer.append<std::int64_t>("l", i64);
    writer.append<std::int32_t>("i", i32);
    writer.append<e4m3>("q", f8);
    EXPECT_FALSE(fs::exists(path));
    writer.finish();
  }
  const SafetensorsReader reader(path);
  EXPECT_EQ(reader.tensors().size(), 8u);
  EXPECT_EQ(reader.metadata(),
            (std::map<std::string, std::string>{{"format", "pt"}, {"step", "7"}}));
  std::vector<float> floats(6);
  reader.read(reader.at("f", {2, 3}), std::span(floats));
  EXPECT_EQ(floats, f32);
  std::vector<double> doubles(2);
  reader.read(reader.at("d"), std::span(doubles));
  EXPECT_EQ(doubles, f64);
  doubles.resize(3);
  reader.read(reader.at("b"), std::span(doubles));
  EXPECT_EQ(doubles, (std::vector<double>{1, -3.5, static_cast<float>(bf16(1e30f))}));
  std::vector<std::int64_t> whole(2);
  reader.read(reader.at("l"), std::span(whole));
  EXPECT_EQ(whole, i64);
  std::vector<std::int32_t> small(3);
  reader.read(reader.at("u"), std::span(small));
  EXPECT_EQ(small, (std::vector<std::int32_t>{0, 255, 9}));
  std::vector<std::byte> raw(2);
  reader.read_bytes(reader.at("q"), raw);
  EXPECT_EQ(std::memcmp(raw.data(), f8.data(), 2), 0);
  reader.read(reader.at("empty"), std::span<float>());
  for (const StoredTensor& t : reader.tensors()) EXPECT_EQ(t.begin % size_of(t.type), 0u) << t.name;
  EXPECT_EQ(reader.find("none"), nullptr);
}

TEST(Safetensors, AHugeTensorStreamsInSmallPieces) {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.safetensors";
  std::vector<float> values(300001);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 0.5f;
  SafetensorsWriter writer(path, {tensor("x", StoredType::f32, {300001})});
  for (std::size_t i = 0; i < values.size(); i += 777) {
    writer.append<float>(
        "x", std::span(values).subspan(i, std::min<std::size_t>(777, values.size() - i)));
  }
  writer.finish();
  const SafetensorsReader reader(path);
  std::vector<float> read(values.size());
  reader.read(reader.at("x"), std::span(read));
  EXPECT_EQ(read, values);
}

TEST(Safetensors, ReadsWhatTransformersWrote) {
  const SafetensorsReader model(TRIPTYCH_SOURCE_DIR "/tests/golden/base/model.safetensors");
  EXPECT_EQ(model.metadata().at("format"), "pt");
  const StoredTensor& gate = model.at("model.layers.1.mlp.experts.7.gate_proj.weight", {10, 24});
  std::vector<float> values(240);
  model.read(gate, std::span(values));
  for (const float v : values) EXPECT_TRUE(std::isfinite(v));
  const SafetensorsReader golden(TRIPTYCH_SOURCE_DIR "/tests/golden/base/golden.safetensors");
  double loss = 0;
  golden.read(golden.at("loss", {}), std::span(&loss, 1));
  EXPECT_NEAR(loss, 4.500300363226393, 1e-15);
  const SafetensorsReader none(TRIPTYCH_SOURCE_DIR "/tests/golden/no_shared/model.safetensors");
  EXPECT_EQ(none.at("model.layers.1.mlp.shared_experts.up_proj.weight", {0, 24}).count(), 0);
}

TEST(Safetensors, EveryTruncationIsFound) {
  const std::string whole =
      content_of(TRIPTYCH_SOURCE_DIR "/tests/golden/dense/golden.safetensors");
  for (std::size_t size = 0; size < whole.size(); size += size < 16 ? 1 : 4099) {
    expect_refused(whole.substr(0, size), {"get it again"});
  }
  expect_refused(whole + '\0', {"1 bytes of data follow"});
}

TEST(Safetensors, EveryFlippedBitIsFound) {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.safetensors";
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  SafetensorsWriter writer(
      path, {tensor("a", StoredType::f32, {2, 2}), tensor("b", StoredType::f32, {2})},
      {{"seed", "1"}});
  writer.append<float>("a", std::span(values).first(4));
  writer.append<float>("b", std::span(values).last(2));
  writer.finish();
  const std::string whole = content_of(path);
  const auto read = [&](const std::string& content) {
    const SafetensorsReader reader(folder.write("flipped", content));
    std::vector<float> all(6);
    reader.read(reader.at("a", {2, 2}), std::span(all).first(4));
    reader.read(reader.at("b", {2}), std::span(all).last(2));
    return std::pair(all, reader.metadata());
  };
  const auto intact = read(whole);
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    try {
      // Nothing but the free text of the metadata may change unseen.
      EXPECT_EQ(read(flipped).first, intact.first) << "bit " << bit;
      EXPECT_NE(read(flipped).second, intact.second) << "bit " << bit;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  }
  std::string last = whole;
  last.back() = static_cast<char>(last.back() ^ 1);
  expect_error([&] { read(last); }, ErrorKind::environment,
               {"flipped'", "tensor 'b'", "checksum", "earlier checkpoint"});
}

TEST(Safetensors, ReadingAsksForTheRightThing) {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.safetensors";
  SafetensorsWriter writer(path,
                           {tensor("l", StoredType::i64, {2}), tensor("f", StoredType::f32, {1})});
  writer.append<std::int64_t>("l", std::vector<std::int64_t>{1, std::int64_t{1} << 31});
  writer.append<float>("f", std::vector<float>{1});
  writer.finish();
  const SafetensorsReader reader(path);
  std::vector<std::int32_t> ints(2);
  std::vector<float> floats(2);
  expect_error([&] { reader.at("x"); }, ErrorKind::environment, {"'x'", "missing", "config.json"});
  expect_error([&] { reader.at("f", {2, 3}); }, ErrorKind::environment, {"F32 [1]", "F32 [2, 3]"});
  expect_error([&] { reader.read(reader.at("l"), std::span(ints)); }, ErrorKind::environment,
               {"element 1 is 2147483648"});
  expect_error([&] { reader.read(reader.at("l"), std::span(floats)); }, ErrorKind::environment,
               {"I64 [2]", "wanted F64, F32 or BF16"});
  expect_error([&] { reader.read(reader.at("f"), std::span(floats)); }, ErrorKind::usage,
               {"2 elements"});
  expect_error([&] { reader.read(reader.at("f"), std::span(ints).first(1)); },
               ErrorKind::environment, {"wanted I64, I32 or U8"});
}

TEST(Safetensors, WritingAsksForTheRightThing) {
  const TemporaryFolder folder;
  const fs::path path = folder / "m.safetensors";
  using Tensors = std::vector<StoredTensor>;
  const auto make = [&](const Tensors& tensors) { SafetensorsWriter writer(path, tensors); };
  const StoredTensor f = tensor("f", StoredType::f32, {2});
  expect_error([&] { make({f, f}); }, ErrorKind::usage, {"'f'", "given twice"});
  expect_error([&] { make({tensor("", StoredType::f32, {2})}); }, ErrorKind::usage, {"empty"});
  expect_error([&] { make({tensor("f", StoredType::f32, {-2})}); }, ErrorKind::usage, {"F32 [-2]"});
  const std::int64_t large = std::int64_t{1} << 40;
  expect_error(
      [&] {
        make({tensor("f", StoredType::f32, {large, large})});
      },
      ErrorKind::usage, {"no size"});
  SafetensorsWriter writer(path, {f});
  const std::vector<float> three(3);
  expect_error([&] { writer.append<float>("g", three); }, ErrorKind::usage,
               {"'g'", "not announced"});
  expect_error([&] { writer.append<float>("f", three); }, ErrorKind::usage, {"12 bytes"});
  writer.append<float>("f", std::span(three).first(1));
  expect_error([&] { writer.finish(); }, ErrorKind::usage, {"only 4 of its bytes"});
  EXPECT_FALSE(fs::exists(path));
  expect_error([] { stored_type(DType::e5m6); }, ErrorKind::usage, {"e5m6", "bf16"});
}

TEST(Safetensors, AFullDiskLeavesTheOldFile) {
  const TemporaryFolder folder;
  const fs::path path = folder.write("m.safetensors", "old");
  const testing::FileLimit limit(1000);
  expect_error([&] { SafetensorsWriter(path, {tensor("f", StoredType::f32, {1000})}); },
               ErrorKind::environment, {"m.safetensors", "File too large", "ulimit -f"});
  EXPECT_EQ(content_of(path), "old");
  EXPECT_FALSE(fs::exists(folder / "m.safetensors.tmp"));
}

}  // namespace
}  // namespace triptych
