/// \file
/// The bytes to train on, and their split into a training and a held-out part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace triptych {

/// The bytes that a run reads, and where they come from.
struct Text {
  std::string name;                          ///< what was asked for: a path or synthetic:SEED
  std::shared_ptr<const std::string> bytes;  ///< never empty
  std::size_t files = 0;                     ///< files read; 0 for a synthetic text
  std::size_t binary_files = 0;              ///< files of a folder that were left out as binary
  std::optional<double> entropy_rate;        ///< true bits a byte, where they are known
  std::uint64_t fingerprint = 0;             ///< FNV-1a of the bytes: a resume checks it
};

/// How much read_text takes.
struct TextLimits {
  std::size_t max_bytes = std::size_t{1} << 30;        ///< of all files together
  std::size_t synthetic_bytes = std::size_t{1} << 20;  ///< length of a synthetic text
};

/// Reads the text that `source` names:
///
/// - `synthetic:SEED` with SEED in 0 … 2^64-1: SyntheticLanguage(SEED)'s first bytes;
/// - a file: its bytes, whatever they are;
/// - a folder: its files and those of its subfolders, one after another in the order of their
/// paths'
///   bytes. Left out are names that begin with a dot, symbolic links to folders (so that no loop
///   can arise), broken links, pipes and devices, and binary files: those with a NUL among their
///   first 8000 bytes (git's rule).
///
/// Raises one line that names the path, the value and the remedy when the source is missing,
/// neither file nor folder, unreadable (a file inside of a folder too: nothing is skipped in
/// silence), empty, longer than `max_bytes`, or when SEED is not a number.
Text read_text(const std::string& source, const TextLimits& limits = {});

/// Bytes begin … end-1 of a text.
struct TextBlock {
  std::size_t begin = 0, end = 0;
  std::size_t size() const { return end - begin; }
};

/// Some blocks of a text, ascending and disjoint.
struct TextPart {
  std::shared_ptr<const std::string> bytes;  ///< the whole text
  std::vector<TextBlock> blocks;

  /// Bytes of all blocks.
  std::size_t size() const;
};

/// A text's two parts. Every byte is in one of them.
struct TextSplit {
  TextPart train, held_out;
};

/// Bytes of a window of `sequence` inputs: each input's next byte is a target, and the MTP module
/// predicts the one after that, so a window holds S + 2 bytes.
constexpr std::size_t window_bytes(std::int64_t sequence) {
  return static_cast<std::size_t>(sequence) + 2;
}

/// Cuts the text in contiguous blocks of nearly equal length and holds out one of every ten.
///
/// Interleaved, because a folder's kinds of writing stand one after another: a held-out tail would
/// be all of one kind, and its loss would tell the difference between kinds and not what was
/// learned. The price is that the held-out loss speaks of new passages from the same documents, not
/// of new documents. Blocks are long enough for 16 windows where the text allows about fifty of
/// them, and shorter, down to one window, where it does not; windows never cross a block's
/// boundary, so no held-out byte is ever an input or a target in training.
///
/// The held-out blocks are those whose index is 4 modulo 10, so five blocks are enough for both
/// parts to hold a window. REQUIRES: sequence ≥ 1. A text shorter than 5·(S + 2) raises a
/// usage_error.
TextSplit split_text(const Text& text, std::int64_t sequence);

}  // namespace triptych
