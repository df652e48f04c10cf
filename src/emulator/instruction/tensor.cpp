#include "emulator/instruction/bulk.h"

namespace triptych::emulator {

std::span<const Form> tensor_forms() { return {}; }

}  // namespace triptych::emulator
