// The options of a run as JSON: those that are read are written as they stood there, and resolving
// them twice changes no more than once.
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "model/strict_json.h"
#include "train/options.h"

using namespace triptych;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = fuzz::read("state.json", size, [&] {
    return parse_strict_json(fuzz::text_of(data, size), "state.json", ErrorKind::environment,
                             "remedy");
  });
  if (!json) return 0;
  const auto options =
      fuzz::read("state.json", size, [&] { return parse_train_options(*json, "state.json"); });
  if (!options) return 0;
  fuzz::expect(nlohmann::json(to_json(*options)) == *json, "other options than in the text");
  const auto resolved = fuzz::read("", size, [&] {
    TrainOptions o = *options;
    o.resolve({});
    return o;
  });
  if (!resolved) return 0;
  TrainOptions twice = *resolved;
  twice.resolve({});
  fuzz::expect(to_json(twice) == to_json(*resolved), "resolving twice gives something else");
  return 0;
}
