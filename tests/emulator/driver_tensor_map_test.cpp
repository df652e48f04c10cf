// Tensor maps through the Driver API, whose library is found at run time as a program's would be: a map is a
// kernel's parameter, its box arrives in shared memory, and what cuda.h forbids is refused.
// ctest: timeout=60 needs=triptych_emulator_driver
#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "driver_api.h"

namespace triptych::emulator::test {
namespace {

constexpr int u16 = 1, f32 = 7;  // CUtensorMapDataType

struct alignas(64) Map {
  std::array<std::uint64_t, 16> opaque{};
};

/// The arguments of cuTensorMapEncodeTiled: a matrix of 10 rows of 24 u16, a box of 4 rows of 16.
struct Arguments {
  int type = u16;
  std::uint32_t rank = 2;
  std::uint64_t address = 0;
  std::vector<std::uint64_t> extents = {24, 10, 3}, strides = {64, 640};
  std::vector<std::uint32_t> box = {16, 4, 1}, steps = {1, 1, 1};
  int interleave = 0, swizzle = 0, promotion = 0, fill = 0;

  int encode(Map& map) const {
    return cu("cuTensorMapEncodeTiled", static_cast<void*>(&map), type, rank, reinterpret_cast<void*>(address),
              extents.data(), strides.data(), box.data(), steps.data(), interleave, swizzle, promotion, fill);
  }
};

/// Those of cuTensorMapEncodeIm2col: two images of 9 · 7 pixels of 24 u16, columns of 10 pixels of 8.
struct ColumnArguments {
  int type = u16;
  std::uint32_t rank = 4;
  std::uint64_t address = 0;
  std::vector<std::uint64_t> extents = {24, 9, 7, 2, 1}, strides = {64, 576, 4032, 8064};
  std::vector<int> lower = {-1, -1, 0}, upper = {-1, -1, 0};
  std::uint32_t channels = 8, pixels = 10;
  std::vector<std::uint32_t> steps = {1, 1, 1, 1, 1};
  int interleave = 0, swizzle = 0, promotion = 0, fill = 0;

