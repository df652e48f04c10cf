// ctest: timeout=120 labels=sanitize
// Tensor copies in im2col mode against the numbered pixels of bounding boxes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/emulator/tensor_expect.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("tensor_im2col");

struct Corners {
  std::array<std::int16_t, 3> lower, upper;
};
TensorMap columns(TensorType type, const std::vector<std::uint64_t>& extent, const Corners& corners, int channels, int pixels,
                  std::array<std::uint32_t, 5> step = {1, 1, 1, 1, 1}) {
  TensorMap map = dense(type, extent, std::vector<std::uint32_t>(extent.size(), 1));
  map.im2col = true;
  map.lower = corners.lower;
  map.upper = corners.upper;
  map.channels = static_cast<std::uint16_t>(channels);
  map.pixels = static_cast<std::uint16_t>(pixels);
  map.step = step;
  return map;
}

/// Convolutions in one, two and three dimensions: columns within an image, over the ends of rows and of images,
/// beyond the last one; filters of 3 with and without padding, with steps.
struct Example {
  TensorMap map;
  std::vector<Coordinates> starts;
  std::vector<Offsets> offsets;
};
std::vector<Example> examples() {
  const Corners padded = {{-1, -1, -1}, {-1, -1, -1}}, bare = {{0, 0, 0}, {-2, -2, -2}}, uneven = {{-2, 1, 0}, {1, -3, 1}};
  std::vector<Example> all;
  all.push_back({columns(TensorType::u8, {32, 10, 3}, padded, 16, 12), {{0, -1, 0}, {16, 5, 1}, {24, 3, 2}, {-8, 8, 2}}, {{0}, {2}, {1}}});
  all.push_back({columns(TensorType::f32, {20, 9, 7, 2}, padded, 8, 40), {{0, -1, -1, 0}, {7, 7, 4, 0}, {16, 3, 5, 1}}, {{0, 0}, {2, 1}, {1, 2}}});
  all.push_back({columns(TensorType::bf16, {64, 9, 14, 2}, bare, 32, 64), {{0, 0, 0, 0}, {32, 6, 7, 0}, {48, 2, 11, 1}}, {{2, 2}, {0, 1}}});
  all.push_back({columns(TensorType::f16, {16, 12, 9, 2}, uneven, 8, 30), {{0, -2, 1, 0}, {8, 12, 3, 1}}, {{0, 0}, {255, 3}}});
  all.push_back({columns(TensorType::f32, {16, 11, 9, 2}, padded, 16, 25, {1, 2, 3, 1, 1}), {{0, -1, -1, 0}, {0, 9, 2, 1}}, {{1, 1}, {2, 0}}});
  all.push_back({columns(TensorType::f64, {4, 4, 5, 3, 2}, padded, 2, 50), {{0, -1, -1, -1, 0}, {2, 2, 1, 1, 1}}, {{0, 1, 2}, {2, 2, 1}}});
  all.push_back({columns(TensorType::u16, {16, 5, 6, 4, 2}, bare, 8, 20, {1, 2, 1, 2, 1}), {{0, 2, 1, 0, 0}, {8, 0, 3, 0, 1}}, {{0, 0, 0}, {2, 1, 2}}});
  return all;
}

TEST(TensorIm2col, LoadsColumns) {
  for (Example& e : examples()) {
    for (const Coordinates& c : e.starts) {
      for (const Offsets& offsets : e.offsets) {
        ASSERT_NO_FATAL_FAILURE(expect_load(e.map, c, "shared::cluster", "", ".im2col", offsets));
        ASSERT_NO_FATAL_FAILURE(expect_load(e.map, c, "shared::cta", ".L2::cache_hint", ".im2col", offsets));
        ASSERT_NO_FATAL_FAILURE(expect_load(e.map, c, "shared::cluster", ".L2::cache_hint", ".im2col", offsets));
        if (e.map.type < TensorType::f16) continue;
        TensorMap filled = e.map;
        filled.nan_fill = true;
        ASSERT_NO_FATAL_FAILURE(expect_load(filled, c, "shared::cluster", "", ".im2col", offsets));
      }
    }
  }
}

