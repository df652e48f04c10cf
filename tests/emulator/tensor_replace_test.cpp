// ctest: labels=sanitize
// Tensor maps that are edited and published on the device.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/emulator/tensor_run.h"

namespace triptych::emulator::test {
namespace {

[[maybe_unused]] const bool checked = every_form_must_run("tensor_replace");

TEST(TensorReplace, MapsAreEditedOnTheDevice) {
  const TensorMap before = dense(TensorType::bf16, {70, 9, 5}, {32, 4, 3});
  TensorMap after = dense(TensorType::f32, {77, 8, 6, 3}, {16, 2, 5, 1});
  after.address = 0x7700'0000'0010;
  after.stride = {4, 320, 4096, 65536, before.stride[4]};
  after.step = {1, 2, 1, 3, 1};
  after.swizzle = 2;
  after.interleave = 1;
  after.nan_fill = true;
  for (const bool shared : {false, true}) {
    for (const bool named : {false, true}) {
      std::string edits;
      const auto edit = [&](std::string_view field, const std::string& operands, std::string_view type = "b32") {
        edits += fmt::format("tensormap.replace.tile.{}{}.b1024.{} [{}], {};\n", field, named ? shared ? ".shared::cta" : ".global" : "", type,
                             shared ? named ? "s" : "x" : "m", operands);
      };
      edits += fmt::format("mov.b64 y, {};\n", after.address);
      edit("global_address", "y", "b64");
      edit("rank", "3");
      for (int d = 0; d < 4; ++d) {
        const auto i = static_cast<std::size_t>(d);
        edit("box_dim", fmt::format("{}, {}", d, after.box[i]));
        edit("global_dim", fmt::format("{}, {}", d, after.extent[i]));
        edit("element_stride", fmt::format("{}, {}", d, after.step[i]));
        if (d < 3) edits += fmt::format("mov.b64 y, {};\n", after.stride[i + 1]);
        if (d < 3) edit("global_stride", fmt::format("{}, y", d), "b64");
      }
      edit("elemtype", "7");
      edit("interleave_layout", "1");
      edit("swizzle_mode", "2");
      edit("swizzle_atomicity", "0");
      edit("fill_mode", "1");
      const std::string in = shared ? copy_all(true, 128) + "mov.u32 s, 2048;\nmov.u64 x, 0x1000000000000800;\nbar.sync 0;\n" : "";
      std::string scopes;
      for (const std::string_view scope : {"cta", "cluster", "gpu", "sys"}) {
        scopes += fmt::format("tensormap.cp_fenceproxy.global.shared::cta.tensormap::generic.release.{}.sync.aligned [m], [s], 128;\n", scope);
      }
      Program program(fmt::format(begin) + ".reg .b64 x, y;\n" + in + "@!first bra Lpublish;\n" + edits + "Lpublish:\n" + (shared ? scopes : "") + "ret;\n}\n");
      const std::uint64_t map = put_map(program, before);
      ASSERT_EQ(program.run("k", {map, map}, {.dynamic_shared = 2048}), "");
      TensorMap found;
      const Bytes bytes = program.read<std::uint8_t>(map, 128);
      ASSERT_TRUE(TensorMap::decode(bytes.data(), found));
      EXPECT_EQ(found.encode(), after.encode());
    }
  }
}

}  // namespace
}  // namespace triptych::emulator::test