  int encode(Map& map) const {
    return cu("cuTensorMapEncodeIm2col", static_cast<void*>(&map), type, rank, reinterpret_cast<void*>(address),
              extents.data(), strides.data(), lower.data(), upper.data(), channels, pixels, steps.data(), interleave,
              swizzle, promotion, fill);
  }
};

/// LOAD stands for the copy.
constexpr std::string_view copy_box = R"(
.version 8.0
.target sm_90
.address_size 64
.visible .entry copy(.param .align 64 .b8 map[128], .param .u64 to, .param .u32 column, .param .u32 row)
{
.shared .align 128 .b8 box[128];
.shared .align 8 .b64 full;
.reg .b32 x, y, b, f, s, v, t; .reg .b64 m, g; .reg .pred first, done;
mov.u32 t, %tid.x;
mov.u32 b, box;
mov.u32 f, full;
mov.b64 m, map;
cvta.param.u64 m, m;
ld.param.u64 g, [to];
ld.param.u32 x, [column];
ld.param.u32 y, [row];
setp.eq.u32 first, t, 0;
@first mbarrier.init.shared.b64 [f], 1;
@first fence.proxy.async.shared::cta;
bar.sync 0;
@first mbarrier.arrive.expect_tx.shared.b64 _, [f], 128;
@first LOAD;
WAIT:
mbarrier.try_wait.parity.shared.b64 done, [f], 0;
@!done bra WAIT;
mad.lo.u32 s, t, 4, b;
ld.shared.u32 v, [s];
mad.wide.u32 g, t, 4, g;
st.global.u32 [g], v;
ret;
}
)";

class DriverTensorMap : public DriverTest {
 protected:
  /// The 128 bytes that a copy brings, as a kernel with these coordinates executes it.
  std::array<std::uint16_t, 64> box_of(Map& map, std::string_view load, int column, int row) {
    std::string text(copy_box);
    text.replace(text.find("LOAD"), 4, load);
    void *module = nullptr, *copy = nullptr;
    EXPECT_EQ(cu("cuModuleLoadData", &module, static_cast<const void*>(text.c_str())), success);
    EXPECT_EQ(cu("cuModuleGetFunction", &copy, module, "copy"), success);
    std::uint64_t to = allocate(128);
    void* parameters[] = {&map, &to, &column, &row};
    EXPECT_EQ(cu("cuLaunchKernel", copy, 1u, 1u, 1u, 32u, 1u, 1u, 0u, static_cast<void*>(nullptr),
                 static_cast<void**>(parameters), static_cast<void**>(nullptr)),
              success);
    std::array<std::uint16_t, 64> box{};
    EXPECT_EQ(cu("cuMemcpyDtoH_v2", static_cast<void*>(box.data()), to, sizeof box), success);
    cu("cuModuleUnload", module);
    return box;
  }
};

TEST_F(DriverTensorMap, ABoxArrives) {
  std::vector<std::uint16_t> matrix(320);  // rows of 64 bytes, of which 48 are the tensor's
  for (std::size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<std::uint16_t>(i + 1);
  Arguments a;
  a.address = allocate(640);
  ASSERT_EQ(cu("cuMemcpyHtoD_v2", a.address, static_cast<const void*>(matrix.data()), std::size_t{640}), success);
  Map map;
  ASSERT_EQ(a.encode(map), success);
  for (const auto& [column, row] : std::vector<std::pair<int, int>>{{0, 0}, {8, 3}, {-8, 8}, {16, -2}}) {
    const auto box = box_of(map, "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [b], [m, {x, y}], [f]", column, row);
    for (int i = 0; i < 64; ++i) {
      const int r = row + i / 16, c = column + i % 16;
      const bool inside = r >= 0 && r < 10 && c >= 0 && c < 24;
      EXPECT_EQ(box[static_cast<std::size_t>(i)], inside ? matrix[static_cast<std::size_t>(r * 32 + c)] : 0)
          << "row " << r << ", column " << c;
    }
  }
}

TEST_F(DriverTensorMap, AColumnOfPixelsArrives) {
  std::vector<std::uint16_t> images(2 * 4032 / 2);   // rows of 9 pixels of 32, of which 24 are the tensor's
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint16_t>(i + 1);
  ColumnArguments a;
  a.pixels = 8;
  a.address = allocate(8064);
  ASSERT_EQ(cu("cuMemcpyHtoD_v2", a.address, static_cast<const void*>(images.data()), std::size_t{8064}), success);
  Map map;
  ASSERT_EQ(a.encode(map), success);
  const auto box = box_of(map, "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [b], [m, {16, x, y, 0}], [f], {2, 1}", 4, 5);
  // The bounding box is -1 … 7 by -1 … 5: four pixels end its last row, and four begin the next image.
  for (int i = 0; i < 64; ++i) {
    const int pixel = i / 8, image = pixel < 4 ? 0 : 1;
    const int x = (image == 0 ? 4 + pixel : pixel - 5) + 2, y = (image == 0 ? 5 : -1) + 1;
    const bool inside = x >= 0 && x < 9 && y >= 0 && y < 7;
    const int at = ((image * 7 + y) * 9 + x) * 32 + 16 + i % 8;
    EXPECT_EQ(box[static_cast<std::size_t>(i)], inside ? images[static_cast<std::size_t>(at)] : 0) << i;
  }
}

TEST_F(DriverTensorMap, ColumnsThatTheDeviceCannotCopyAreRefused) {
  ColumnArguments good;
  good.address = allocate(8064);
  const auto expect = [&](int result, const char* what, const std::function<void(ColumnArguments&)>& change) {
    ColumnArguments other = good;
    change(other);
    Map map;
    EXPECT_EQ(other.encode(map), result) << what;
  };
  expect(success, "as it is", [](ColumnArguments&) {});
  expect(success, "three dimensions, far corners", [](ColumnArguments& a) { a.rank = 3, a.lower[0] = -32768, a.upper[0] = 32767; });
  expect(success, "five dimensions, far corners", [](ColumnArguments& a) { a.rank = 5, a.lower = {-16, -16, -16}, a.upper = {15, 15, 15}; });
  expect(success, "256 channels", [](ColumnArguments& a) { a.channels = 256; });
  expect(success, "1024 pixels", [](ColumnArguments& a) { a.pixels = 1024; });
  expect(invalid_value, "two dimensions", [](ColumnArguments& a) { a.rank = 2; });
  expect(invalid_value, "a corner beyond 16 bits", [](ColumnArguments& a) { a.rank = 3, a.lower[0] = -32769; });
  expect(invalid_value, "a corner beyond 8 bits", [](ColumnArguments& a) { a.upper[1] = 128; });
  expect(invalid_value, "a corner beyond 5 bits", [](ColumnArguments& a) { a.rank = 5, a.lower[2] = -17; });
  expect(invalid_value, "an empty bounding box", [](ColumnArguments& a) { a.lower[0] = 3, a.upper[0] = -6; });
  expect(success, "a bounding box of one pixel a row", [](ColumnArguments& a) { a.lower[0] = 3, a.upper[0] = -5; });
  expect(invalid_value, "no channel", [](ColumnArguments& a) { a.channels = 0; });
  expect(invalid_value, "257 channels", [](ColumnArguments& a) { a.channels = 257; });
  expect(invalid_value, "channels of 24 bytes", [](ColumnArguments& a) { a.channels = 12; });
  expect(invalid_value, "more channels than the swizzle has", [](ColumnArguments& a) { a.channels = 24, a.swizzle = 1; });
  expect(invalid_value, "no pixel", [](ColumnArguments& a) { a.pixels = 0; });
  expect(invalid_value, "1025 pixels", [](ColumnArguments& a) { a.pixels = 1025; });
  expect(invalid_value, "a step of 9", [](ColumnArguments& a) { a.steps[1] = 9; });
  expect(invalid_value, "a stride that is no multiple of 16", [](ColumnArguments& a) { a.strides[1] = 568; });
}

TEST_F(DriverTensorMap, WhatTheDeviceCannotCopyIsRefused) {
  Arguments good;
  good.address = allocate(2048);
  Map map;
  ASSERT_EQ(good.encode(map), success);
  const auto refused = [&](const char* what, const std::function<void(Arguments&)>& change) {
    Arguments bad = good;
    change(bad);
    EXPECT_EQ(bad.encode(map), invalid_value) << what;
  };
  const auto taken = [&](const char* what, const std::function<void(Arguments&)>& change) {
    Arguments other = good;
    change(other);
    EXPECT_EQ(other.encode(map), success) << what;
  };
  refused("an address between 16 bytes", [](Arguments& a) { a.address += 8; });
  refused("no dimension", [](Arguments& a) { a.rank = 0; });
  refused("six dimensions", [](Arguments& a) { a.rank = 6; });
  refused("a type of a later device", [](Arguments& a) { a.type = 13; });
  refused("an extent of 0", [](Arguments& a) { a.extents[1] = 0; });
  refused("an extent beyond 2^32", [](Arguments& a) { a.extents[1] = (1ull << 32) + 1; });
  taken("an extent of 2^32", [](Arguments& a) { a.extents[1] = 1ull << 32; });
  refused("a stride that is no multiple of 16", [](Arguments& a) { a.strides[0] = 56; });
  refused("a stride of 2^40", [](Arguments& a) { a.strides[0] = 1ull << 40; });
  refused("a box of 0", [](Arguments& a) { a.box[1] = 0; });
  refused("a box of 257", [](Arguments& a) { a.box[1] = 257; });
  taken("a box of 256", [](Arguments& a) { a.box[1] = 256; });
  refused("rows of 24 bytes", [](Arguments& a) { a.box[0] = 12; });
  refused("a step of 0", [](Arguments& a) { a.steps[1] = 0; });
  refused("a step of 9", [](Arguments& a) { a.steps[1] = 9; });
  taken("a first step that means nothing", [](Arguments& a) { a.steps[0] = 9; });
  taken("rows as long as the swizzle", [](Arguments& a) { a.swizzle = 1; });
  refused("rows longer than the swizzle", [](Arguments& a) { a.swizzle = 1, a.box[0] = 24; });
  refused("a swizzle of a later device", [](Arguments& a) { a.swizzle = 4; });
  refused("a promotion that is none", [](Arguments& a) { a.promotion = 4; });
  refused("NaN among integers", [](Arguments& a) { a.fill = 1; });
  taken("NaN among numbers", [](Arguments& a) { a.fill = 1, a.type = f32, a.box[0] = 8; });
  refused("a fill that is none", [](Arguments& a) { a.fill = 2, a.type = f32, a.box[0] = 8; });
  refused("interleaved rows of a matrix", [](Arguments& a) { a.interleave = 1; });
  taken("interleaved rows of three dimensions", [](Arguments& a) { a.interleave = 1, a.rank = 3; });
  refused("32 bytes interleaved without their swizzle", [](Arguments& a) { a.interleave = 2, a.rank = 3; });
}

TEST_F(DriverTensorMap, AnAddressIsReplaced) {
  Arguments a;
  a.address = allocate(640);
  const std::uint64_t other = allocate(640);
  Map map, wanted;
  ASSERT_EQ(a.encode(map), success);
  const Map before = map;
  EXPECT_EQ(cu("cuTensorMapReplaceAddress", static_cast<void*>(&map), reinterpret_cast<void*>(other + 8)), invalid_value);
  EXPECT_EQ(map.opaque, before.opaque) << "a refused call changes nothing";
  EXPECT_EQ(cu("cuTensorMapReplaceAddress", static_cast<void*>(&map), reinterpret_cast<void*>(other)), success);
  a.address = other;
  ASSERT_EQ(a.encode(wanted), success);
  EXPECT_EQ(map.opaque, wanted.opaque);
  Map none;
  EXPECT_EQ(cu("cuTensorMapReplaceAddress", static_cast<void*>(&none), reinterpret_cast<void*>(other)), invalid_value)
      << "no tensor map";
}

}  // namespace
}  // namespace triptych::emulator::test
