#include "train/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <span>

#include "model/crc32c.h"
#include "model/huggingface.h"
#include "model/safetensors.h"
#include "model/strict_json.h"
#include "train/tokenizer.h"

namespace triptych {
namespace {

constexpr std::size_t state_limit = std::size_t{1} << 20;
/// Elements of a moment that are moved at a time.
constexpr std::int64_t piece = std::int64_t{1} << 20;
constexpr const char* model_file = "model.safetensors";
constexpr const char* optimizer_file = "optimizer.safetensors";
constexpr const char* config_file = "config.json";
constexpr const char* state_file = "state.json";
constexpr const char* unfinished = ".tmp";

using Json = nlohmann::json;

/// N of "step-N"; nothing for another name.
std::optional<std::int64_t> step_of(const std::string& name) {
  const std::string prefix = "step-";
  if (name.rfind(prefix, 0) != 0) return std::nullopt;
  std::int64_t step = 0;
  const char* const end = name.data() + name.size();
  const auto [last, error] = std::from_chars(name.data() + prefix.size(), end, step);
  if (error != std::errc() || last != end || step < 0) return std::nullopt;
  return step;
}

std::uint32_t sum_of(const std::string& text) {
  return crc32c(std::as_bytes(std::span<const char>(text)));
}

/// A moment under its name in optimizer.safetensors.
struct Moment {
  std::string name;
  const Tensor* tensor;
};

std::vector<Moment> moments(const Model& model) {
  std::vector<Moment> all;
  for (const Parameter& p : model.parameters().all()) {
    if (!p.trained()) continue;
    all.push_back({p.name + ".first", &p.first});
    all.push_back({p.name + ".second", &p.second});
  }
  return all;
}

std::vector<std::int64_t> extents(const Shape& shape) {
  std::vector<std::int64_t> result;
  for (int i = 0; i < shape.rank(); ++i) result.push_back(shape[i]);
  return result;
}

/// Calls f(tensor, byte offset, bytes) for consecutive pieces of a moment.
template <class F>
void for_pieces(const Tensor& moment, F&& f) {
  const Tensor flat = moment.reshape({moment.count()});
  for (std::int64_t begin = 0; begin < moment.count(); begin += piece) {
    f(flat.rows(begin, std::min(piece, moment.count() - begin)));
  }
}

void write_moments(const std::filesystem::path& file, const Model& model) {
  std::vector<StoredTensor> layout;
  for (const Moment& m : moments(model)) {
    layout.push_back({m.name, stored_type(m.tensor->dtype), extents(m.tensor->shape)});
  }
  SafetensorsWriter writer(file, layout);
  std::vector<std::byte> buffer;
  for (const Moment& m : moments(model)) {
    for_pieces(*m.tensor, [&](const Tensor& part) {
      buffer.resize(part.bytes());
      model.tier().download(buffer.data(), part);
      writer.append(m.name, std::span<const std::byte>(buffer));
    });
  }
  writer.finish();
}

void read_moments(const std::filesystem::path& file, Model& model) {
  const SafetensorsReader reader(file);
  const std::vector<Moment> all = moments(model);
  if (reader.tensors().size() != all.size()) {
    throw environment_error(fmt::format("{}: {} tensors, wanted {}; it belongs to another model",
                                        quoted_path(file), reader.tensors().size(), all.size()));
  }
  std::vector<std::byte> buffer;
  for (const Moment& m : all) {
    const StoredTensor& stored = reader.at(m.name, extents(m.tensor->shape));
    if (stored.type != stored_type(m.tensor->dtype)) {
      throw environment_error(fmt::format("{}: tensor {} is {}, wanted {}; it belongs to a run of another "
                                          "precision", quoted_path(file), quoted_text(m.name),
                                          name_of(stored.type), name_of(stored_type(m.tensor->dtype))));
    }
    buffer.resize(m.tensor->bytes());
    reader.read_bytes(stored, buffer);
    model.tier().upload(*m.tensor, buffer.data());
  }
}

/// The CRC-32C of all members but itself, whatever their order.
std::string sum_of_members(Json state) {
  state.erase("crc32c");
  return fmt::format("{:08x}", sum_of(state.dump()));
}

nlohmann::ordered_json state_json(const Trainer& trainer, std::uint64_t text, const std::string& config) {
  nlohmann::ordered_json state = {{"format", 1},
                                  {"step", trainer.steps()},
                                  {"loader", Json(trainer.loader_state())},
                                  {"text", fmt::format("{:016x}", text)},
                                  {"config_crc32c", fmt::format("{:08x}", sum_of(config))},
                                  {"options", to_json(trainer.options())}};
  state["crc32c"] = sum_of_members(state);
  return state;
}

void write_files(const std::filesystem::path& folder, const Trainer& trainer, std::uint64_t text) {
  const std::string config = config_json(trainer.model().config());
  write_parameters(folder / model_file, trainer.model());
  write_moments(folder / optimizer_file, trainer.model());
  write_file(folder / config_file, config);
  write_tokenizer(folder);
  write_file(folder / state_file, state_json(trainer, text, config).dump(2) + "\n");
}

/// Takes a checkpoint's name away before its files go, so that no torn one ever bears it.
void remove_checkpoint(const std::filesystem::path& checkpoint) {
  std::filesystem::path doomed = checkpoint;
  doomed += unfinished;
  std::error_code error;
  std::filesystem::rename(checkpoint, doomed, error);
  if (!error) std::filesystem::remove_all(doomed, error);
}

/// Reads state.json's object field by field; every error names the file, the field and its value.
class StateReader {
 public:
  StateReader(const Json& json, const std::string& where) : json_(json), where_(where) {}

