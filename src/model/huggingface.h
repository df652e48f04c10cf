/// \file
/// Model folders as transformers reads and writes them: names and layouts of the parameters.
///
/// Here expert weights are one parameter for all experts, with gate and up joined; there each expert's
/// matrices are tensors of their own:
///
///   ours                                            theirs
///   P.mlp.experts.gate_up_proj [E,2F,D]             P.mlp.experts.<e>.gate_proj.weight [F,D], …up_proj…
///   P.mlp.experts.down_proj [E,D,F]                 P.mlp.experts.<e>.down_proj.weight [D,F]
///   P.mlp[.shared_experts].gate_up_proj.weight      P.mlp[.shared_experts].gate_proj.weight [F,D], …up_proj…
///   any other linear weight [1,N,K]                 [N,K]
///   everything else                                 as it is
///
/// with P = model.layers.<l>. Every one of theirs is a contiguous piece of one of ours.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "model/model.h"

namespace triptych {

/// A piece of a parameter under its name in a model file.
struct StoredSlice {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0;  ///< first element within the parameter
  std::int64_t count = 0;
};

/// The pieces of a parameter, in the order of its elements, without gaps.
std::vector<StoredSlice> stored_slices(const Parameter& parameter);

/// Writes all masters to a safetensors file: F32, or F64 where masters are f64.
/// Errors: SafetensorsWriter.
void write_parameters(const std::filesystem::path& file, const Model& model);

/// Reads all masters (F64, F32, BF16) and makes the forms that products read. Raises an
/// environment_error that names the file, the tensor and what differs if one is missing, has another
/// shape, or belongs to no parameter. Copies of the embedding and the head that published files keep in
/// the MTP layer are passed over, and so is the whole MTP layer if the model has none.
void read_parameters(const std::filesystem::path& file, Model& model);

/// The model of a config.json: that file, or the one in a model folder. Errors: read_file, parse_config.
ModelConfig read_config(const std::filesystem::path& path);

/// Writes config.json and model.safetensors into a folder that exists.
void save_model(const std::filesystem::path& folder, const Model& model);

/// Reads model.safetensors of a folder whose config has been read. Errors: read_parameters.
void load_model(const std::filesystem::path& folder, Model& model);

}  // namespace triptych
