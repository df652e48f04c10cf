// triptych ptx: kernels of any .ptx file on the software CUDA device.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <memory>

#include "app/command.h"
#include "app/ptx_pages.h"
#include "emulator/instrument/profile.h"
#include "emulator/instrument/timeline.h"
#include "emulator/tool/debugger.h"
#include "emulator/tool/error.h"
#include "emulator/tool/profile_report.h"
#include "emulator/tool/survey.h"
#include "emulator/tool/trace_json.h"
#include "emulator/tool/value.h"
#include "emulator/tool/verdict.h"
#include "triptych/error.h"

namespace triptych::app {
namespace {

using namespace emulator;

constexpr const char* overview = R"(Examples:
  triptych ptx check saxpy.ptx
  triptych ptx run saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]=iota' 'y=f32[1000]=1' --dump y
  triptych ptx profile saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]' 'y=f32[1000]' --html saxpy.html
  triptych ptx trace saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]' 'y=f32[1000]' --out saxpy.json
  triptych ptx step saxpy.ptx n=5 a=2 'x=f32[5]=iota' 'y=f32[5]=1'
The device counts in ticks: one an instruction of a warp, more a matrix product or a copy. They order events and are
never time.)";

constexpr const char* arguments_help = R"(Arguments, in the order of the parameters or as NAME=VALUE:
  5  u32:5  f32:1.5        a scalar, of the parameter's type or the one that is named
  u32:1,2,3                several values for a parameter of several
  f32[1024]                a buffer that nobody has written
  f32[1024]=0              a buffer filled with a value, or with
            =1,2,3         as many values           =iota or iota:START:STEP
            =random        or random:LOW:HIGH       =file:PATH, raw and little-endian
  @x  @x+16                the address of argument x's buffer, and bytes beyond
  @x:64x32/64x8            a tensor map over it: extents and box, innermost first; :swizzle=128 and :nan may follow
Types: u8 … u64, s8 … s64, b8 … b64, f16, bf16, f32, f64, e4m3, e5m2.)";

struct Arguments {
  RunRequest request;
  std::string grid = "1", block, cluster, checks, out = "trace.json", svg, html;
  std::vector<std::string> expectations, dumps;
  double tolerance = 0;
  std::uint64_t schedules = 1;
  std::uint32_t threads = 0;
  bool json = false;
};

/// Does it, and turns what the tool throws into the program's errors.
template <class F>
int guarded(const F& body) {
  try {
    return body();
  } catch (const ToolError& error) {
    const std::string line = "ptx: " + error.message;
    throw error.kind == ToolError::Kind::usage ? usage_error(line) : environment_error(line);
  } catch (const ModuleError& error) {
    throw finding(error.message);
  }
}

/// What was written as text, read.
std::vector<Expectation> resolve(Arguments& a) {
  RunRequest& r = a.request;
  r.grid = parse_extent(a.grid, "--grid");
  if (!a.block.empty()) r.block = parse_extent(a.block, "--block");
  if (!a.cluster.empty()) r.cluster = parse_extent(a.cluster, "--cluster");
  const auto checks = checks_of(a.checks);
  if (!checks) {
    std::string names;
    for (unsigned c = 0; c < static_cast<unsigned>(Check::count); ++c) names += fmt::format(", {}", name_of(static_cast<Check>(c)));
    throw usage(fmt::format("--check is '{}'; take all, none, or some of{}", a.checks, names.substr(1)));
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
    if (b == nullptr) throw usage(fmt::format("--dump {}: no argument of that name is a buffer", text.substr(0, equals)));
    const auto* content = reinterpret_cast<const std::uint8_t*>(b->address);
    if (equals != std::string::npos) {
      write_text(text.substr(equals + 1), {reinterpret_cast<const char*>(content), b->bytes()});
    } else if (json != nullptr) {
      auto& values = (*json)["dumps"][b->name] = nlohmann::ordered_json::array();
      for (std::uint64_t i = 0; i < b->count; ++i) values.push_back(show_value(b->type, content + i * static_cast<std::uint64_t>(bytes_of(b->type))));
    } else {
      print(dump_text(*b));
    }
  }
}

