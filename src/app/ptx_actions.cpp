#include "app/ptx_actions.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "app/command.h"
#include "app/ptx_pages.h"
#include "emulator/instrument/profile.h"
#include "emulator/instrument/timeline.h"
#include "emulator/tool/debugger.h"
#include "emulator/tool/error.h"
#include "emulator/tool/profile_report.h"
#include "emulator/tool/speed.h"
#include "emulator/tool/survey.h"
#include "emulator/tool/trace_json.h"
#include "emulator/tool/value.h"
#include "emulator/tool/verdict.h"

namespace triptych::app {

using namespace emulator;

namespace {

/// What was written as text, read.
std::vector<Expectation> resolve(PtxArguments& a) {
  RunRequest& r = a.request;
  r.grid = parse_extent(a.grid, "--grid");
  if (!a.block.empty()) r.block = parse_extent(a.block, "--block");
  if (!a.cluster.empty()) r.cluster = parse_extent(a.cluster, "--cluster");
  const auto checks = checks_of(a.checks);
  if (!checks) {
    throw usage(
        fmt::format("--check is '{}'; take all, none, or some of {}", a.checks, check_names()));
  }
  r.checks = *checks;
  r.print = [json = a.json](std::string_view text) {
    if (!json) return print(text);
    fmt::print(stderr, "{}", text);
  };
  std::vector<Expectation> expectations;
  for (const std::string& e : a.expectations) expectations.push_back(parse_expectation(e));
  return expectations;
}

/// Prints buffers or writes them to files, as --dump says.
void dump(Session& session, const std::vector<std::string>& dumps, nlohmann::ordered_json* json) {
  for (const std::string& text : dumps) {
    const std::size_t equals = text.find('=');
    const Buffer* b = session.arguments().buffer(text.substr(0, equals));
    if (b == nullptr)
      throw usage(
          fmt::format("--dump {}: no argument of that name is a buffer", text.substr(0, equals)));
    const auto* content = reinterpret_cast<const std::uint8_t*>(b->address);
    if (equals != std::string::npos) {
      write_text(text.substr(equals + 1), {reinterpret_cast<const char*>(content), b->bytes()});
    } else if (json != nullptr) {
      auto& values = (*json)["dumps"][b->name] = nlohmann::ordered_json::array();
      for (std::uint64_t i = 0; i < b->count; ++i)
        values.push_back(
            show_value(b->type, content + i * static_cast<std::uint64_t>(bytes_of(b->type))));
    } else {
      print(dump_text(*b));
    }
  }
}

}  // namespace

std::string check_names() {
  std::string names;
  for (unsigned c = 0; c < static_cast<unsigned>(Check::count); ++c) {
    names += fmt::format("{}{}", c == 0 ? "" : ",", name_of(static_cast<Check>(c)));
  }
  return names;
}

int ptx_run(PtxArguments& a) {
  const auto expectations = resolve(a);
  Outcome run =
      run_request(read_source(a.request.source), a.request, expectations, a.tolerance, a.schedules);
  auto json = json_of(run.verdict);
  dump(*run.session, a.dumps, a.json ? &json : nullptr);
  a.json ? print_json(json) : print(text_of(run.verdict));
  return run.verdict.good() ? 0 : 1;
}

int ptx_profile(PtxArguments& a) {
  const auto expectations = resolve(a);
  Profile profile;
  Outcome run =
      run_request(read_source(a.request.source), a.request, expectations, a.tolerance, 1, &profile);
  const ProfileReport report = make_report(profile, *run.session, run.session->launch());
  auto json = json_of(report);
  json["verdict"] = json_of(run.verdict);
  dump(*run.session, a.dumps, a.json ? &json : nullptr);
  a.json ? print_json(json) : print(text_of(run.verdict) + text_of(report));
  if (!a.html.empty()) {
    write_text(a.html, profile_page(report, a.request.sms));
    if (!a.json) print_line("page       " + a.html);
  }
  return run.verdict.good() ? 0 : 1;
}

int ptx_trace(PtxArguments& a) {
  const auto expectations = resolve(a);
  Timeline timeline;
  Outcome run = run_request(read_source(a.request.source), a.request, expectations, a.tolerance, 1,
                            &timeline);
  dump(*run.session, a.dumps, nullptr);
  write_text(a.out, trace_json(timeline, run.verdict.kernel));
  if (!a.svg.empty()) write_text(a.svg, timeline_picture(timeline, run.verdict.kernel));
  print(text_of(run.verdict));
  print_line(fmt::format("trace      {}: {}, {} of warps, {}; open it in ui.perfetto.dev", a.out,
                         counted(timeline.ctas().size(), "CTA"),
                         counted(timeline.warps().size(), "slice"),
                         counted(timeline.work().size(), "asynchronous operation")));
  if (timeline.dropped() != 0)
    print_line(fmt::format("           {} slices more had no room; trace a smaller grid",
                           grouped(timeline.dropped())));
  if (!a.svg.empty()) print_line("picture    " + a.svg);
  return run.verdict.good() ? 0 : 1;
}

int ptx_step(PtxArguments& a) {
  const auto expectations = resolve(a);
  a.request.keep_registers = true;
  Session session(read_source(a.request.source), a.request);
  Debugger debugger(session, {.in = std::cin,
                              .out = [](std::string_view text) { print(text); },
                              .terminal = ::isatty(0) == 1 && ::isatty(1) == 1});
  std::signal(SIGINT, [](int) { Debugger::interrupt(); });
  const std::optional<std::string> fault = debugger.debug();
  if (!fault) return 0;
  const Verdict verdict = judge(session, *fault, expectations, a.tolerance);
  dump(session, a.dumps, nullptr);
  print(text_of(verdict));
  return verdict.good() ? 0 : 1;
}

int ptx_check(PtxArguments& a) {
  const Survey found = survey(read_source(a.request.source), a.threads, a.request.shared);
  a.json ? print_json(json_of(found)) : print(text_of(found));
  return 0;
}

int ptx_speed(PtxArguments& a) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  measure_speed(a.rounds, [&](const SpeedRow& row) {
    if (a.json) {
      json.push_back({{"what", row.what}, {"value", row.value}, {"unit", row.unit}, {"wanted", row.wanted}, {"reached", row.reached()}});
      return;
    }
    print_line(fmt::format("{:<28} {:>8.3g} {:<24} {} {:g}{}", row.what, row.value, row.unit, row.at_least ? "at least" : "at most",
                           row.wanted, row.reached() ? "" : "   missed"));
  });
  if (a.json) print_json(json);
  return 0;
}

}  // namespace triptych::app
