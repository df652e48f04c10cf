// metrics.jsonl: its lines are written so that they read the same, a resume keeps the first of
// them, and the shares of lines that pass are shares.
#include "fuzz.h"
#include "temporary_folder.h"
#include "train/metrics.h"
#include "train/run_report.h"

using namespace triptych;
using Json = nlohmann::ordered_json;

namespace {

Json without_step(Json line) {
  line.erase("step");
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const testing::TemporaryFolder folder;
  const std::string path = folder.write("metrics.jsonl", fuzz::text_of(data, size));
  const auto lines = fuzz::read("metrics.jsonl", size, [&] { return read_metrics(path); });
  if (!lines) return 0;
  std::filesystem::remove(folder / "again");
  {
    MetricsWriter writer(folder / "again", -1);
    for (const Json& line : *lines) writer.write(line["step"], without_step(line));
  }
  const auto again = read_metrics(folder / "again");
  fuzz::expect(again.size() == lines->size(), "lines are lost");
  for (std::size_t i = 0; i < again.size(); ++i) {
    fuzz::expect(again[i]["step"] == (*lines)[i]["step"], "another step");
    fuzz::expect(without_step(again[i]) == without_step((*lines)[i]), "it reads otherwise");
  }
  const auto checked = fuzz::read("metrics.jsonl", size, [&] {
    check_loads(*lines, path, 2, 8, 1024);
    return true;
  });
  if (checked) {
    const LoadShares shares = late_load_shares(*lines, 3);
    fuzz::expect(shares.largest <= 1 && shares.smallest >= 0, "no shares");
  }
  if (lines->empty()) return 0;
  const std::size_t kept = lines->size() / 2;
  { const MetricsWriter resumed(path, (*lines)[kept]["step"]); }
  fuzz::expect(read_metrics(path).size() == kept + 1, "a resume keeps other lines");
  return 0;
}