int run_kernel(Arguments& a) {
  const auto expectations = resolve(a);
  Outcome run = run_request(read_source(a.request.source), a.request, expectations, a.tolerance, a.schedules);
  auto json = json_of(run.verdict);
  dump(*run.session, a.dumps, a.json ? &json : nullptr);
  a.json ? print_json(json) : print(text_of(run.verdict));
  return run.verdict.good() ? 0 : 1;
}

int profile(Arguments& a) {
  const auto expectations = resolve(a);
  Profile profile;
  Outcome run = run_request(read_source(a.request.source), a.request, expectations, a.tolerance, 1, &profile);
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

int trace(Arguments& a) {
  const auto expectations = resolve(a);
  Timeline timeline;
  Outcome run = run_request(read_source(a.request.source), a.request, expectations, a.tolerance, 1, &timeline);
  dump(*run.session, a.dumps, nullptr);
  write_text(a.out, trace_json(timeline, run.verdict.kernel));
  if (!a.svg.empty()) write_text(a.svg, timeline_picture(timeline, run.verdict.kernel));
  print(text_of(run.verdict));
  print_line(fmt::format("trace      {}: {}, {} of warps, {}; open it in ui.perfetto.dev", a.out, counted(timeline.ctas().size(), "CTA"),
                         counted(timeline.warps().size(), "slice"), counted(timeline.work().size(), "asynchronous operation")));
  if (timeline.dropped() != 0) print_line(fmt::format("           {} slices more had no room; trace a smaller grid", grouped(timeline.dropped())));
  if (!a.svg.empty()) print_line("picture    " + a.svg);
  return run.verdict.good() ? 0 : 1;
}

int step(Arguments& a) {
  const auto expectations = resolve(a);
  a.request.keep_registers = true;
  Session session(read_source(a.request.source), a.request);
  Debugger debugger(session, {.in = std::cin, .out = [](std::string_view text) { print(text); }, .terminal = ::isatty(0) == 1 && ::isatty(1) == 1});
  std::signal(SIGINT, [](int) { Debugger::interrupt(); });
  const std::optional<std::string> fault = debugger.debug();
  if (!fault) return 0;
  const Verdict verdict = judge(session, *fault, expectations, a.tolerance);
  dump(session, a.dumps, nullptr);
  print(text_of(verdict));
  return verdict.good() ? 0 : 1;
}

int check(Arguments& a) {
  const Survey found = survey(read_source(a.request.source), a.threads, a.request.shared);
  a.json ? print_json(json_of(found)) : print(text_of(found));
  return 0;
}

void add_source_options(CLI::App& c, Arguments& a) {
  c.add_option("FILE", a.request.source.file, "PTX text")->required();
  c.add_flag("--preprocess", a.request.source.preprocess, "run it through cpp first");
  c.add_option("-I,--include", a.request.source.include, "folder of files to include, with --preprocess")->allow_extra_args(false);
  c.add_option("--shared", a.request.shared, "bytes of dynamic shared memory")->capture_default_str();
}

void add_run_options(CLI::App& c, Arguments& a, const char* checks) {
  RunRequest& r = a.request;
  add_source_options(c, a);
  a.checks = checks;
  c.add_option("ARGUMENTS", r.arguments, "the kernel's name, if the file has several, and its arguments");
  c.add_option("--grid", a.grid, "CTAs: X[,Y[,Z]]")->capture_default_str();
  c.add_option("--block", a.block, "threads of a CTA: X[,Y[,Z]]; default the kernel's .reqntid, else 32");
  c.add_option("--cluster", a.cluster, "CTAs of a cluster; default the kernel's .reqnctapercluster, else 1");
  c.add_option("--expect", a.expectations, "NAME=VALUES that a buffer must hold in the end, written as its contents are")->allow_extra_args(false);
  c.add_option("--tolerance", a.tolerance, "largest difference, times the larger of 1 and the expected value")->capture_default_str();
  c.add_option("--dump", a.dumps, "NAME to print a buffer, NAME=FILE to write its bytes")->allow_extra_args(false);
  add_seed_option(c, r.seed, "of the schedule; 0 has no jitter");
  c.add_option("--data-seed", r.data_seed, "of random contents")->capture_default_str();
  c.add_option("--sms", r.sms, "streaming multiprocessors")->capture_default_str()->check(CLI::Range(1, 1024));
  c.add_option("--devices", r.devices, "devices; the kernel runs on the first")->capture_default_str()->check(CLI::Range(1, 16));
  c.add_flag("--exact", r.exact, "tensor cores add as Hopper's are modelled to, bit by bit");
  c.add_option("--check", a.checks, "all, none, or names: init,race,nc,barrier,async,undefined")->capture_default_str();
}

struct Subcommand {
  const char *name, *what, *example;
  int (*action)(Arguments&);
};

CLI::App* add(CLI::App& ptx, const Subcommand& s, const std::shared_ptr<Arguments>& a, Action& action) {
  CLI::App* c = ptx.add_subcommand(s.name, s.what);
  c->footer(s.example);
  c->callback([a, run = s.action, &action] { action = [a, run] { return guarded([&] { return run(*a); }); }; });
  return c;
}

}  // namespace

