// Addresses of variables and in brackets.
#include <fmt/format.h>

#include <algorithm>

#include "emulator/decode/bind.h"
#include "emulator/decode/error.h"
#include "emulator/decode/moves.h"
#include "emulator/machine/memory.h"

namespace triptych::emulator {
namespace {

using Is = Operand::Kind;

/// Whether a variable may stand in an address of this space.
bool space_fits(const Variable& v, Space wanted, bool entry_parameter) {
  switch (wanted) {
    case Space::generic:
      return v.space == Space::global || v.space == Space::shared || v.space == Space::local;
    case Space::local:
      return v.space == Space::local || (v.space == Space::param && !entry_parameter);
    case Space::param:
      return v.space == Space::param && entry_parameter;
    default:
      return v.space == wanted;
  }
}

std::uint64_t window_of(Space space) {
  return space == Space::shared ? window::shared : space == Space::local ? window::local : 0;
}

}  // namespace

/// The place of the frame in local memory: zero in an entry, else copied to a register at the
/// beginning.
Binder::Source Binder::frame_base() {
  if (function_.entry) return {};
  return {.reg = frame_base_};
}

Binder::Address Binder::address_of(const Variable& v) {
  if (const auto at = code_.local_at.find(&v); at != code_.local_at.end()) {
    return {.base = frame_base(), .value = at->second};
  }
  if (const auto at = code_.parameter_at.find(&v); at != code_.parameter_at.end())
    return {.value = at->second};
  if (v.space == Space::shared) {
    if (const auto at = context_.shared.address(function_, v)) return {.value = *at};
    const auto key = std::pair(Special::dynamic_smem_begin, 0);
    const auto [at, fresh] = context_.specials.try_emplace(key, context_.specials.size());
    if (fresh) context_.code.specials.push_back(key);
    return {.base = {.slot = Slot::row(Slot::specials, at->second * special_row_bytes)},
            .base_class = RegisterClass::word};
  }
  const auto at = context_.code.address_of.find(&v);
  if (at == context_.code.address_of.end()) {
    fail(context_.module, source_->at,
         fmt::format("'{}': '{}' is declared but not defined in this module", source_->opcode,
                     v.name));
  }
  return {.value = at->second};
}

Binder::Source Binder::complete(const Address& a, RegisterClass to) {
  if (a.base.absent())
    return {.slot = constants_.row(to == RegisterClass::word ? a.value & 0xFFFFFFFF : a.value, to)};
  if (a.value == 0) return resize(a.base, a.base_class, to);
  const Run add = a.base_class == RegisterClass::wide ? moves::add_64 : moves::add_32;
  return resize(added(add, a.base, a.base_class, static_cast<std::int64_t>(a.value)), a.base_class,
                to);
}

Binder::Address Binder::register_base(const Expected& x, const Operand& o, const Operand& base) {
  const RegisterClass to = wide(x.space) ? RegisterClass::wide : RegisterClass::word;
  const int bits = bits_of(base.type);
  if (is_float(base.type) || base.type == Type::pred || (bits != 16 && bits != 32 && bits != 64)) {
    refuse(base,
           fmt::format("of type .{} holds no address; expected .b32 or .b64", name_of(base.type)));
  }
  if (bits == 32 && (x.space == Space::generic || x.space == Space::global)) {
    refuse(base, "has 32 bits, but the module's addresses have 64");
  }
  if (base.negated) refuse(base, "cannot be negated here");
  Source source{.reg = register_of(*base.reg, base.component)};
  if (bits == 16) source = added(moves::zero_extend_16_to_32, source, RegisterClass::word);
  source = resize(source, bits == 64 ? RegisterClass::wide : RegisterClass::word, to);
  return {.base = source, .base_class = to, .value = static_cast<std::uint64_t>(o.offset)};
}

Binder::Address Binder::address(const Expected& x, const Operand& o) {
  const Operand& base = o.parts[0];
  if (base.kind == Is::reg) return register_base(x, o, base);
  if (base.kind == Is::integer) {
    if (x.space != Space::local)
      refuse(base, "is a number; expected a register or a variable as address");
    return {.value = base.bits + static_cast<std::uint64_t>(o.offset)};
  }
  if (base.kind != Is::variable) refuse(base, "is no address; expected a register or a variable");
  const Variable& v = *base.variable;
  if (!space_fits(v, x.space, code_.parameter_at.count(&v) != 0)) {
    refuse(base,
           fmt::format("is in .{}, which this instruction does not address", name_of(v.space)));
  }
  const auto among = [&](const std::vector<const Variable*>& list) {
    return std::find(list.begin(), list.end(), &v) != list.end();
  };
  if (source_->root == "st" && among(function_.parameters))
    refuse(base, "is an input parameter, which cannot be written");
  if (source_->root == "ld" && among(function_.results))
    refuse(base, "is a return parameter, which cannot be read");
  Address at = address_of(v);
  at.value += static_cast<std::uint64_t>(o.offset);
  if (x.space == Space::generic) {
    at.base = resize(at.base.absent() ? Source{} : at.base,
                     at.base.absent() ? RegisterClass::wide : at.base_class, RegisterClass::wide);
    at.base_class = RegisterClass::wide;
    at.value += window_of(v.space);
  }
  return at;
}

void Binder::bind_address(const Expected& x, const Operand& o) {
  const auto op = static_cast<std::size_t>(x.op);
  const Address at = address(x, o);
  if (address_seen_) {
    refer(Ref::Place::op, op,
          complete(at, wide(x.space) ? RegisterClass::wide : RegisterClass::word));
  } else {
    instr_.imm = static_cast<std::int64_t>(at.value);
    refer(Ref::Place::op, op, at.base);
  }
  address_seen_ = true;
  if (x.kind == Element::Kind::tensor) {
    Expected coordinates{.kind = Element::Kind::vector,
                         .read = true,
                         .type = Type::s32,
                         .count = x.count,
                         .braces = true};
    vector(coordinates, o.parts[1]);
  }
}

}  // namespace triptych::emulator
