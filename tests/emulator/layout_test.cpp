// ctest: timeout=120
// Where variables lie, and what a loaded module finds in them.
#include <cstring>

#include "emulator/decoded.h"

namespace triptych::emulator {
namespace {

std::uint32_t shared_at(const ModuleCode& m, std::string_view entry, std::string_view variable) {
  for (const auto& [v, at] : m.by_name.at(entry)->shared_at) {
    if (v->name == variable) return at - shared_reserved;
  }
  ADD_FAILURE() << entry << " has no " << variable;
  return ~0u;
}

/// The displacement of the n-th load of a function.
std::int64_t load(const ModuleCode& m, std::string_view function, std::size_t n) {
  for (const Instr& i : m.by_name.at(function)->instrs) {
    if (i.form != Instr::no_form &&
        std::string_view(all_forms()[i.form]->pattern).starts_with("ld") && n-- == 0)
      return i.imm;
  }
  ADD_FAILURE() << function << " has no such load";
  return -1;
}

TEST(Layout, EachEntryHasSharedMemoryOfItsOwn) {
  const auto m = decode_text(R"(
.shared .b32 a; .shared .align 64 .b8 b[100]; .shared .b32 c; .shared .b8 unused[40000];
.visible .entry one() { .reg .b32 r; ld.shared.b32 r, [a]; ld.shared.b32 r, [b]; ret; }
.visible .entry two() { .shared .b64 own; .reg .b32 r; ld.shared.b32 r, [c]; ld.shared.b32 r, [own]; ret; }
.visible .entry none() { ret; }
)");
  EXPECT_EQ(shared_at(*m, "one", "a"), 0u);
  EXPECT_EQ(shared_at(*m, "one", "b"), 64u);
  EXPECT_EQ(m->by_name.at("one")->static_shared_bytes, 164u);
  EXPECT_EQ(shared_at(*m, "two", "c"), 0u);
  EXPECT_EQ(shared_at(*m, "two", "own"), 8u);
  EXPECT_EQ(m->by_name.at("none")->static_shared_bytes, 0u);
}

TEST(Layout, AFunctionOfTwoEntriesFindsItsVariableInBoth) {
  const auto m = decode_text(R"(
.shared .b32 mine; .shared .align 16 .b8 common[32];
.func f() { .reg .b32 r; ld.shared.b32 r, [common]; ret; }
.func only() { .reg .b32 r; ld.shared.b32 r, [mine]; ret; }
.visible .entry one() { .shared .b64 x; .reg .b32 r; ld.shared.b32 r, [x]; call f; call only; ret; }
.visible .entry two() { call f; ret; }
)");
  EXPECT_EQ(shared_at(*m, "one", "common"), shared_at(*m, "two", "common"));
  EXPECT_EQ(load(*m, "f", 0), shared_reserved + shared_at(*m, "two", "common"));
  EXPECT_GE(shared_at(*m, "one", "x"), 32u);
  EXPECT_GE(shared_at(*m, "one", "mine"), 32u);
  EXPECT_NE(shared_at(*m, "one", "mine"), shared_at(*m, "one", "x"));
  EXPECT_EQ(load(*m, "only", 0), shared_reserved + shared_at(*m, "one", "mine"));
}

TEST(Layout, DynamicSharedMemoryComesLast) {
  const auto m = decode_text(R"(
.extern .shared .align 128 .b8 dynamic[];
.shared .b8 a[100];
.func f() { .reg .b32 r; ld.shared.b32 r, [dynamic+4]; ret; }
.visible .entry one() { .reg .b32 r; ld.shared.b32 r, [a]; ld.shared.b32 r, [dynamic+8]; call f; ret; }
.visible .entry two() { .reg .b32 r; ld.shared.b32 r, [dynamic]; call f; ret; }
)");
  EXPECT_EQ(m->by_name.at("one")->static_shared_bytes, 128u);
  EXPECT_EQ(load(*m, "one", 1), shared_reserved + 128 + 8);
  EXPECT_EQ(m->by_name.at("two")->static_shared_bytes, 0u);
  EXPECT_EQ(load(*m, "two", 0), shared_reserved);
  // In a device function it is wherever the entry has it.
  EXPECT_EQ(load(*m, "f", 0), 4);
  ASSERT_EQ(m->specials.size(), 1u);
  EXPECT_EQ(m->specials[0].first, Special::dynamic_smem_begin);
  for (const Instr& i : m->by_name.at("f")->instrs) {
    EXPECT_TRUE(i.imm != 4 || i.op[0].bank() == Slot::specials);
  }
}

TEST(Layout, FunctionsThatAreCalledThroughRegistersAreReached) {
  const auto m = decode_text(R"(
.shared .b32 a;
.func f() { .reg .b32 r; ld.shared.b32 r, [a]; ret; }
.global .u64 table[1] = {f};
.visible .entry one() { .reg .b64 w; .shared .b64 x; .reg .b32 r; P: .callprototype _ (); ld.shared.b32 r, [x]; call w, P; ret; }
)");
  EXPECT_NE(shared_at(*m, "one", "a"), shared_at(*m, "one", "x"));
}

TEST(Layout, TooMuchIsRefused) {
  EXPECT_EQ(
      decode_error(
          ".visible .entry k() { .shared .b8 a[50000]; .reg .b32 r; ld.shared.b32 r, [a]; ret; }"),
      "t.ptx:4:35: 'a' makes 50000 bytes of static shared memory; at most 49152 are possible");
  EXPECT_NE(decode_error(".visible .entry k() { .local .b8 a[4611686018427387904]; ret; }")
                .find("local memory"),
            std::string::npos);
  EXPECT_NE(decode_error(".visible .entry k(.param .b8 a[40000]) { ret; }").find("parameters"),
            std::string::npos);
}

TEST(Layout, LoadedVariablesHaveTheirValues) {
  Parsed parsed = parse(with_header(R"(
.func f() { ret; }
.global .align 4 .u32 plain[4] = {1, 2, 3};
.const .f32 c = 0f40000000;
.global .u64 pointers[3] = {plain+4, f, generic(c)};
.global .attribute(.managed) .u32 m = 9;
.global .b8 zero[100000];
)"),
                        "t.ptx");
  ASSERT_FALSE(parsed.error) << parsed.error->str();
  Machine machine{MachineOptions{}};
  const std::uint64_t before = machine.memory().used();
  const auto module = load_module(machine, std::move(parsed.module), 0);
  std::map<std::string_view, std::uint64_t> at;
  for (const auto& [v, address] : module->address_of) at[v->name] = address;
  const auto read = [&]<class T>(const char* name, std::size_t i, T) {
    T value;
    std::memcpy(&value, reinterpret_cast<const T*>(at.at(name)) + i, sizeof(T));
    return value;
  };
  for (const std::uint32_t i : {0u, 1u, 2u}) EXPECT_EQ(read("plain", i, 0u), i + 1);
  EXPECT_EQ(read("plain", 3, 0u), 0u);
  EXPECT_EQ(read("c", 0, 0.0f), 2.0f);
  EXPECT_EQ(read("pointers", 0, std::uint64_t{}), at["plain"] + 4);
  EXPECT_EQ(read("pointers", 1, std::uint64_t{}), function_addresses);
  EXPECT_EQ(read("pointers", 2, std::uint64_t{}), at["c"]);
  EXPECT_EQ(read("m", 0, 0u), 9u);
  EXPECT_EQ(read("zero", 24999, 0u), 0u);
  EXPECT_TRUE(machine.memory().find(at["c"], 4).constant);
  EXPECT_EQ(machine.memory().find(at["m"], 4).device, -1);
  EXPECT_EQ(machine.memory().find(at["plain"], 16).device, 0);
  unload_module(machine, *module);
  EXPECT_EQ(machine.memory().used(), before);
}

TEST(Layout, AModuleThatFailsLeavesNothingBehind) {
  for (const char* text :
       {".global .b8 a[64]; .visible .entry k() { .reg .b32 r; frob.u32 r; ret; }",
        ".extern .global .b8 far[4]; .global .u64 p = far;",
        ".global .b8 a[9]; .global .b8 b[4611686018427387904];"}) {
    Parsed parsed = parse(with_header(text), "t.ptx");
    ASSERT_FALSE(parsed.error) << parsed.error->str();
    Machine machine{MachineOptions{}};
    EXPECT_THROW(load_module(machine, std::move(parsed.module), 0), DecodeError) << text;
    EXPECT_EQ(machine.memory().used(), 0u) << text;
  }
}

}  // namespace
}  // namespace triptych::emulator
