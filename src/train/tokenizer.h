/// \file
/// The byte-level tokenizer: a token is a byte, V = 256, no special tokens, no merges.
///
/// Any file can be trained on and nothing is out of vocabulary. Bits a byte and bits a token are
/// the same number, which makes losses comparable with compressors and with the bigram baseline.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace triptych {

/// V, the number of tokens.
inline constexpr std::int64_t byte_vocabulary = 256;

/// The tokens of some bytes: token i is the value, 0 … 255, of byte i. Any bytes are valid.
std::vector<std::int32_t> encode(std::string_view bytes);

/// The bytes of some tokens, the inverse of encode: not necessarily valid UTF-8.
/// A token outside 0 … 255 raises a usage_error that names it.
std::string decode(std::span<const std::int32_t> tokens);

/// Turns bytes that arrive piece by piece into text that a terminal or a page may show.
///
/// A sequence that is not valid UTF-8 (by Unicode's table 3-7: no overlong forms, no surrogates,
/// nothing above U+10FFFF) becomes one U+FFFD for each of its maximal parts. Control characters
/// other than newline and tab become U+FFFD too, so that a model cannot send escape sequences.
/// A character cut by the end of a piece is held back until the rest of it comes.
class TerminalText {
 public:
  /// What can be shown now that `bytes` have arrived.
  std::string feed(std::string_view bytes);
  /// What was held back; call it after the last piece.
  std::string finish();

 private:
  std::string held_;  // the beginning of a character that is valid so far, at most 3 bytes
};

/// `bytes` as text that a terminal may show: TerminalText for bytes that are all there.
std::string printable(std::string_view bytes);

/// The content of the Hugging Face file `tokenizer.json`: a BPE model of 256 symbols and no merges
/// behind a ByteLevel pre-tokenizer, under which each byte of the input becomes the token whose id
/// is the byte's value.
std::string tokenizer_json();

/// Writes `tokenizer.json` and `tokenizer_config.json` into a folder that exists, from which
/// `transformers.AutoTokenizer` and `tokenizers.Tokenizer` load this tokenizer. Errors: write_file.
void write_tokenizer(const std::filesystem::path& folder);

/// Checks that a model directory's `tokenizer.json` is this tokenizer: 256 symbols whose ids are
/// their bytes, no merges, no added tokens. Raises an environment_error that names the difference;
/// a directory without the file passes, since `transformers` saves models without one.
void require_byte_tokenizer(const std::filesystem::path& folder);

}  // namespace triptych
