/// \file
/// How memory instructions keep their space, order and scope in Instr::extra.
#pragma once

#include "emulator/instruction/form.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

/// The space that a modifier names: "shared::cluster" is shared, "param::func" is local (form.h).
Space space_of(std::string_view modifier);

/// Space, semantics and width of the base, packed into 16 bits; a family may use the others.
class AccessCode {
 public:
  explicit AccessCode(std::uint32_t extra) : bits_(extra & 0xFFFF) {}
  AccessCode(Space space, const Semantics& s)
      : bits_(static_cast<std::uint32_t>(space) | static_cast<std::uint32_t>(s.order) << 4 |
              static_cast<std::uint32_t>(s.scope) << 8 | static_cast<std::uint32_t>(s.proxy) << 10 |
              (s.non_coherent ? 1u << 12 : 0u)) {}
  /// From an opcode's modifiers: the space S, the scope O, volatile, relaxed, acquire, release, acq_rel, nc.
  static AccessCode of(const Choice& choice);

  std::uint32_t bits() const { return bits_; }
  Space space() const { return static_cast<Space>(bits_ & 0xF); }
  bool wide() const { return space() != Space::shared; }
  Semantics semantics() const {
    return {static_cast<Order>(bits_ >> 4 & 0xF), static_cast<Scope>(bits_ >> 8 & 3), static_cast<Proxy>(bits_ >> 10 & 3),
            (bits_ >> 12 & 1) != 0};
  }

 private:
  std::uint32_t bits_;
};

/// The scope that a modifier names.
Scope scope_of(std::string_view modifier);

}  // namespace triptych::emulator
