// tokenizer.json: what is taken for the byte-level tokenizer has its vocabulary.
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "temporary_folder.h"
#include "train/tokenizer.h"

using namespace triptych;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const testing::TemporaryFolder folder;
  static const nlohmann::json ours = nlohmann::json::parse(tokenizer_json());
  const std::string_view text = fuzz::text_of(data, size);
  folder.write("tokenizer.json", text);
  const auto taken = fuzz::read("tokenizer.json", size, [&] {
    require_byte_tokenizer(folder.path());
    return true;
  });
  if (!taken) return 0;
  fuzz::expect(nlohmann::json::parse(text)["model"]["vocab"] == ours["model"]["vocab"],
               "another vocabulary was taken");
  return 0;
}
