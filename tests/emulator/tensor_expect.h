/// \file
/// Tensor copies and what they must give.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "tests/emulator/tensor_run.h"

namespace triptych::emulator::test {

/// `mode` is ".tile", ".im2col" or nothing; `offsets` are im2col's.
inline std::string load_kernel(const TensorMap& map, const Coordinates& c, const std::string& destination, const std::string& hints = "",
                               const std::string& mode = "", const Offsets& offsets = {}) {
  return fmt::format(begin) +
         fmt::format(R"(
@first mbarrier.init.shared.b64 [room], 1;
fence.proxy.async;
bar.sync 0;
@first mbarrier.arrive.expect_tx.shared.b64 _, [room], {};
@first cp.async.bulk.tensor.{}d.{}.global{}.mbarrier::complete_tx::bytes{} [room+1024], [m, {}], [room]{}{};
Lwait:
mbarrier.try_wait.parity.shared.b64 more, [room], 0;
@!more bra Lwait;
)", box_bytes(map), int{map.rank}, destination, mode, hints, coordinates(map, c), offsets_of(map, offsets), hints.empty() ? "" : ", 0") +
         copy_all(false, room(map)) + "ret;\n}\n";
}

inline std::string store_kernel(const TensorMap& map, const Coordinates& c, const std::string& operation, const std::string& hints,
                                const std::string& mode) {
  return fmt::format(begin) + copy_all(true, room(map)) +
         fmt::format("fence.proxy.async;\nbar.sync 0;\n"
                     "@first cp{}.async.bulk.tensor.{}d.global.shared::cta{}{}.bulk_group{} [m, {}], [room+1024]{};\n"
                     "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\nret;\n}}\n",
                     operation.empty() ? "" : ".reduce", int{map.rank}, operation, mode, hints, coordinates(map, c),
                     hints.empty() ? "" : ", 0");
}

/// Runs a kernel of load_kernel and compares the box that it brought.
inline void expect_loaded(const std::string& text, TensorMap map, const Coordinates& c, const Offsets& offsets) {
  Program program(text);
  const Bytes tensor = some_bytes(tensor_bytes(map), 1);
  map.address = program.buffer(tensor);
  const std::uint64_t out = program.buffer(Bytes(room(map)));
  ASSERT_EQ(program.run("k", {put_map(program, map), out}, shape_of(map)), "") << coordinates(map, c);
  const Bytes after = program.read<std::uint8_t>(out, room(map));
  const std::uint32_t e = map.element_bytes();
  each(map, c, offsets, [&](std::uint32_t offset, std::int64_t place) {
    Bytes expected(e);
    for (std::uint32_t b = 0; b < e && map.nan_fill; ++b) expected[b] = b % 2 == 0 ? 0xF7 : 0x7F;
    if (place >= 0) std::copy_n(tensor.begin() + place, e, expected.begin());
    const auto at = static_cast<std::ptrdiff_t>(swizzle(box_at + offset, map.swizzle) - box_at);
    ASSERT_EQ(Bytes(after.begin() + at, after.begin() + at + e), expected) << coordinates(map, c) << " at " << offset;
  });
}

inline void expect_load(const TensorMap& map, const Coordinates& c, const std::string& destination = "shared::cluster",
                        const std::string& hints = "", const std::string& mode = "", const Offsets& offsets = {}) {
  expect_loaded(load_kernel(map, c, destination, hints, mode, offsets), map, c, offsets);
}

/// `combine(old, new, element bytes)`: what an element of the tensor becomes.
template <class Combine>
void expect_store(TensorMap map, const Coordinates& c, const std::string& operation, Combine&& combine, const std::string& hints = "", const std::string& mode = "") {
  Program program(store_kernel(map, c, operation, hints, mode));
  Bytes tensor = some_bytes(tensor_bytes(map), 1);
  const Bytes box = some_bytes(room(map), 99);
  map.address = program.buffer(tensor);
  ASSERT_EQ(program.run("k", {put_map(program, map), program.buffer(box)}, shape_of(map)), "") << operation << coordinates(map, c);
  each(map, c, {}, [&](std::uint32_t offset, std::int64_t place) {
    if (place >= 0) combine(&tensor[static_cast<std::size_t>(place)], &box[swizzle(box_at + offset, map.swizzle) - box_at]);
  });
  EXPECT_EQ(program.read<std::uint8_t>(map.address, tensor.size()), tensor) << operation << coordinates(map, c);
}

/// On elements of T: what the reduction makes of them.
template <class T, class F>
auto on(F f) {
  return [f](std::uint8_t* to, const std::uint8_t* from) {
    T a, b;
    std::memcpy(&a, to, sizeof a);
    std::memcpy(&b, from, sizeof b);
    a = static_cast<T>(f(a, b));
    std::memcpy(to, &a, sizeof a);
  };
}

}  // namespace triptych::emulator::test
