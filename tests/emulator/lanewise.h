/// \file
/// One instruction in many lanes: its results against what the test expects of each lane.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/emulator/ptx_run.h"
#include "tests/emulator/values.h"

namespace triptych::emulator::test {

/// Types of an instruction's registers: destinations d0, d1, …, sources s0, s1, …. A register of the
/// type "pred" is a predicate.
struct Registers {
  std::vector<std::string> d, s;
};

namespace lanewise {

constexpr std::uint32_t block = 128;

/// ld or st of a register; each lane's value has 8 bytes in memory.
inline std::string load(std::string_view type, std::string_view name) {
  if (type == "pred") return fmt::format("ld.global.b32 %t, [%a];\nsetp.ne.b32 {}, %t, 0;\n", name);
  return fmt::format("ld.global.b{} {}, [%a];\n", bits_of(parse_type(type)), name);
}
inline std::string store(std::string_view type, std::string_view name) {
  if (type == "pred") return fmt::format("selp.b32 %t, 1, 0, {};\nst.global.b32 [%a], %t;\n", name);
  return fmt::format("st.global.b{} [%a], {};\n", bits_of(parse_type(type)), name);
}

/// A kernel that reads p, all sources and destinations, executes the body and writes the destinations.
inline std::string kernel(const std::string& body, const Registers& registers) {
  std::vector<std::pair<std::string, std::string>> all = {{"p", "pred"}};
  for (std::size_t i = 0; i < registers.d.size(); ++i) all.emplace_back(fmt::format("d{}", i), registers.d[i]);
  for (std::size_t i = 0; i < registers.s.size(); ++i) all.emplace_back(fmt::format("s{}", i), registers.s[i]);
  std::string parameters, declared, loads, stores;
  for (const auto& [name, type] : all) {
    const std::string at = fmt::format("ld.param.u64 %a, [%of_{}];\nmad.wide.u32 %a, %i, 8, %a;\n", name);
    parameters += fmt::format("{}.param .u64 %of_{}", parameters.empty() ? "" : ", ", name);
    declared += fmt::format(".reg .{} {};\n", type, name);
    loads += at + load(type, name);
    if (name[0] == 'd') stores += at + store(type, name);
  }
  return fmt::format(
      ".visible .entry k({})\n{{\n.reg .b32 %i, %c, %t;\n.reg .b64 %a;\n{}"
      "mov.u32 %i, %tid.x;\nmov.u32 %c, %ctaid.x;\nmad.lo.u32 %i, %c, {}, %i;\n{}{}\n{}ret;\n}}\n",
      parameters, declared, block, loads, body, stores);
}

inline std::uint64_t cut(std::uint64_t value, const std::string& type) {
  return value & (~std::uint64_t{0} >> (64 - bits_of(parse_type(type))));
}

}  // namespace lanewise

/// Runs `body` in as many lanes as the columns of sources have rows; p is true in the lanes of `guard`, one
/// value a lane. `destinations` are their columns before and after.
inline void run_lanes(const std::string& body, const Registers& registers, const Values& guard,
                      const std::vector<Values>& sources, std::vector<Values>& destinations) {
  using namespace lanewise;
  Program program(kernel(body, registers));
  const std::size_t rows = guard.size(), padded = (rows + block - 1) / block * block;
  std::vector<std::uint64_t> arguments;
  const auto add = [&](Values column) {
    column.resize(padded, column.back());
    arguments.push_back(program.buffer(column));
  };
  add(guard);
  for (const Values& column : destinations) add(column);
  for (const Values& column : sources) add(column);
  const std::string fault = program.run("k", arguments, {.grid = {static_cast<std::uint32_t>(padded / block), 1, 1}, .block = {block, 1, 1}});
  ASSERT_EQ(fault, "") << body;
  for (std::size_t c = 0; c < destinations.size(); ++c) {
    destinations[c] = program.read<std::uint64_t>(arguments[1 + c], rows);
  }
}

/// Executes an instruction such as "add.u32 d0, s0, s1;" for each row of the columns and compares with
/// expected(const std::uint64_t* sources), which returns the bits of d0, or a std::vector of those of all
/// destinations. Does it for all lanes and once more for some of them, whose neighbours must keep what they
/// have. A body of several instructions writes the guard @p itself.
template <class F>
void expect_lanes(const std::string& instruction, const Registers& registers, const std::vector<Values>& sources, F expected) {
  SCOPED_TRACE(instruction);
  const std::string body = instruction.find("@") == std::string::npos ? "@p " + instruction : instruction;
  const std::size_t rows = sources.empty() ? 256 : sources[0].size();
  std::mt19937_64 random(7);
  for (const bool all : {true, false}) {
    Values guard(rows);
    for (std::size_t r = 0; r < rows; ++r) guard[r] = all || random() % 3 == 0 ? 1 : 0;
    std::vector<Values> before(registers.d.size(), Values(rows));
    for (Values& column : before) {
      for (std::uint64_t& value : column) value = random();
    }
    std::vector<Values> after = before;
    run_lanes(body, registers, guard, sources, after);
    if (testing::Test::HasFatalFailure()) return;
    for (std::size_t r = 0; r < rows; ++r) {
      std::vector<std::uint64_t> row;
      for (const Values& column : sources) row.push_back(column[r]);
      std::vector<std::uint64_t> wanted;
      if (guard[r] == 0) {
        for (std::size_t c = 0; c < before.size(); ++c) {
          wanted.push_back(registers.d[c] == "pred" ? static_cast<std::uint32_t>(before[c][r]) != 0 : before[c][r]);
        }
      } else if constexpr (std::is_convertible_v<decltype(expected(row.data())), std::uint64_t>) {
        wanted = {static_cast<std::uint64_t>(expected(row.data()))};
      } else {
        wanted = expected(row.data());
      }
      for (std::size_t c = 0; c < before.size(); ++c) {
        using lanewise::cut;
        if (cut(after[c][r], registers.d[c]) == cut(wanted[c], registers.d[c])) continue;
        std::string text;
        for (const std::uint64_t s : row) text += fmt::format(" {:#x}", s);
        FAIL() << fmt::format("d{} is {:#x}, expected {:#x}; sources{}{}", c, cut(after[c][r], registers.d[c]),
                              cut(wanted[c], registers.d[c]), text, guard[r] == 0 ? " (the lane did not take part)" : "");
      }
    }
  }
}

}  // namespace triptych::emulator::test
