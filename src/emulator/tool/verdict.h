/// \file
/// Runs a kernel, over one schedule or many, and judges what it left in memory.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "emulator/tool/session.h"

namespace triptych::emulator {

/// What a buffer must hold in the end.
struct Expectation {
  std::string name;    ///< the argument's
  std::string values;  ///< as fill.h reads them
};
/// "y=file:want.bin". Throws ToolError.
Expectation parse_expectation(std::string_view text);

/// A buffer that does not hold what was expected.
struct Mismatch {
  std::string name;
  std::uint64_t wrong = 0, count = 0,
                first = 0;  ///< elements, and the index of the first wrong one
  std::string got, want;    ///< its values
  std::string writer;       ///< who wrote it last; empty: no thread did
};

struct Verdict {
  std::string kernel;
  std::string fault;  ///< report of what ended it early; empty if nothing did
  std::vector<Finding> findings;
  std::vector<Mismatch> mismatches;
  std::uint64_t schedules = 1;  ///< that were run
  std::uint64_t seed = 0;       ///< of the last one
  std::string difference;       ///< between two schedules' outputs; empty: the same bits
  std::uint64_t thread_instructions = 0, ticks = 0;  ///< of the first schedule
  int sms = 0;
  std::uint64_t ctas = 0, warps = 0;
  bool good() const {
    return fault.empty() && findings.empty() && mismatches.empty() && difference.empty();
  }
};

/// Elements that differ by more than `tolerance` · max(1, |want|); with 0 those whose values
/// differ. A NaN equals a NaN. `got` and `want` have one length.
std::optional<Mismatch> compare(const Buffer& buffer, const std::uint8_t* got,
                                const std::vector<std::uint8_t>& want, double tolerance);

/// The verdict of a session that has run: its fault, its findings, its mismatches.
Verdict judge(Session& session, const std::string& fault,
              const std::vector<Expectation>& expectations, double tolerance);

/// Runs the request with `schedules` seeds from request.seed on; stops at the first that finds
/// something. Of a mismatch it runs again to tell who wrote it. `first` is the session of the first
/// schedule, which is given for dumps; `observer` watches that one alone.
struct Outcome {
  std::unique_ptr<Session> session;
  Verdict verdict;
};
Outcome run_request(const Source& source, RunRequest& request,
                    const std::vector<Expectation>& expectations, double tolerance,
                    std::uint64_t schedules = 1, Observer* observer = nullptr);

/// The verdict for people: several lines.
std::string text_of(const Verdict& verdict);
nlohmann::ordered_json json_of(const Verdict& verdict);
/// "1,234,567"
std::string grouped(std::uint64_t number);
/// "1 CTA", "4 CTAs"
std::string counted(std::uint64_t number, std::string_view thing);

/// A buffer's content: its elements as text, a few a line, or the first `most` of them.
std::string dump_text(const Buffer& buffer, std::uint64_t most = 256);

}  // namespace triptych::emulator
