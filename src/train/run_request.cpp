#include <fmt/format.h>

#include "train/training_run.h"

namespace triptych {

void RunRequest::validate() const {
  const auto demand = [](const char* option, std::int64_t value, std::int64_t least) {
    if (value < least) {
      throw usage_error(fmt::format("train: --{} is {}; wanted {} or more", option, value, least));
    }
  };
  demand("threads", threads, 0);
  demand("eval-every", eval_every, 0);
  demand("eval-windows", eval_windows, 1);
  demand("checkpoint-every", checkpoint_every, 0);
  demand("sample-bytes", sample_bytes, 0);
}

}  // namespace triptych