void add_ptx(CLI::App& app, Action& action) {
  CLI::App* ptx = app.add_subcommand("ptx", "run, check, step or profile a kernel of any .ptx file on the software device");
  ptx->require_subcommand(1);
  ptx->footer(overview);
  const std::string arguments = arguments_help;
  const auto fresh = [] { return std::make_shared<Arguments>(); };
  const auto with = [&](const char* example) { return arguments + "\n\nExample:\n" + example; };

  auto a = fresh();
  CLI::App* c = add(*ptx, {"run", "run a kernel, watch it with the checkers, compare its results", "", run_kernel}, a, action);
  c->footer(with("  triptych ptx run saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]=iota' 'y=f32[1000]=1' \\\n"
                 "      --expect y=iota:1:2 --seeds 100"));
  add_run_options(*c, *a, "all");
  c->add_option("--seeds", a->schedules, "schedules to run: all outputs must have the same bits")->capture_default_str()->check(CLI::Range(1, 1000000));
  c->add_flag("--json", a->json, "print as JSON");

  a = fresh();
  c = add(*ptx, {"profile", "count instructions, memory traffic, bank conflicts and idle lanes, line by line", "", profile}, a, action);
  c->footer(with("  triptych ptx profile saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]' 'y=f32[1000]' --html saxpy.html"));
  add_run_options(*c, *a, "none");
  c->add_option("--html", a->html, "also write a page: the source with its counts");
  c->add_flag("--json", a->json, "print as JSON");

  a = fresh();
  c = add(*ptx, {"trace", "write a timeline of every SM: CTAs, warps and what they wait for, copies and matrix products", "", trace}, a, action);
  c->footer(with("  triptych ptx trace saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]' 'y=f32[1000]' --out saxpy.json"));
  add_run_options(*c, *a, "none");
  c->add_option("--out", a->out, "Chrome trace, for ui.perfetto.dev; one tick is shown as 1 us")->capture_default_str();
  c->add_option("--svg", a->svg, "also draw a picture");

  a = fresh();
  c = add(*ptx, {"step", "a debugger: breakpoints, registers by lane, memory, barriers; commands from the standard input", "", step}, a, action);
  c->footer(with("  triptych ptx step saxpy.ptx n=5 a=2 'x=f32[5]=iota' 'y=f32[5]=1'      then: break 24, run, print value, memory global y"));
  add_run_options(*c, *a, "none");

  a = fresh();
  c = add(*ptx, {"check", "parse and decode only: errors by line, or kernels, registers, shared memory, occupancy", "Example:\n  triptych ptx check saxpy.ptx", check}, a, action);
  add_source_options(*c, *a);
  c->add_option("--threads", a->threads, "of a CTA, for the occupancy; default what the kernel says, else 256")->check(CLI::Range(1, 1024));
  c->add_flag("--json", a->json, "print as JSON");
}

}  // namespace triptych::app
