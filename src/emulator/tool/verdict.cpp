#include "emulator/tool/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "emulator/instrument/last_writer.h"
#include "emulator/tool/error.h"
#include "emulator/tool/fill.h"
#include "emulator/tool/value.h"

namespace triptych::emulator {
namespace {

const std::uint8_t* content(const Buffer& b) {
  return reinterpret_cast<const std::uint8_t*>(b.address);
}

/// The bytes of all buffers, one after the other.
std::vector<std::uint8_t> outputs(const std::vector<Buffer>& buffers) {
  std::vector<std::uint8_t> all;
  for (const Buffer& b : buffers) all.insert(all.end(), content(b), content(b) + b.bytes());
  return all;
}

/// The first element in which two schedules differ; empty if there is none.
std::string difference(const std::vector<Buffer>& buffers, const std::vector<std::uint8_t>& one,
                       std::uint64_t seed_one, const std::vector<std::uint8_t>& two,
                       std::uint64_t seed_two) {
  std::size_t begin = 0;
  for (const Buffer& b : buffers) {
    const auto bytes = static_cast<std::size_t>(bytes_of(b.type));
    for (std::size_t i = 0; i < b.count; ++i) {
      const std::size_t at = begin + i * bytes;
      if (std::memcmp(&one[at], &two[at], bytes) == 0) continue;
      return fmt::format("{}[{}] is {} with seed {} and {} with seed {}", b.name, i,
                         show_value(b.type, &one[at]), seed_one, show_value(b.type, &two[at]),
                         seed_two);
    }
    begin += b.bytes();
  }
  return "";
}

/// Runs the same schedule once more and notes who writes the element.
std::string writer_of(const Source& source, RunRequest request, const Mismatch& mismatch) {
  request.checks = 0;
  request.print = {};
  Session session(source, request);
  const Buffer& b = *session.arguments().buffer(mismatch.name);
  const auto bytes = static_cast<std::uint64_t>(bytes_of(b.type));
  LastWriter writer(b.address + mismatch.first * bytes, bytes);
  session.run(&writer);
  return writer.text();
}

}  // namespace

Expectation parse_expectation(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    throw usage(fmt::format(
        "--expect is '{}'; wanted NAME=VALUES, such as y=file:want.bin or y=1,2,3", text));
  }
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

std::optional<Mismatch> compare(const Buffer& buffer, const std::uint8_t* got,
                                const std::vector<std::uint8_t>& want, double tolerance) {
  const auto bytes = static_cast<std::size_t>(bytes_of(buffer.type));
  Mismatch m{.name = buffer.name, .count = buffer.count};
  const auto same = [&](const std::uint8_t* a, const std::uint8_t* b) {
    if (std::memcmp(a, b, bytes) == 0) return true;
    if (!is_float(buffer.type) && tolerance == 0) return false;
    const double x = read_number(buffer.type, a), y = read_number(buffer.type, b);
    if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y);
    return x == y || std::abs(x - y) <= tolerance * std::max(1.0, std::abs(y));
  };
  for (std::size_t i = 0; i < buffer.count; ++i) {
    const std::uint8_t *a = got + i * bytes, *b = want.data() + i * bytes;
    if (same(a, b)) continue;
    if (m.wrong++ > 0) continue;
    m.first = i;
    m.got = show_value(buffer.type, a);
    m.want = show_value(buffer.type, b);
  }
  return m.wrong == 0 ? std::nullopt : std::optional(m);
}

Verdict judge(Session& session, const std::string& fault,
              const std::vector<Expectation>& expectations, double tolerance) {
  Verdict v;
  const Launch& launch = session.launch();
  v.kernel = session.kernel().source->name;
  v.fault = fault;
  v.seed = session.machine().options().seed;
  v.sms = session.machine().limits(0).sms;
  v.ctas = launch.ctas();
  v.warps = launch.ctas() * launch.warps();
  v.thread_instructions = session.machine().thread_instructions();
  v.ticks = session.machine().now();
  if (session.checker() != nullptr) v.findings = session.checker()->findings();
  if (!fault.empty()) return v;  // what a kernel that was stopped left is no result
  for (const Expectation& e : expectations) {
    const Buffer* b = session.arguments().buffer(e.name);
    if (b == nullptr)
      throw usage(fmt::format("--expect {}: {} has no buffer of that name among its arguments",
                              e.name, v.kernel));
    const auto want = fill(b->type, b->count, e.values, 0, "--expect " + e.name);
    if (const auto mismatch = compare(*b, content(*b), want, tolerance))
      v.mismatches.push_back(*mismatch);
  }
  return v;
}

