#include "emulator/instruction/form.h"

namespace triptych::emulator {

std::span<const Form> half_forms() { return {}; }

}  // namespace triptych::emulator
