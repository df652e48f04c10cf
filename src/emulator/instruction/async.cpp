// The family `async`: cp.async (cp_async.cpp), bulk copies (bulk.cpp) and tensors (tensor.cpp).
#include <vector>

#include "emulator/instruction/bulk.h"

namespace triptych::emulator {

std::span<const Form> async_forms() {
  static const std::vector<Form> all = [] {
    std::vector<Form> forms;
    for (const auto part : {cp_async_forms(), bulk_forms(), tensor_forms()}) {
      forms.insert(forms.end(), part.begin(), part.end());
    }
    return forms;
  }();
  return all;
}

}  // namespace triptych::emulator
