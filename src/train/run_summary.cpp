#include "train/training_run.h"

namespace triptych {

nlohmann::ordered_json to_json(const RunSummary& s) {
  nlohmann::ordered_json json = {{"parameters", s.parameters.total},
                                 {"active_parameters", s.parameters.active},
                                 {"steps", s.steps},
                                 {"held_out_bits", s.held_out_bits},
                                 {"bigram_bits", s.bigram_bits}};
  if (s.entropy_rate >= 0) json["entropy_rate"] = s.entropy_rate;
  json["largest_share"] = s.shares.largest;
  json["smallest_share"] = s.shares.smallest;
  json["seconds"] = s.seconds;
  json["predicted_bytes"] = s.predicted_bytes;
  json["peak_bytes"] = s.peak_bytes;
  json["prompt"] = s.prompt;
  json["sample"] = s.sample;
  json["checkpoint"] = s.checkpoint.string();
  json["report"] = s.report.string();
  json["metrics"] = s.metrics.string();
  return json;
}

}  // namespace triptych
