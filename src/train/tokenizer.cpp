#include "train/tokenizer.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "model/file_io.h"
#include "model/strict_json.h"
#include "triptych/error.h"

namespace triptych {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

/// How a byte string begins: with a character, a broken one, or one that needs more bytes.
struct Character {
  std::size_t length = 1;  // bytes that belong together
  bool valid = true;
  bool complete = true;
};

/// Unicode's table 3-7. REQUIRES: bytes is not empty.
Character first_character(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {};
  if (lead < 0xC2 || lead > 0xF4) return {1, false, true};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  // Only the second byte's range depends on the first: overlong forms, surrogates, U+10FFFF.
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {i, true, false};
    if (byte(i) < low || byte(i) > high) return {i, false, true};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true, true};
}

bool is_control(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (lead < 0x20) return lead != '\n' && lead != '\t';
  // U+0080 … U+009F, the second set of control characters, is C2 80 … C2 9F.
  return lead == 0x7F || (lead == 0xC2 && static_cast<unsigned char>(character[1]) < 0xA0);
}

/// The characters that stand for the bytes in byte-level BPE files (GPT-2's bytes_to_unicode): the
/// printable bytes of Latin-1 stand for themselves, the 68 others for U+0100, U+0101, … in order.
std::array<std::string, 256> byte_symbols() {
  std::array<std::string, 256> symbols;
  unsigned next = 0x100;
  for (unsigned b = 0; b < 256; ++b) {
    const bool itself = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
    const unsigned code = itself ? b : next++;
    if (code < 0x80) {
      symbols[b] = std::string(1, static_cast<char>(code));
    } else {
      symbols[b] = {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
    }
  }
  return symbols;
}

}  // namespace

std::vector<std::int32_t> encode(std::string_view bytes) {
  std::vector<std::int32_t> tokens(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) tokens[i] = static_cast<unsigned char>(bytes[i]);
  return tokens;
}

std::string decode(std::span<const std::int32_t> tokens) {
  std::string bytes;
  bytes.reserve(tokens.size());
  for (const std::int32_t token : tokens) {
    if (token < 0 || token >= byte_vocabulary) {
      throw usage_error(fmt::format("decode: token {} is not a byte; tokens are 0 … {}", token,
                                    byte_vocabulary - 1));
    }
    bytes.push_back(static_cast<char>(token));
  }
  return bytes;
}

std::string TerminalText::feed(std::string_view bytes) {
  const std::string all = std::exchange(held_, {}) + std::string(bytes);
  std::string shown;
  for (std::string_view rest = all; !rest.empty();) {
    const Character character = first_character(rest);
    if (!character.complete) {
      held_ = rest;
      break;
    }
    const std::string_view piece = rest.substr(0, character.length);
    shown += !character.valid || is_control(piece) ? replacement : piece;
    rest.remove_prefix(character.length);
  }
  return shown;
}

std::string TerminalText::finish() {
  return std::exchange(held_, {}).empty() ? std::string() : std::string(replacement);
}

std::string printable(std::string_view bytes) {
  TerminalText text;
  std::string shown = text.feed(bytes);
  return shown + text.finish();
}

std::string tokenizer_json() {
  nlohmann::ordered_json vocabulary = nlohmann::ordered_json::object();
  int id = 0;
  for (const std::string& symbol : byte_symbols()) vocabulary[symbol] = id++;
  const nlohmann::ordered_json byte_level = {{"type", "ByteLevel"},
                                             {"add_prefix_space", false},
                                             {"trim_offsets", false},
                                             {"use_regex", false}};
  const nlohmann::ordered_json file = {{"version", "1.0"},
                                       {"truncation", nullptr},
                                       {"padding", nullptr},
                                       {"added_tokens", nlohmann::ordered_json::array()},
                                       {"normalizer", nullptr},
                                       {"pre_tokenizer", byte_level},
                                       {"post_processor", nullptr},
                                       {"decoder", byte_level},
                                       {"model",
                                        {{"type", "BPE"},
                                         {"dropout", nullptr},
                                         {"unk_token", nullptr},
                                         {"continuing_subword_prefix", nullptr},
                                         {"end_of_word_suffix", nullptr},
                                         {"fuse_unk", false},
                                         {"byte_fallback", false},
                                         {"vocab", vocabulary},
                                         {"merges", nlohmann::ordered_json::array()}}}};
  return file.dump(2) + '\n';
}

void write_tokenizer(const std::filesystem::path& folder) {
  write_file(folder / "tokenizer.json", tokenizer_json());
  const nlohmann::ordered_json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                         {"add_prefix_space", false},
                                         {"clean_up_tokenization_spaces", false}};
  write_file(folder / "tokenizer_config.json", config.dump(2) + '\n');
}

void require_byte_tokenizer(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer.json";
  if (std::error_code ignored; !std::filesystem::exists(path, ignored)) return;
  const auto refuse = [&](const std::string& difference) {
    return environment_error(
        fmt::format("{} is not the byte-level tokenizer: {}; use a model whose "
                    "tokens are bytes",
                    quoted_path(path), difference));
  };
  const nlohmann::json file =
      parse_strict_json(read_file(path, std::size_t{64} << 20), quoted_path(path),
                        ErrorKind::environment, "get it again, or remove it");
  if (!file.is_object() || !file.contains("model") || !file["model"].is_object()) {
    throw refuse("it has no object 'model'");
  }
  const nlohmann::json vocabulary = file["model"].value("vocab", nlohmann::json());
  if (!vocabulary.is_object() || vocabulary.size() != byte_vocabulary) {
    throw refuse(
        fmt::format("it has {} symbols instead of {}", vocabulary.size(), byte_vocabulary));
  }
  const std::array<std::string, 256> symbols = byte_symbols();
  for (std::size_t b = 0; b < symbols.size(); ++b) {
    const auto found = vocabulary.find(symbols[b]);
    if (found == vocabulary.end() || *found != b) {
      throw refuse(fmt::format("byte {} does not have the id {}", b, b));
    }
  }
  for (const nlohmann::json& list : {file["model"].value("merges", nlohmann::json::array()),
                                     file.value("added_tokens", nlohmann::json::array())}) {
    if (!list.empty()) throw refuse("it has merges or added tokens");
  }
}

}  // namespace triptych
