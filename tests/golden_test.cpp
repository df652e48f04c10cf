// ctest: timeout=60 labels=sanitize processors=2
// The model in f64 against what transformers computed in float64 (tests/golden/README.md): logits, loss,
// every token's experts by their load, and every parameter's gradient.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "model/huggingface.h"
#include "model/model.h"
#include "model/safetensors.h"
#include "triptych/tier.h"

namespace triptych {
namespace {

const std::filesystem::path folder = std::filesystem::path(TRIPTYCH_SOURCE_DIR) / "tests/golden";

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

template <class T>
std::vector<T> read(const SafetensorsReader& file, const std::string& name) {
  const StoredTensor& tensor = file.at(name);
  std::vector<T> values(static_cast<std::size_t>(tensor.count()));
  file.read(tensor, std::span<T>(values));
  return values;
}

/// Agreement to 1e-9 of the largest element, which is what two correct f64 implementations reach.
void expect_close(const double* got, const std::vector<double>& want, const std::string& what) {
  double largest = 0, worst = 0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    largest = std::max(largest, std::fabs(want[i]));
    const double error = std::fabs(got[i] - want[i]);
    if (!(error <= worst)) {
      worst = error;
      where = i;
    }
  }
  EXPECT_LE(worst, 1e-9 * largest + 1e-15)
      << what << " element " << where << ": got " << (want.empty() ? 0 : got[where]) << ", wanted "
      << (want.empty() ? 0 : want[where]);
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, AgreesWithTransformers) {
  const std::filesystem::path here = folder / GetParam();
  const SafetensorsReader file(here / "golden.safetensors");
  const ModelConfig config = read_config(here);
  const StoredTensor& ids = file.at("input_ids");
  const std::int64_t batch = ids.shape[0], sequence = ids.shape[1], count = batch * sequence;
  const auto tier = make_tier({"reference", 2});
  Model model(*tier, config,
              {.precision = Precision::f64, .batch = batch, .sequence = sequence, .balance_alpha = 0});
  load_model(here, model);

  const auto tokens = read<std::int32_t>(file, "input_ids"), labels = read<std::int32_t>(file, "labels");
  std::vector<std::int32_t> after(labels.size(), -1);
  for (std::int64_t i = 0; i < count; ++i) {
    if (i % sequence + 1 < sequence) {
      after[static_cast<std::size_t>(i)] = labels[static_cast<std::size_t>(i) + 1];
    }
  }
  Arena arena(*tier, static_cast<std::size_t>(count) * 12 + 1024);
  Batch input;
  for (const auto& [to, values] : {std::pair{&input.tokens, &tokens}, std::pair{&input.targets, &labels},
                                   std::pair{&input.mtp_targets, &std::as_const(after)}}) {
    const Tensor tensor = arena.take(DType::i32, {count});
    tier->upload(tensor, values->data());
    *to = tensor;
  }
  input.mtp_count = batch * (sequence - 1);

  // Forward: logits and loss.
  model.begin_step();
  model.forward(input);
  expect_close(model.logits().as<double>(), read<double>(file, "logits"), "logits");
  const bool mtp = config.num_nextn_predict_layers > 0;
  if (mtp) expect_close(model.mtp_logits().as<double>(), read<double>(file, "mtp_logits"), "mtp_logits");
  const StepSums sums = model.read_sums();
  double loss = sums.loss / static_cast<double>(count);
  if (mtp) {
    EXPECT_NEAR(loss, read<double>(file, "main_loss")[0], 1e-10);
    const double second = sums.mtp_loss / static_cast<double>(input.mtp_count);
    EXPECT_NEAR(second, read<double>(file, "mtp_loss")[0], 1e-10);
    ASSERT_EQ(read<double>(file, "mtp_weight")[0], model.options().mtp_weight);
    loss += model.options().mtp_weight * second;
  }
  EXPECT_NEAR(loss, read<double>(file, "loss")[0], 1e-10);

  // Routes: how many tokens each expert got.
  for (std::size_t layer = 0; layer < model.loads().size(); ++layer) {
    const std::string name =
        "experts.model.layers." + std::to_string(config.first_k_dense_replace + static_cast<std::int64_t>(layer));
    if (file.find(name) == nullptr) continue;
    std::vector<std::int32_t> want(static_cast<std::size_t>(config.n_routed_experts), 0);
    for (const std::int32_t expert : read<std::int32_t>(file, name)) ++want[static_cast<std::size_t>(expert)];
    const auto* got = model.loads()[layer].as<std::int32_t>();
    EXPECT_EQ(std::vector<std::int32_t>(got, got + want.size()), want) << name;
  }

  // Backward: every parameter's gradient, tensor by tensor as the file has them.
  model.begin_step();
  model.forward_backward(input, 1);
  EXPECT_EQ(tier->take_fault().fault, Fault::none);
  int compared = 0;
  for (const Parameter& p : model.parameters().all()) {
    if (!p.trained()) continue;
    for (const StoredSlice& slice : stored_slices(p)) {
      if (slice.count == 0) continue;
      const std::vector<double> want = read<double>(file, "grad." + slice.name);
      ASSERT_EQ(static_cast<std::int64_t>(want.size()), slice.count) << slice.name;
      expect_close(p.grad.as<double>() + slice.begin, want, "gradient of " + slice.name);
      ++compared;
    }
  }
  EXPECT_GT(compared, 10);
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(cases()),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace triptych
