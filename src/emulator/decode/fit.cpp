#include <fmt/format.h>

#include "emulator/decode/bind.h"

namespace triptych::emulator {
namespace {

using Kind = Element::Kind;
using Is = Operand::Kind;

bool whole_vector(const Operand& o) {
  return o.kind == Is::reg && o.reg->width > 1 && o.component < 0;
}

bool may_be_value(Type type, bool write, const Operand& o) {
  if (o.kind == Is::reg) return !whole_vector(o) && (type == Type::pred) == (o.type == Type::pred);
  if (write) return o.kind == Is::sink;
  if (type == Type::pred) return o.kind == Is::integer;
  return o.kind == Is::integer || o.kind == Is::real || o.kind == Is::special ||
         o.kind == Is::variable || o.kind == Is::function;
}

bool may_be_vector(const Expected& x, const Operand& o) {
  if (o.kind == Is::vector) return o.parts.size() == static_cast<std::size_t>(x.count);
  if (whole_vector(o)) return o.reg->width == x.count;
  if (o.kind == Is::special && x.count == 4) return true;
  return !x.braces && may_be_value(x.type, x.write, o);
}

bool may_be(const Expected& x, const Operand& o) {
  if (x.only_register && o.kind != Is::reg) return false;
  switch (x.kind) {
    case Kind::value:
      return may_be_value(x.type, x.write, o);
    case Kind::vector:
      return may_be_vector(x, o);
    case Kind::pair:
      return o.kind == Is::pair || may_be_value(x.type, x.write, o);
    case Kind::address:
      return o.kind == Is::address && o.parts.size() == 1;
    case Kind::tensor:
      return o.kind == Is::address && o.parts.size() == 2 && o.parts[1].kind == Is::vector &&
             o.parts[1].parts.size() == static_cast<std::size_t>(x.count);
    case Kind::immediate:
      return o.kind == Is::integer;
    case Kind::sink:
      return o.kind == Is::sink;
    case Kind::label:
      return o.kind == Is::label;
    case Kind::function:
      return o.kind == Is::function || (o.kind == Is::reg && o.type != Type::pred);
    case Kind::list:
      return o.kind == Is::list;
    case Kind::carry:
      return false;
  }
  return false;
}

std::string of_type(Type type) {
  return type == Type::none ? std::string() : fmt::format(" of type .{}", name_of(type));
}

}  // namespace

std::string describe(const Expected& x) {
  switch (x.kind) {
    case Kind::value:
    case Kind::pair:
      if (x.type == Type::pred) return "a predicate";
      return (x.write || x.only_register ? "a register" : "a register or constant") + of_type(x.type);
    case Kind::vector:
      if (!x.braces) return (x.write || x.only_register ? "a register" : "a register or constant") + of_type(x.type);
      return fmt::format("a vector of {} elements{}", x.count, of_type(x.type));
    case Kind::address:
      return "an address in brackets";
    case Kind::tensor:
      return fmt::format("[map, {{coordinates}}] with {} coordinates", x.count);
    case Kind::immediate:
      return "an integer constant";
    case Kind::sink:
      return "'_'";
    case Kind::label:
      return "a label";
    case Kind::function:
      return "a function or a register with its address";
    case Kind::list:
      return "a list in parentheses";
    case Kind::carry:
      break;
  }
  return "nothing";
}

bool fit(const std::vector<Expected>& signature, const std::vector<Operand>& operands,
         Fitted& fitted, std::size_t& reached, std::string& wanted) {
  std::size_t next = 0;
  wanted = "no further operand";
  for (std::size_t e = 0; e < signature.size(); ++e) {
    const Expected& x = signature[e];
    fitted[e] = nullptr;
    if (x.missing || x.kind == Kind::carry) continue;
    if (next < operands.size() && may_be(x, operands[next])) {
      fitted[e] = &operands[next++];
    } else if (!x.optional) {
      reached = next;
      wanted = describe(x);
      return false;
    }
  }
  reached = next;
  return next == operands.size();
}

}  // namespace triptych::emulator