Outcome run_request(const Source& source, RunRequest& request,
                    const std::vector<Expectation>& expectations, double tolerance,
                    std::uint64_t schedules, Observer* observer) {
  Outcome run;
  RunRequest own = request;
  std::vector<std::uint8_t> first;
  for (std::uint64_t s = 0; s < schedules; ++s) {
    RunRequest one = own;
    one.seed = own.seed + s;
    if (s > 0) one.print = {};
    auto session = std::make_unique<Session>(source, one);
    const std::string fault = session->run(s == 0 ? observer : nullptr);
    Verdict v = judge(*session, fault, expectations, tolerance);
    std::vector<std::uint8_t> now =
        schedules > 1 ? outputs(session->arguments().buffers) : std::vector<std::uint8_t>();
    if (s == 0) {
      first = std::move(now);
      run = {std::move(session), v};
      request.kernel = one.kernel;
    } else if (fault.empty()) {
      v.difference = difference(session->arguments().buffers, first, own.seed, now, one.seed);
    }
    if (!v.good() || s == 0) {
      for (Mismatch& m : v.mismatches) m.writer = writer_of(source, one, m);
      const Verdict start = run.verdict;
      run.verdict = v;
      run.verdict.thread_instructions = start.thread_instructions;
      run.verdict.ticks = start.ticks;
    }
    run.verdict.schedules = s + 1;
    if (!v.good()) break;
  }
  return run;
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

std::string counted(std::uint64_t number, std::string_view thing) {
  return fmt::format("{} {}{}", grouped(number), thing, number == 1 ? "" : "s");
}

std::string text_of(const Verdict& v) {
  std::string text;
  if (!v.fault.empty())
    text += fmt::format("fault      {}\n", v.fault.substr(0, v.fault.find_last_not_of('\n') + 1));
  for (const Finding& f : v.findings) {
    text +=
        fmt::format("finding    {}{}\n", f.text,
                    f.count > 1 ? fmt::format("\n           seen {} times", grouped(f.count)) : "");
  }
  for (const Mismatch& m : v.mismatches) {
    text += fmt::format(
        "mismatch   {}: {} of {} elements are wrong; the first is {}[{}] = {}, expected {}\n",
        m.name, grouped(m.wrong), grouped(m.count), m.name, m.first, m.got, m.want);
    text += m.writer.empty() ? "           nobody wrote it\n"
                             : fmt::format("           last written by {}\n", m.writer);
  }
  if (!v.difference.empty())
    text += fmt::format("schedules  outputs depend on the order of execution: {}\n", v.difference);
  std::string over;
  if (v.schedules > 1)
    over = fmt::format(", {} schedules", grouped(v.schedules)) +
           (v.good() ? ", all outputs have the same bits" : "");
  if (!v.good()) over += fmt::format(", seed {}", v.seed);
  text += fmt::format("{:<10} {}{}\n", v.good() ? "good" : "bad", v.kernel, over);
  text += fmt::format("counts     {}, {}, {}\n", counted(v.ctas, "CTA"), counted(v.warps, "warp"),
                      counted(v.thread_instructions, "thread-instruction"));
  text += fmt::format("ticks      {} (an order of events, never a time)\n", grouped(v.ticks));
  return text;
}

nlohmann::ordered_json json_of(const Verdict& v) {
  using Json = nlohmann::ordered_json;
  Json findings = Json::array(), mismatches = Json::array();
  for (const Finding& f : v.findings)
    findings.push_back({{"check", name_of(f.check)}, {"text", f.text}, {"count", f.count}});
  for (const Mismatch& m : v.mismatches) {
    mismatches.push_back({{"name", m.name},
                          {"wrong", m.wrong},
                          {"count", m.count},
                          {"first", m.first},
                          {"got", m.got},
                          {"want", m.want},
                          {"writer", m.writer}});
  }
  return {{"kernel", v.kernel},
          {"good", v.good()},
          {"fault", v.fault},
          {"findings", findings},
          {"mismatches", mismatches},
          {"schedules", v.schedules},
          {"seed", v.seed},
          {"difference", v.difference},
          {"ctas", v.ctas},
          {"warps", v.warps},
          {"thread_instructions", v.thread_instructions},
          {"ticks", v.ticks},
          {"sms", v.sms}};
}

std::string dump_text(const Buffer& b, std::uint64_t most) {
  std::string text = fmt::format("{}: {}[{}]\n", b.name, name_of(b.type), b.count);
  const auto bytes = static_cast<std::size_t>(bytes_of(b.type));
  for (std::size_t i = 0; i < std::min(b.count, most); ++i) {
    if (i % 8 == 0) text += fmt::format("{:>8}:", i);
    text += fmt::format(" {:>12}", show_value(b.type, content(b) + i * bytes));
    if (i % 8 == 7 || i + 1 == std::min(b.count, most)) text += '\n';
  }
  if (b.count > most)
    text += fmt::format("  … {} more; write all of them to a file with --dump {}=FILE\n",
                        b.count - most, b.name);
  return text;
}

}  // namespace triptych::emulator
