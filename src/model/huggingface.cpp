#include "model/huggingface.h"

#include <fmt/format.h>

#include <set>
#include <span>

#include "model/file_io.h"
#include "model/safetensors.h"

namespace triptych {
namespace {

constexpr std::size_t config_bytes = std::size_t{1} << 20;
/// Elements that are moved at a time: the host's memory beside the tier's.
constexpr std::int64_t piece = std::int64_t{1} << 20;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// A piece of a parameter's master.
Tensor elements(const Parameter& p, std::int64_t begin, std::int64_t count) {
  return p.master.reshape({p.shape.count()}).rows(begin, count);
}

/// transformers gives layers without shared experts matrices of width 0, and misses them in a file.
void add_empty_shared_experts(std::vector<StoredTensor>& layout, const Model& model) {
  const ModelConfig& c = model.config();
  if (c.n_shared_experts > 0) return;
  const StoredType type = stored_type(accumulation_dtype(model.options().precision));
  const std::int64_t layers = c.num_hidden_layers + c.num_nextn_predict_layers;
  for (std::int64_t l = c.first_k_dense_replace; l < layers; ++l) {
    const std::string prefix = fmt::format("model.layers.{}.mlp.shared_experts.", l);
    layout.push_back({prefix + "gate_proj.weight", type, {0, c.hidden_size}});
    layout.push_back({prefix + "up_proj.weight", type, {0, c.hidden_size}});
    layout.push_back({prefix + "down_proj.weight", type, {c.hidden_size, 0}});
  }
}

std::vector<StoredTensor> file_layout(const Model& model) {
  std::vector<StoredTensor> layout;
  add_empty_shared_experts(layout, model);
  for (const Parameter& p : model.parameters().all()) {
    for (const StoredSlice& slice : stored_slices(p)) {
      layout.push_back({slice.name, stored_type(p.master.dtype), slice.shape});
    }
  }
  return layout;
}

template <class T>
void write_slice(SafetensorsWriter& writer, Tier& tier, const Parameter& p, const StoredSlice& slice,
                 std::vector<T>& buffer) {
  for (std::int64_t done = 0; done < slice.count; done += piece) {
    const std::int64_t count = std::min(piece, slice.count - done);
    buffer.resize(static_cast<std::size_t>(count));
    tier.download(buffer.data(), elements(p, slice.begin + done, count));
    writer.append(slice.name, std::span<const T>(buffer));
  }
}

template <class T>
void read_slice(const SafetensorsReader& reader, Tier& tier, const Parameter& p,
                const StoredSlice& slice, std::vector<T>& buffer) {
  buffer.resize(static_cast<std::size_t>(slice.count));
  reader.read(reader.at(slice.name, slice.shape), std::span<T>(buffer));
  tier.upload(elements(p, slice.begin, slice.count), buffer.data());
}

/// Whether a tensor without a parameter is one that model files are known to carry besides.
bool passed_over(const StoredTensor& tensor, const ModelConfig& config) {
  if (tensor.count() == 0) return true;
  const std::string& name = tensor.name;
  const std::string mtp = fmt::format("model.layers.{}.", config.num_hidden_layers);
  if (name.rfind(mtp, 0) != 0) return false;
  return config.num_nextn_predict_layers == 0 || name == mtp + "embed_tokens.weight" ||
         name == mtp + "shared_head.head.weight";
}

void check_names(const SafetensorsReader& reader, const Model& model) {
  std::set<std::string> known;
  for (const Parameter& p : model.parameters().all()) {
    for (const StoredSlice& slice : stored_slices(p)) known.insert(slice.name);
  }
  for (const StoredTensor& tensor : reader.tensors()) {
    if (known.contains(tensor.name) || passed_over(tensor, model.config())) continue;
    throw environment_error(fmt::format("{}: tensor {} belongs to no parameter of the model that config.json "
                                        "describes; use the config.json that was saved with it",
                                        quoted_path(reader.path()), quoted_text(tensor.name)));
  }
}

}  // namespace

std::vector<StoredSlice> stored_slices(const Parameter& p) {
  if (p.kind != ParameterKind::linear) {
    std::vector<std::int64_t> shape;
    for (int i = 0; i < p.shape.rank(); ++i) shape.push_back(p.shape[i]);
    return {{p.name, shape, 0, p.shape.count()}};
  }
  const std::int64_t experts = p.shape[0], n = p.shape[1], k = p.shape[2];
  const std::string fused = "gate_up_proj", routed = "mlp.experts.";
  const bool joined = ends_with(p.name, fused) || ends_with(p.name, fused + ".weight");
  const std::size_t split = p.name.find(routed);
  // "P.mlp.experts.down_proj" → "P.mlp.experts.", "down_proj"; others keep their whole name.
  const std::string prefix = split == std::string::npos ? "" : p.name.substr(0, split + routed.size());
  const std::string rest = p.name.substr(prefix.size());
  std::vector<StoredSlice> slices;
  const auto add = [&](const std::string& name, std::int64_t rows) {
    const std::int64_t begin = slices.empty() ? 0 : slices.back().begin + slices.back().count;
    slices.push_back({name, {rows, k}, begin, rows * k});
  };
  for (std::int64_t e = 0; e < experts; ++e) {
    const std::string owner = prefix.empty() ? "" : fmt::format("{}{}.", prefix, e);
    const std::string end = prefix.empty() ? "" : ".weight";
    if (!joined) {
      add(owner + rest + end, n);
      continue;
    }
    const std::size_t at = rest.find(fused);
    const std::string before = rest.substr(0, at), after = rest.substr(at + fused.size());
    add(owner + before + "gate_proj" + after + end, n / 2);
    add(owner + before + "up_proj" + after + end, n / 2);
  }
  return slices;
}

void write_parameters(const std::filesystem::path& file, const Model& model) {
  SafetensorsWriter writer(file, file_layout(model));
  std::vector<float> narrow;
  std::vector<double> wide;
  for (const Parameter& p : model.parameters().all()) {
    for (const StoredSlice& slice : stored_slices(p)) {
      if (p.master.dtype == DType::f64) {
        write_slice(writer, model.tier(), p, slice, wide);
      } else {
        write_slice(writer, model.tier(), p, slice, narrow);
      }
    }
  }
  writer.finish();
}

void read_parameters(const std::filesystem::path& file, Model& model) {
  const SafetensorsReader reader(file);
  check_names(reader, model);
  std::vector<float> narrow;
  std::vector<double> wide;
  for (const Parameter& p : model.parameters().all()) {
    for (const StoredSlice& slice : stored_slices(p)) {
      if (p.master.dtype == DType::f64) {
        read_slice(reader, model.tier(), p, slice, wide);
      } else {
        read_slice(reader, model.tier(), p, slice, narrow);
      }
    }
  }
  model.parameters().refresh(model.tier());
}

ModelConfig read_config(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::path file = std::filesystem::is_directory(path, ignored) ? path / "config.json" : path;
  return parse_config(read_file(file, config_bytes), quoted_path(file));
}

void save_model(const std::filesystem::path& folder, const Model& model) {
  write_file(folder / "config.json", config_json(model.config()));
  write_parameters(folder / "model.safetensors", model);
}

void load_model(const std::filesystem::path& folder, Model& model) {
  const std::filesystem::path file = folder / "model.safetensors";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored) &&
      std::filesystem::exists(folder / "model.safetensors.index.json", ignored)) {
    throw environment_error(fmt::format("{}: the model is cut in several files; save it as one "
                                        "(save_pretrained with a larger max_shard_size)",
                                        quoted_path(folder)));
  }
  read_parameters(file, model);
}

}  // namespace triptych
