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

using Json = nlohmann::ordered_json;

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
std::string sum_of_members(const Json& state) {
  nlohmann::json members(state);
  members.erase("crc32c");
  return fmt::format("{:08x}", sum_of(members.dump()));
}

Json state_json(const Trainer& trainer, std::uint64_t text, const std::string& config) {
  nlohmann::json loader;
  to_json(loader, trainer.loader_state());
  Json state = {{"format", 1},
                {"step", trainer.steps()},
                {"loader", Json(loader)},
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

TrainState parse_state(const Json& json, const std::string& where, const std::string& config) {
  TrainState state;
  if (json.at("format") != 1) {
    throw environment_error(fmt::format("{}: format is {}, this version reads 1", where,
                                        json.at("format").dump()));
  }
  json.at("step").get_to(state.steps);
  if (state.steps < 0) {
    throw environment_error(fmt::format("{}: step is {}, wanted 0 or more; use another checkpoint", where,
                                        state.steps));
  }
  try {
    from_json(nlohmann::json(json.at("loader")), state.loader);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", where, error.what()));
  }
  const auto text = json.at("text").get<std::string>();
  const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), state.text, 16);
  if (error != std::errc() || last != text.data() + text.size()) {
    throw environment_error(fmt::format("{}: text is {}, wanted 16 hexadecimal digits; use another "
                                        "checkpoint", where, quoted_text(text)));
  }
  const auto sum = json.at("config_crc32c").get<std::string>();
  if (sum != fmt::format("{:08x}", sum_of(config))) {
    throw environment_error(fmt::format("{}: config.json beside it is not the one that it was saved with; "
                                        "put that back, or use another checkpoint", where));
  }
  state.options = parse_train_options(json.at("options"), where);
  if (json.at("crc32c") != sum_of_members(json)) {
    throw environment_error(fmt::format("{}: crc32c does not agree with what is in it: it was changed since "
                                        "it was saved; use another checkpoint", where));
  }
  return state;
}

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
  const std::filesystem::path file = checkpoint / state_file;
  const std::string where = file.string();
  const std::string config = read_file(checkpoint / config_file, state_limit);
  const std::string text = read_file(file, state_limit);
  try {
    const Json json = parse_strict_json(text, where, ErrorKind::environment, "use another checkpoint");
    TrainState state = parse_state(json, where, config);
    state.config = parse_config(config, (checkpoint / config_file).string());
    return state;
  } catch (const nlohmann::json::exception& error) {
    throw environment_error(fmt::format("{}: {}; use another checkpoint", where, error.what()));
  }
}

void restore_checkpoint(const std::filesystem::path& checkpoint, const TrainState& state,
                        Trainer& trainer) {
  read_parameters(checkpoint / model_file, trainer.model());
  read_moments(checkpoint / optimizer_file, trainer.model());
  trainer.restore(state.steps, state.loader);
}

}  // namespace triptych