TEST(TensorIm2col, Swizzles) {
  for (std::uint8_t mode = 1; mode <= 3; ++mode) {
    TensorMap map = columns(TensorType::bf16, {80, 9, 7, 2}, {{-1, -1}, {-1, -1}}, 8 << mode, 50);
    map.swizzle = mode;
    for (const Coordinates& c : {Coordinates{0, -1, -1, 0}, Coordinates{64, 3, 4, 1}}) {
      ASSERT_NO_FATAL_FAILURE(expect_load(map, c, "shared::cluster", "", ".im2col", {1, 2}));
      ASSERT_NO_FATAL_FAILURE(expect_store(map, c, "", [](std::uint8_t* to, const std::uint8_t* from) { std::memcpy(to, from, 2); }, "", ".im2col_no_offs"));
    }
  }
}

TEST(TensorIm2col, StoresColumns) {
  for (Example& e : examples()) {
    for (const Coordinates& c : e.starts) {
      const auto copy = [&](std::uint8_t* to, const std::uint8_t* from) { std::memcpy(to, from, e.map.element_bytes()); };
      ASSERT_NO_FATAL_FAILURE(expect_store(e.map, c, "", copy, "", ".im2col_no_offs"));
      ASSERT_NO_FATAL_FAILURE(expect_store(e.map, c, "", copy, ".L2::cache_hint", ".im2col_no_offs"));
    }
  }
}

TEST(TensorIm2col, Reduces) {
  using U = std::uint32_t;
  for (const std::vector<std::uint64_t>& extent : {std::vector<std::uint64_t>{8, 9, 2}, {8, 5, 4, 2}, {8, 4, 3, 2, 2}}) {
    const TensorMap map = columns(TensorType::u32, extent, {{-1, -1, -1}, {-1, -1, -1}}, 4, 20);
    const Coordinates c = {4, 0, 0, 0, 0};
    const auto expect = [&](const std::string& operation, const auto& f) {
      expect_store(map, c, operation, on<U>(f), operation == ".add" ? ".L2::cache_hint" : "", ".im2col_no_offs");
    };
    expect(".add", [](U a, U b) { return a + b; });
    expect(".min", [](U a, U b) { return std::min(a, b); });
    expect(".max", [](U a, U b) { return std::max(a, b); });
    expect(".inc", [](U a, U b) { return a >= b ? 0 : a + 1; });
    expect(".dec", [](U a, U b) { return a == 0 || a > b ? b : a - 1; });
    expect(".and", [](U a, U b) { return a & b; });
    expect(".or", [](U a, U b) { return a | b; });
    expect(".xor", [](U a, U b) { return a ^ b; });
  }
}

TEST(TensorIm2col, MulticastAndPrefetch) {
  for (Example& e : examples()) {
    const std::string at = fmt::format("[m, {}]", coordinates(e.map, e.starts[0])), offsets = offsets_of(e.map, e.offsets[0]);
    const std::string prefetch = fmt::format("@first cp.async.bulk.prefetch.tensor.{}d.L2.global.im2col", int{e.map.rank});
    std::string text = load_kernel(e.map, e.starts[0], "shared::cluster", ".multicast::cluster", ".im2col", e.offsets[0]);
    const std::string no_cta = "[room]" + offsets + ", 0;";
    text.replace(text.find(no_cta), no_cta.size(), "[room]" + offsets + ", 1;");
    text.insert(text.find("@first mbarrier.init"), fmt::format("{0} {1}{2};\n{0}.L2::cache_hint {1}{2}, 0;\n", prefetch, at, offsets));
    ASSERT_NO_FATAL_FAILURE(expect_loaded(text, e.map, e.starts[0], e.offsets[0]));
  }
}

TEST(TensorIm2col, RefusesWhatHasNoMeaning) {
  const auto fault = [](TensorMap map, const std::string& mode, const Offsets& offsets) {
    TensorMap written = map;
    written.im2col = mode == ".im2col";
    Program program(load_kernel(written, {0, 0, 0, 0}, "shared::cta", "", mode, offsets));
    map.address = program.buffer(Bytes(tensor_bytes(map)));
    return program.run("k", {put_map(program, map), program.buffer(Bytes(room(written)))}, shape_of(map));
  };
  TensorMap map = columns(TensorType::f32, {16, 9, 7, 2}, {{-1, -1}, {-1, -1}}, 16, 40);
  EXPECT_EQ(fault(map, ".im2col", {2, 255}), "");
  EXPECT_NE(fault(map, ".im2col", {2, 256}).find("an im2col offset of 256"), std::string::npos);
  EXPECT_NE(fault(map, "", {}).find("the map is for im2col"), std::string::npos);
  map.im2col = false;
  map.box = {16, 2, 2, 1, 1};
  EXPECT_NE(fault(map, ".im2col", {}).find("the map is for tiles"), std::string::npos);
}

}  // namespace
}  // namespace triptych::emulator::test
