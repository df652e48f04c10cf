// config.json: a config that is read is written so that it reads the same.
#include "fuzz.h"
#include "model/config.h"

using namespace triptych;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  const auto config =
      fuzz::read("config.json", size, [&] { return parse_config(text, "config.json"); });
  if (!config) return 0;
  fuzz::expect(parse_config(config_json(*config), "config.json") == *config, "it reads otherwise");
  fuzz::expect(parameter_count(*config).active <= parameter_count(*config).total, "more than all");
  return 0;
}
