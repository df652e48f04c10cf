// atom and red of every operation, type and space against host arithmetic.
#include <cstdint>
#include <tuple>

#include "tests/emulator/exact.h"
#include "tests/emulator/lanewise.h"
#include "tests/emulator/thread_run.h"

namespace triptych::emulator::test {
namespace {

const bool checked = every_form_must_run("atomic");

using Sources = const std::uint64_t*;

/// A sum rounded to nearest even; a NaN is 0x7FFF…, of f64 0x7FF8….
std::uint64_t float_sum(Type t, std::uint64_t a, std::uint64_t b, bool flush) {
  const Format f = format_of(t);
  if (flush) std::tie(a, b) = std::pair(f.flushed(a), f.flushed(b));
  const std::uint64_t nan = t == Type::f64 ? 0x7FF8000000000000 : f.top() - 1;
  if (f.is_nan(a) || f.is_nan(b)) return nan;
  if (f.is_infinite(a)) return f.is_infinite(b) && a != b ? nan : a;
  if (f.is_infinite(b)) return b;
  const std::uint64_t sum = rounded_sum(Exact::of(f, a), Exact::of(f, b), f, "rn");
  return flush ? f.flushed(sum) : sum;
}

Type half_of(Type t) { return t == Type::f16x2 ? Type::f16 : t == Type::bf16x2 ? Type::bf16 : t; }

/// What memory holds after the operation, by the ISA's text. f32 sums in global memory flush.
std::uint64_t applied(const std::string& op, Type t, std::uint64_t old, std::uint64_t b, std::uint64_t c, bool global) {
  if (half_of(t) != t) {
    const auto half = [&](int shift) { return applied(op, half_of(t), old >> shift & 0xFFFF, b >> shift & 0xFFFF, 0, global) << shift; };
    return half(0) | half(16);
  }
  const std::uint64_t all = ~std::uint64_t{0} >> (64 - bits_of(t));
  const auto wide = [&](std::uint64_t x) { return static_cast<std::int64_t>(x << (64 - bits_of(t))); };
  const bool less = is_signed(t) ? wide(old) < wide(b) : old < b;
  if (op == "and") return old & b;
  if (op == "or") return old | b;
  if (op == "xor") return old ^ b;
  if (op == "exch") return b;
  if (op == "cas") return old == b ? c : old;
  if (op == "inc") return old >= b ? 0 : old + 1;
  if (op == "dec") return old == 0 || old > b ? b : old - 1;
  if (is_float(t)) {
    if (op == "add") return float_sum(t, old, b, global && t == Type::f32);
    return extreme(format_of(t), op == "max", false, old, b, 0x7FFF);
  }
  if (op == "add") return (old + b) & all;
  return less == (op == "min") ? old : b;
}

/// Where the lanes' cells are.
struct Place {
  std::string space, own, cell;
  bool global;
};
const std::string own_cell = ".shared .align 16 .b8 cells[2048];\n.reg .b32 %cell, %thread;\nmov.u32 %thread, %tid.x;\nmov.u32 %cell, cells;\nmad.lo.u32 %cell, %thread, 16, %cell;\n";
const std::vector<Place> places = {
    {"", "", "%a", true},   // the last source's place in its column
    {".global", "", "%a", true},
    {".shared", own_cell, "%cell", false},
    {".shared::cta", own_cell, "%cell", false},
    {".shared::cluster", own_cell, "%cell", false},
    {"", own_cell + fmt::format(".reg .b64 %wide;\nmov.b64 %wide, {{%cell, 0}};\nor.b64 %wide, %wide, {};\n", window::shared), "%wide", false},
};

/// The sixteen-bit and packed types have registers without a type.
std::string register_type(Type t) { return t == Type::f32 || t == Type::f64 ? std::string(name_of(t)) : fmt::format("b{}", bits_of(t)); }

struct Operation {
  std::string name;
  Type type;
};

/// One operation at one place: the old value that it returns (atom), and what memory holds then. `order` and `hint` are
/// modifiers before the space and after the operation.
void expect_atomic(const Operation& o, const Place& place, bool returns, const std::string& order = "", const std::string& hint = "") {
  const std::string type = register_type(o.type), bits = fmt::format("b{}", bits_of(o.type));
  const bool cas = o.name == "cas", noftz = bits_of(half_of(o.type)) == 16 && is_float(o.type);
  std::string text = "{\n" + place.own + fmt::format("@p st{}.{} [{}], s0;\n", place.space, bits, place.cell);
  if (!hint.empty()) text += ".reg .b64 %policy;\ncreatepolicy.fractional.L2::evict_last.b64 %policy, 0f3F800000;\n";
  text += fmt::format("@p {}{}{}.{}{}{}.{} {}[{}], s1{}{};\n", returns ? "atom" : "red", order, place.space, o.name, noftz ? ".noftz" : "", hint,
                      name_of(o.type), returns ? "d1, " : "", place.cell, cas ? ", s2" : "", hint.empty() ? "" : ", %policy");
  text += fmt::format("@p ld{}.{} d0, [{}];\n}}\n", place.space, bits, place.cell);
  const std::size_t sources = cas ? 3 : 2;
  Registers registers = {{type}, std::vector<std::string>(sources, type)};
  if (returns) registers.d.push_back(type);
  std::vector<Values> columns = operands(std::vector<Type>(sources, o.type), 300);
  if (cas) {
    for (std::size_t r = 0; r < columns[0].size(); r += 2) columns[1][r] = columns[0][r];
  }
  expect_lanes(text, registers, columns, [&](Sources s) {
    std::vector<std::uint64_t> d = {applied(o.name, o.type, s[0], s[1], cas ? s[2] : 0, place.global)};
    if (returns) d.push_back(s[0]);
    return d;
  });
}

std::vector<Operation> operations(bool returns) {
  std::vector<Operation> all;
  const auto add = [&](const std::string& name, const std::vector<Type>& types) {
    for (const Type t : types) all.push_back({name, t});
  };
  add("add", {Type::u32, Type::s32, Type::u64, Type::f32, Type::f64, Type::f16, Type::f16x2, Type::bf16, Type::bf16x2});
  for (const std::string name : {"min", "max"}) add(name, {Type::u32, Type::s32, Type::u64, Type::s64});
  for (const std::string name : {"inc", "dec"}) add(name, {Type::u32});
  for (const std::string name : {"and", "or", "xor"}) add(name, {Type::b32, Type::b64});
  if (returns) {
    add("exch", {Type::b32, Type::b64});
    add("cas", {Type::b16, Type::b32, Type::b64});
  }
  return all;
}

TEST(Atomic, EveryOperationInEverySpace) {
  for (const bool returns : {true, false}) {
    for (const Operation& o : operations(returns)) {
      for (const Place& place : places) expect_atomic(o, place, returns);
    }
  }
}

TEST(Atomic, OrdersScopesAndHints) {
  for (const bool returns : {true, false}) {
    std::vector<std::string> orders = {"", ".relaxed", ".release"};
    if (returns) orders.insert(orders.end(), {".acquire", ".acq_rel"});
    for (const std::string& order : orders) {
      for (const std::string scope : {"", ".cta", ".cluster", ".gpu", ".sys"}) {
        for (const Operation& o : {Operation{"add", Type::u32}, {"add", Type::bf16x2}, {"cas", Type::b16}}) {
          if (o.name == "cas" && !returns) continue;
          for (const std::size_t at : {1u, 2u}) expect_atomic(o, places[at], returns, order + scope);
          if (o.name != "cas") expect_atomic(o, places[1], returns, order + scope, ".L2::cache_hint");
        }
      }
    }
    for (const Operation& o : operations(returns)) {
      if (o.name == "cas") continue;
      for (const std::size_t at : {0u, 1u}) expect_atomic(o, places[at], returns, "", ".L2::cache_hint");
    }
  }
}

TEST(Atomic, WordsOf128Bits) {
  const std::string body = R"(
    .shared .align 16 .b8 cells[1024];
    .reg .b128 %old, %b, %c, %d;
    .reg .b64 %policy;
    mad.wide.u32 %a1, %i, 64, %a0;
    ld.global.b128 %old, [%a1];
    ld.global.b128 %b, [%a1+16];
    ld.global.b128 %c, [%a1+32];
    mov.u32 %w0, cells;
    mad.lo.u32 %w0, %i, 32, %w0;
    st.shared.b128 [%w0], %old;
    CAS
    EXCH
  )";
  const auto with = [&](const std::string& cas, const std::string& exch) {
    std::string text = body;
    text.replace(text.find("CAS"), 3, cas);
    return text.replace(text.find("EXCH"), 4, exch);
  };
  std::mt19937_64 random(3);
  std::vector<std::uint64_t> in(32 * 8);
  for (std::uint64_t& x : in) x = random();
  for (std::size_t l = 0; l < 32; ++l) {   // alike, different in the lower, in the upper half
    in[8 * l + 2] = in[8 * l] ^ (l % 3 == 1 ? 1 : 0);
    in[8 * l + 3] = in[8 * l + 1] ^ (l % 3 == 2 ? 1ull << 63 : 0);
  }
  for (const std::string place : {".global", "", ".shared", ".shared::cta", ".shared::cluster"}) {
    const bool shared = place.starts_with(".shared");
    const std::string cell = shared ? "[%w0]" : "[%a1]";
    for (const bool cas : {true, false}) {
      for (const std::string hint : {"", ".L2::cache_hint"}) {
        if (!hint.empty() && (cas || shared)) continue;
        for (const std::string order : {"", ".relaxed.sys", ".acquire.cta", ".release.cluster", ".acq_rel.gpu"}) {
          const std::string atom = cas ? "atom" + order + place + ".cas.b128 %d, " + cell + ", %b, %c;"
                                       : "atom" + order + place + ".exch" + hint + ".b128 %d, " + cell + ", %c" + (hint.empty() ? "" : ", %policy") + ";";
          Program program(thread_kernel(with(atom, "ld" + place + ".b128 %old, " + cell + ";\nst.global.b128 [%a1+16], %d;\nst.global.b128 [%a1+32], %old;\n")));
          const std::uint64_t at = program.buffer(in);
          run_threads(program, {}, at);
          const auto out = program.read<std::uint64_t>(at, in.size());
          for (std::size_t l = 0; l < 32; ++l) {
            const std::size_t stored = !cas || l % 3 == 0 ? 8 * l + 4 : 8 * l;
            EXPECT_EQ(std::tuple(out[8 * l + 2], out[8 * l + 3], out[8 * l + 4], out[8 * l + 5]), std::tuple(in[8 * l], in[8 * l + 1], in[stored], in[stored + 1])) << atom << l;
          }
        }
      }
    }
  }
}

/// Vectors: each element by itself. Every lane has 48 bytes: the old elements, the operands, and room for what is returned.
void expect_vector(const std::string& op, Type t, int count, bool returns, const std::string& order, const std::string& space, const std::string& hint) {
  const int bytes = bytes_of(t);
  std::string loads, b, d, stores;
  for (int e = 0; e < count; ++e) {
    loads += fmt::format("ld.global.b{} %b{}, [%a1+{}];\n", bytes * 8, e, 16 + e * bytes);
    stores += fmt::format("st.global.b{} [%a1+{}], %d{};\n", bytes * 8, 32 + e * bytes, e);
    b += fmt::format("{}%b{}", e > 0 ? ", " : "", e);
    d += fmt::format("{}%d{}", e > 0 ? ", " : "", e);
  }
  const std::string text = fmt::format("{}{}{}.{}{}{}.v{}.{} {}[%a1], {{{}}}{};\n", returns ? "atom" : "red", order, space, op, t == Type::f32 ? "" : ".noftz", hint,
                                       count, name_of(t), returns ? "{" + d + "}, " : "", b, hint.empty() ? "" : ", %policy");
  Program program(thread_kernel(fmt::format(".reg .{0} %b<8>, %d<8>;\n.reg .b64 %policy;\nmad.wide.u32 %a1, %i, 48, %a0;\n", register_type(t)) + loads + text + (returns ? stores : "")));
  const auto columns = operands({half_of(t), half_of(t)}, 300);
  const int half = bytes_of(half_of(t));
  std::vector<std::uint8_t> in(32 * 48);
  for (int l = 0; l < 32; ++l) {
    for (int e = 0; e < 16 / half; ++e) {
      for (int c = 0; c < 2; ++c) std::memcpy(&in[static_cast<std::size_t>(l * 48 + c * 16 + e * half)], &columns[static_cast<std::size_t>(c)][static_cast<std::size_t>((l * 8 + e) * 7) % columns[0].size()], static_cast<std::size_t>(half));
    }
  }
  const std::uint64_t at = program.buffer(in);
  run_threads(program, {}, at);
  const auto out = program.read<std::uint8_t>(at, in.size());
  for (int x = 0; x < 32 * count * bytes / half; ++x) {
    const int place = x / (count * bytes / half) * 48 + x % (count * bytes / half) * half;
    const auto word = [&](const std::vector<std::uint8_t>& from, int offset) {
      std::uint64_t value = 0;
      std::memcpy(&value, &from[static_cast<std::size_t>(place + offset)], static_cast<std::size_t>(half));
      return value;
    };
    ASSERT_EQ(word(out, 0), applied(op, half_of(t), word(in, 0), word(in, 16), 0, true)) << text << x;
    if (returns) {
      ASSERT_EQ(word(out, 32), word(in, 0)) << text << x;
    }
  }
}

TEST(Atomic, Vectors) {
  for (const bool returns : {true, false}) {
    std::vector<std::string> orders = {"", ".relaxed", ".release.gpu", ".relaxed.cta", ".cluster", ".sys"};
    if (returns) orders.insert(orders.end(), {".acquire.cluster", ".acq_rel.sys"});
    for (const Type t : {Type::f32, Type::f16, Type::bf16, Type::f16x2, Type::bf16x2}) {
      for (const int count : {2, 4, 8}) {
        if (count * bits_of(t) > 128) continue;
        for (const std::string op : {"add", "min", "max"}) {
          if (t == Type::f32 && op != "add") continue;
          for (const std::string& order : orders) {
            for (const std::string space : {"", ".global"}) expect_vector(op, t, count, returns, order, space, space.empty() ? "" : ".L2::cache_hint");
          }
        }
      }
    }
  }
}

/// Lanes, warps and blocks that meet at one word lose nothing, and each draws a number of its own.
TEST(Atomic, NothingIsLost) {
  for (const std::string atom : {"atom.global.add.u32 %v, [%a0], 1;\n", "atom.global.inc.u32 %v, [%a0], 1000000;\n"}) {
    MachineOptions options;
    options.devices[0].sms = 3;
    options.seed = 11;
    Program program(thread_kernel(atom), options);
    const std::uint64_t in = program.buffer(Words(1));
    Words drawn = run_threads(program, {.grid = {7, 1, 1}, .block = {96, 1, 1}}, in);
    std::sort(drawn.begin(), drawn.end());
    EXPECT_EQ(drawn, for_threads(672, [](std::uint32_t i) { return i; }));
    EXPECT_EQ(program.read<std::uint32_t>(in, 1)[0], 672u);
  }
}

TEST(Atomic, FaultsNameTheAtomic) {
  expect_report(fault_of("", "add.u64 %a1, %a0, 4096;\natom.global.add.u32 %v, [%a1], 1;\n"), {"atom.global.add.u32: global atomic of 4 bytes", "0 bytes past the end"});
  expect_report(fault_of("", "red.global.add.u64 [%a0+4], 1;\n"), {"not a multiple of 8"});
  expect_report(fault_of("", "red.add.noftz.bf16x2 [%a0+2], %v;\n"), {"not a multiple of 4"});
}

TEST(Atomic, HintsAreForGlobalMemoryAlone) {
  const auto error = [](const std::string& instruction) { return error_of(thread_kernel(".reg .f64 %d;\n" + instruction + "\n")); };
  EXPECT_EQ(error("atom.add.L2::cache_hint.u32 %v, [%a0], 1, %a1;"), "");
  for (const std::string wrong : {"atom.shared.add.L2::cache_hint.u32 %v, [%w0], 1, %a1;", "atom.global.cas.L2::cache_hint.b32 %v, [%a0], 1, 2, %a1;",
                                  "atom.global.add.L2::cache_hint.u32 %v, [%a0], 1, %d;", "red.shared.add.L2::cache_hint.u32 [%w0], 1, %a1;", "atom.global.add.L2::cache_hint.u32 %v, [%a0], 1;"}) {
    EXPECT_NE(error(wrong), "") << wrong;
  }
}

}  // namespace
}  // namespace triptych::emulator::test
