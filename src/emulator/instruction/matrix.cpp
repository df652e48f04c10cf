// The family `matrix`: moves between registers and rows in shared memory (matrix_move.cpp), products of
// one warp (mma.cpp, mma_quad.cpp, wmma.cpp).
#include "emulator/instruction/matrix.h"

#include "emulator/instruction/dispatch.h"

namespace triptych::emulator {

bool whole_warp(Warp& w) {
  if (w.alive() != all_lanes) {
    throw KernelFault{FaultKind::protocol, "all 32 lanes of a warp have to execute it, and some have exited or never were",
                      w.exec()};
  }
  return w.gather(all_lanes);
}

std::span<const Form> matrix_forms() {
  static const std::vector<Form> all = join({matrix_move_forms(), mma_forms(), mma_quad_forms(), wmma_forms()});
  return all;
}

}  // namespace triptych::emulator
