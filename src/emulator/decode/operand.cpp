// Registers, constants, special registers and vectors.
#include <fmt/format.h>

#include "emulator/decode/bind.h"
#include "emulator/decode/error.h"
#include "emulator/decode/moves.h"

namespace triptych::emulator {
namespace {

using Is = Operand::Kind;

/// Instructions whose first result may be dropped with `_`; elements of vectors and second results
/// may be everywhere.
bool may_sink(std::string_view root) {
  return root == "atom" || root == "elect" || root == "lop3" || root == "match" ||
         root == "mbarrier" || root == "setp";
}

}  // namespace

void Binder::refuse(const Operand& operand, const std::string& message) const {
  const std::string name =
      operand.name.empty() ? std::string() : fmt::format("'{}' ", operand.name);
  fail(context_.module, operand.at, fmt::format("'{}': {}{}", source_->opcode, name, message));
}

std::uint32_t Binder::fresh(RegisterClass c) {
  lowered_.classes.push_back(c);
  lowered_.own_row.push_back(false);
  return static_cast<std::uint32_t>(lowered_.classes.size() - 1);
}

std::uint32_t Binder::register_of(const Register& reg, int component) {
  std::uint32_t& first = lowered_.register_of[reg.index];
  if (first == no_register) {
    const RegisterClass c = class_of(reg.type);
    first = fresh(c);
    for (int i = 1; i < reg.width; ++i) fresh(c);
  }
  return first + static_cast<std::uint32_t>(std::max(component, 0));
}

std::uint32_t Binder::zero_predicate() {
  if (zero_predicate_ == no_register) {
    zero_predicate_ = fresh(RegisterClass::predicate);
    lowered_.own_row[zero_predicate_] = true;
  }
  return zero_predicate_;
}

std::uint32_t Binder::carry() {
  if (carry_ == no_register) carry_ = fresh(RegisterClass::predicate);
  return carry_;
}

void Binder::refer(Ref::Place place, std::size_t index, const Source& source) {
  if (source.reg != no_register) {
    refer({.reg = source.reg,
           .index = static_cast<std::uint32_t>(index),
           .place = place,
           .read = true,
           .negated = source.negated});
  } else if (place == Ref::Place::op) {
    instr_.op[index] = source.slot;
  } else if (place == Ref::Place::list) {
    list_[index] = source.slot;
  }
}

Binder::Source Binder::resize(const Source& source, RegisterClass from, RegisterClass to) {
  using enum RegisterClass;
  if (from == to) return source;
  if (from == quad) {
    const Source half = added(moves::cut_128_to_64, source, wide);
    return to == wide ? half : added(moves::cut_64_to_32, half, word);
  }
  return to == word ? added(moves::cut_64_to_32, source, word)
                    : added(moves::zero_extend_32_to_64, source, wide);
}

Binder::Source Binder::predicate(const Operand& o) {
  if (o.kind == Is::reg) return {.reg = register_of(*o.reg, o.component), .negated = o.negated};
  if (o.bits > 1) refuse(o, "is no predicate; expected 0 or 1");
  return {.reg = zero_predicate(), .negated = o.bits != 0};
}

Binder::Source Binder::special(const Expected& x, const Operand& o) {
  if (!x.anything) refuse(o, "is a special register, which only mov and cvt can read");
  if (o.name.ends_with(".w")) return {.slot = constants_.row(0, RegisterClass::word)};
  const auto known = parse_special(o.name);
  if (!known) refuse(o, "is not supported by this device");
  const auto [special, number] = *known;
  const RegisterClass have = is_wide(special) ? RegisterClass::wide : RegisterClass::word;
  const RegisterClass want = x.type == Type::none ? have : class_of(x.type);
  if (is_float(x.type) || (want != have && special != Special::gridid)) {
    refuse(o, fmt::format("does not fit the type .{}", name_of(x.type)));
  }
  if (is_volatile(special)) {
    const Run read = have == RegisterClass::wide ? moves::read_special_64 : moves::read_special_32;
    return added(read, {}, have, number, static_cast<std::uint32_t>(special));
  }
  const auto [at, fresh] = context_.specials.try_emplace(*known, context_.specials.size());
  if (fresh) context_.code.specials.push_back(*known);
  return resize({.slot = Slot::row(Slot::specials, at->second * special_row_bytes)}, have, want);
}

/// Neither a sign nor a selector stands at the operand, unless it may.
void Binder::check_bare(const Expected& x, const Operand& o) const {
  if (o.negated && !(x.selector && x.read)) refuse(o, "cannot be negated here");
  if (!o.selector.empty() && !x.selector) {
    refuse(o, fmt::format("has a selector, .{}, which this operand does not take", o.selector));
  }
}

Binder::Source Binder::source(const Expected& x, const Operand& o) {
  if (x.type == Type::pred) return predicate(o);
  check_bare(x, o);
  switch (o.kind) {
    case Is::reg: {
      if (!register_fits(o.type, x.type, x.wider)) {
        refuse(o, fmt::format("is of type .{}; expected .{}", name_of(o.type), name_of(x.type)));
      }
      const RegisterClass have = class_of(o.type);
      return resize({.reg = register_of(*o.reg, o.component)}, have,
                    x.type == Type::none ? have : class_of(x.type));
    }
    case Is::integer:
    case Is::real: {
      const auto bits = constant_bits(o, x.type);
      if (!bits) refuse(o, fmt::format("is no constant of type .{}", name_of(x.type)));
      return {.slot = constants_.row(*bits, class_of(x.type))};
    }
    case Is::special:
      return special(x, o);
    case Is::variable: {
      // ptxas takes x+4 as a constant expression wherever a constant may stand.
      const int bits = bits_of(x.type);
      if (!(x.anything || o.offset != 0) || is_float(x.type) ||
          (bits != 64 && (bits != 32 || o.variable->space == Space::global))) {
        refuse(o, fmt::format("is a variable; expected {}", describe(x)));
      }
      Address at = address_of(*o.variable);
      at.value += static_cast<std::uint64_t>(o.offset);
      return complete(at, class_of(x.type));
    }
    case Is::function:
      if (!x.anything || bits_of(x.type) != 64 || is_float(x.type)) {
        refuse(o, fmt::format("is a function; expected {}", describe(x)));
      }
      return {.slot = constants_.row(
                  function_addresses + context_.places.at(target_of(o.function)).index,
                  RegisterClass::wide)};
    default:
      refuse(o, fmt::format("cannot stand here; expected {}", describe(x)));
  }
}

void Binder::destination(const Expected& x, const Operand& o, Ref::Place place, std::size_t index) {
  Ref ref{
      .index = static_cast<std::uint32_t>(index), .place = place, .read = x.read, .write = true};
  if (o.kind == Is::sink) {
    ref.reg = fresh(x.type == Type::none ? RegisterClass::word : class_of(x.type));
    ref.whole = true;
    return refer(ref);
  }
  if (o.kind != Is::reg) refuse(o, fmt::format("cannot be written; expected {}", describe(x)));
  check_bare(x, o);
  if (!register_fits(o.type, x.type, x.wider)) {
    refuse(o, fmt::format("is of type .{}; expected .{}", name_of(o.type), name_of(x.type)));
  }
  ref.reg = register_of(*o.reg, o.component);
  const RegisterClass have = class_of(o.type),
                      want = x.type == Type::none ? have : class_of(x.type);
  if (have != want) {
    if (have == RegisterClass::quad && want == RegisterClass::word) {
      refuse(o, "is too wide for this type");
    }
    const Run run = have == RegisterClass::quad ? moves::zero_extend_64_to_128
                    : is_signed(x.type)         ? moves::sign_extend_32_to_64
                                                : moves::zero_extend_32_to_64;
    const std::uint32_t narrow = fresh(want);
    after_.push_back({run, ref.reg, narrow});
    ref.reg = narrow;
    ref.whole = true;
  }
  refer(ref);
}

void Binder::value(const Expected& x, const Operand& o, Ref::Place place, std::size_t index) {
  if (o.kind == Is::sink && index == 0 && place == Ref::Place::op && !may_sink(source_->root)) {
    refuse(o, "cannot take this result; expected a register");
  }
  if (x.write) {
    destination(x, o, place, index);
  } else {
    refer(place, index, source(x, o));
  }
}

void Binder::pair(const Expected& x, const Operand& o) {
  const auto op = static_cast<std::size_t>(x.op);
  Expected first = x, second = x;
  second.type = x.second;
  const Operand& d = o.kind == Is::pair ? o.parts[0] : o;
  value(first, d, Ref::Place::op, op);
  if (o.kind == Is::pair) value(second, o.parts[1], Ref::Place::op, op + 1);
}

void Binder::vector(const Expected& x, const Operand& o) {
  Expected one = x;
  one.kind = Element::Kind::value;
  const auto add = [&](const Operand& part) {
    list_.emplace_back();
    value(one, part, Ref::Place::list, list_.size() - 1);
  };
  if (o.kind == Is::vector) {
    const Operand* sized = nullptr;
    for (const Operand& part : o.parts) {
      if (part.kind == Is::reg && part.component < 0 && part.reg->width > 1)
        refuse(part, "is a vector itself");
      if (part.kind == Is::reg && sized != nullptr && bits_of(part.type) != bits_of(sized->type)) {
        refuse(part, fmt::format("has not the width of '{}'", sized->name));
      }
      if (part.kind == Is::reg) sized = &part;
      add(part);
    }
  } else if (o.kind == Is::special && x.count > 1) {
    for (const char* component : {".x", ".y", ".z", ".w"}) {
      const std::string name = std::string(o.name) + component;
      Operand part = o;
      part.name = name;
      add(part);
    }
  } else if (o.kind == Is::reg && x.count > 1) {
    for (int i = 0; i < x.count; ++i) {
      Operand part = o;
      part.component = static_cast<std::int8_t>(i);
      add(part);
    }
  } else {
    add(o);
  }
}

}  // namespace triptych::emulator
