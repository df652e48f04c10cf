// state.json of a checkpoint. Its sums are put right first, where the text has a place for them:
// they keep chance out, and the reader must bear with malice too.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "model/crc32c.h"
#include "temporary_folder.h"
#include "train/checkpoint.h"

using namespace triptych;

namespace {

std::string sum_of(const std::string& text) {
  return fmt::format("{:08x}", crc32c(std::as_bytes(std::span(text))));
}

std::string with_right_sums(std::string_view text, const std::string& config) {
  // Not parsed beyond a depth that comparing and writing it could not bear.
  const auto shallow = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    return depth < 32;
  };
  auto state = nlohmann::json::parse(text, shallow, false);
  if (!state.is_object() || !state.contains("crc32c")) return std::string(text);
  state["config_crc32c"] = sum_of(config);
  state.erase("crc32c");
  state["crc32c"] = sum_of(state.dump());
  return state.dump();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const testing::TemporaryFolder folder;
  static const std::string config = config_json(preset_config("nano"));
  static const std::string config_file = folder.write("config.json", config);
  folder.write("state.json", with_right_sums(fuzz::text_of(data, size), config));
  const auto state = fuzz::read("state.json", size, [&] { return read_state(folder.path()); });
  if (!state) return 0;
  fuzz::expect(state->config == preset_config("nano"), "another config");
  fuzz::expect(state->steps >= 0 && state->steps <= state->options.steps,
               "a step beyond the run's");
  fuzz::expect(state->loader.epoch >= 0 && state->loader.position >= 0, "a place before the first");
  TrainOptions options = state->options;
  options.resolve(state->config);
  fuzz::expect(to_json(options) == to_json(state->options), "options that are not resolved");
  return 0;
}
