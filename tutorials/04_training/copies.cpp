// Why the optimizer moves f32 masters: 1000 small updates of one weight, with and without one.
#include <fmt/format.h>

#include "triptych/dtype.h"

int main() {
  using triptych::bf16;
  fmt::print("each update   f32 master   its bf16 copy   bf16 alone\n");
  for (const float update : {0.00002f, 0.00015f}) {
    // [copies]
    float master = 0.06f;
    bf16 alone(master);
    for (int i = 0; i < 1000; ++i) {
      master -= update;                                  // rounds at the 24th bit
      alone = bf16(static_cast<float>(alone) - update);  // rounds at the 8th bit
    }
    // [/copies]
    fmt::print("{:11.5f} {:12.4f} {:15.4f} {:12.4f}\n", update, master,
               static_cast<float>(bf16(master)), static_cast<float>(alone));
  }
}