  TrainState read(const std::string& config, const std::string& config_where) const {
    if (!json_.is_object()) throw error(fmt::format("it is {}, wanted an object", shown(json_)));
    if (field("format") != 1) {
      throw error(fmt::format("format is {}, this version reads 1", shown(field("format"))));
    }
    if (field("config_crc32c") != fmt::format("{:08x}", sum_of(config))) {
      throw error("config.json beside it is not the one that it was saved with; put that back");
    }
    TrainState state;
    state.config = parse_config(config, config_where);
    read_options(state);
    const Json& step = field("step");
    if (!step.is_number_unsigned() || step > state.options.steps) {
      throw error(fmt::format("step is {}, wanted 0 to the run's {}", shown(step), state.options.steps));
    }
    step.get_to(state.steps);
    state.text = fingerprint(field("text"));
    // Last, so that a field that makes no sense is named.
    if (field("crc32c") != sum_of_members(json_)) {
      throw error("crc32c does not agree with what is in it: it was changed since it was saved");
    }
    return state;
  }

 private:
  Error error(const std::string& what) const {
    return environment_error(fmt::format("{}: {}; use another checkpoint", where_, what));
  }

  const Json& field(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end()) throw error(fmt::format("{} is missing", name));
    return *found;
  }

  void read_options(TrainState& state) const {
    state.options = parse_train_options(field("options"), where_);
    try {
      from_json(field("loader"), state.loader);
      state.options.resolve(state.config);
    } catch (const Error& cause) {
      throw environment_error(fmt::format("{}: {}", where_, cause.what()));
    }
  }

  std::uint64_t fingerprint(const Json& text) const {
    std::uint64_t value = 0;
    if (text.is_string()) {
      const auto& digits = text.get_ref<const std::string&>();
      const char* const end = digits.data() + digits.size();
      const auto [last, failed] = std::from_chars(digits.data(), end, value, 16);
      if (failed == std::errc() && last == end) return value;
    }
    throw error(fmt::format("text is {}, wanted 16 hexadecimal digits", shown(text)));
  }

  const Json& json_;
  const std::string& where_;
};

}  // namespace

std::vector<std::filesystem::path> checkpoints_of(const std::filesystem::path& run) {
  std::vector<std::pair<std::int64_t, std::filesystem::path>> found;
  std::error_code error;
  for (std::filesystem::directory_iterator it(run, error), end; !error && it != end; it.increment(error)) {
    const auto step = step_of(it->path().filename().string());
    if (step && it->is_directory(error)) found.emplace_back(*step, it->path());
  }
  std::sort(found.begin(), found.end());
  std::vector<std::filesystem::path> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

void remove_unfinished(const std::filesystem::path& run) {
  std::vector<std::filesystem::path> doomed;
  std::error_code error;
  for (std::filesystem::directory_iterator it(run, error), end; !error && it != end; it.increment(error)) {
    const std::filesystem::path path = it->path();
    if (path.extension() == unfinished && step_of(path.stem().string())) doomed.push_back(path);
  }
  for (const auto& path : doomed) std::filesystem::remove_all(path, error);
}

std::filesystem::path write_checkpoint(const std::filesystem::path& run, const Trainer& trainer,
                                       std::uint64_t text, int keep) {
  const std::filesystem::path finished = run / fmt::format("step-{}", trainer.steps());
  std::filesystem::path folder = finished;
  folder += unfinished;
  try {
    make_fresh_directory(folder);
    write_files(folder, trainer, text);
    publish_directory(folder, finished);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    throw;
  }
  const auto all = checkpoints_of(run);
  const auto kept = static_cast<std::size_t>(keep);
  for (std::size_t i = 0; i + kept < all.size(); ++i) remove_checkpoint(all[i]);
  return finished;
}

TrainState read_state(const std::filesystem::path& checkpoint) {
  const std::filesystem::path config_path = checkpoint / config_file, state_path = checkpoint / state_file;
  const std::string config = read_file(config_path, state_limit);
  const std::string text = read_file(state_path, state_limit);
  const std::string where = quoted_path(state_path);
  const Json json = parse_strict_json(text, where, ErrorKind::environment, "use another checkpoint");
  return StateReader(json, where).read(config, quoted_path(config_path));
}

void restore_checkpoint(const std::filesystem::path& checkpoint, const TrainState& state,
                        Trainer& trainer) {
  read_parameters(checkpoint / model_file, trainer.model());
  read_moments(checkpoint / optimizer_file, trainer.model());
  trainer.restore(state.steps, state.loader);
}

}  // namespace triptych
