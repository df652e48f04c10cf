// triptych ptx: kernels of any .ptx file on the software CUDA device.
#include <memory>
#include <string>

#include "app/command.h"
#include "app/ptx_actions.h"
#include "emulator/tool/error.h"
#include "emulator/tool/source.h"
#include "triptych/error.h"

namespace triptych::app {
namespace {

constexpr const char* overview = R"(Examples:
  triptych ptx check saxpy.ptx
  triptych ptx run saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]=iota' 'y=f32[1000]=1' --dump y
  triptych ptx profile saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]' 'y=f32[1000]' --html saxpy.html
  triptych ptx trace saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]' 'y=f32[1000]' --out saxpy.json
  triptych ptx step saxpy.ptx n=5 a=2 'x=f32[5]=iota' 'y=f32[5]=1'
The device counts in ticks: one an instruction of a warp, more a matrix product or a copy. They order events and are
never time.)";

constexpr const char* arguments_help =
    R"(Arguments, in the order of the parameters or as NAME=VALUE:
  5  u32:5  f32:1.5        a scalar, of the parameter's type or the one that is named
  u32:1,2,3                several values for a parameter of several
  f32[1024]                a buffer that nobody has written
  f32[1024]=0              a buffer filled with a value, or with
            =1,2,3         as many values           =iota or iota:START:STEP
            =random        or random:LOW:HIGH       =file:PATH, raw and little-endian
  @x  @x+16                the address of argument x's buffer, and bytes beyond
  @x:64x32/64x8            a tensor map over it: extents and box, innermost first; :swizzle=128 and :nan may follow
Types: u8 … u64, s8 … s64, b8 … b64, f16, bf16, f32, f64, e4m3, e5m2.)";

/// Does it, and turns what the tool throws into the program's errors.
template <class F>
int guarded(const F& body) {
  try {
    return body();
  } catch (const emulator::ToolError& error) {
    const std::string line = "ptx: " + error.message;
    throw error.kind == emulator::ToolError::Kind::usage ? usage_error(line)
                                                         : environment_error(line);
  } catch (const emulator::ModuleError& error) {
    throw finding(error.message);
  }
}

void add_source_options(CLI::App& c, PtxArguments& a) {
  c.add_option("FILE", a.request.source.file, "PTX text")->required();
  c.add_flag("--preprocess", a.request.source.preprocess, "run it through cpp first");
  c.add_option("-I,--include", a.request.source.include,
               "folder of files to include, with --preprocess")
      ->allow_extra_args(false);
  c.add_option("--shared", a.request.shared, "bytes of dynamic shared memory")
      ->capture_default_str();
}

void add_run_options(CLI::App& c, PtxArguments& a, const char* checks) {
  emulator::RunRequest& r = a.request;
  add_source_options(c, a);
  c.footer(arguments_help + ("\n\n" + c.get_footer()));
  a.checks = checks;
  c.add_option("ARGUMENTS", r.arguments,
               "the kernel's name, if the file has several, and its arguments");
  c.add_option("--grid", a.grid, "CTAs: X[,Y[,Z]]")->capture_default_str();
  c.add_option("--block", a.block,
               "threads of a CTA: X[,Y[,Z]]; default the kernel's .reqntid, else 32");
  c.add_option("--cluster", a.cluster,
               "CTAs of a cluster; default the kernel's .reqnctapercluster, else 1");
  c.add_option("--expect", a.expectations,
               "NAME=VALUES that a buffer must hold in the end, written as its contents are")
      ->allow_extra_args(false);
  c.add_option("--tolerance", a.tolerance,
               "largest difference, times the larger of 1 and the expected value")
      ->capture_default_str();
  c.add_option("--dump", a.dumps, "NAME to print a buffer, NAME=FILE to write its bytes")
      ->allow_extra_args(false);
  add_seed_option(c, r.seed, "of the schedule; 0 has no jitter");
  c.add_option("--data-seed", r.data_seed, "of random contents")->capture_default_str();
  c.add_option("--sms", r.sms, "streaming multiprocessors")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  c.add_option("--devices", r.devices, "devices; the kernel runs on the first")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  c.add_option("--limit", r.limit, "instructions of warps after which a kernel is given up; 0: never")
      ->capture_default_str();
  c.add_flag("--exact", r.exact, "tensor cores add as Hopper's are modelled to, bit by bit");
  c.add_option("--check", a.checks, "all, none, or some of " + check_names())
      ->capture_default_str();
}

/// One subcommand with arguments of its own; the example closes its help.
struct Added {
  CLI::App* command;
  std::shared_ptr<PtxArguments> arguments;
};
Added add(CLI::App& ptx, Action& action, int (*run)(PtxArguments&), const char* name,
          const char* what, const std::string& example) {
  auto a = std::make_shared<PtxArguments>();
  CLI::App* c = ptx.add_subcommand(name, what);
  c->footer("Example:\n  triptych ptx " + example);
  c->callback(
      [a, run, &action] { action = [a, run] { return guarded([&] { return run(*a); }); }; });
  return {c, a};
}

void add_run(CLI::App& ptx, Action& action) {
  const auto [c, a] = add(
      ptx, action, ptx_run, "run", "run a kernel, watch it with the checkers, compare its results",
      "run saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]=iota' 'y=f32[1000]=1' \\\n"
      "      --expect y=iota:1:2 --seeds 100");
  add_run_options(*c, *a, "all");
  c->add_option("--seeds", a->schedules, "schedules to run: all outputs must have the same bits")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000000));
  c->add_flag("--json", a->json, "print as JSON");
}

void add_profile(CLI::App& ptx, Action& action) {
  const auto [c, a] =
      add(ptx, action, ptx_profile, "profile",
          "count instructions, memory traffic, bank conflicts and idle lanes, line by line",
          "profile saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]' 'y=f32[1000]' --html "
          "saxpy.html");
  add_run_options(*c, *a, "none");
  c->add_option("--html", a->html, "also write a page: the source with its counts");
  c->add_flag("--json", a->json, "print as JSON");
}

void add_trace(CLI::App& ptx, Action& action) {
  const auto [c, a] =
      add(ptx, action, ptx_trace, "trace",
          "write a timeline of every SM: CTAs, warps and what they wait for, asynchronous work",
          "trace saxpy.ptx --grid 4 --block 256 n=1000 a=2 'x=f32[1000]' 'y=f32[1000]' --out "
          "saxpy.json");
  add_run_options(*c, *a, "none");
  c->add_option("--out", a->out, "Chrome trace, for ui.perfetto.dev; one tick is shown as 1 us")
      ->capture_default_str();
  c->add_option("--svg", a->svg, "also draw a picture");
}

void add_step(CLI::App& ptx, Action& action) {
  const auto [c, a] = add(ptx, action, ptx_step, "step",
                          "a debugger: breakpoints, registers by lane, memory, barriers; reads "
                          "commands from standard input",
                          "step saxpy.ptx n=5 a=2 'x=f32[5]=iota' 'y=f32[5]=1'\n"
                          "and then: break 24, run, print count, memory global x, help");
  add_run_options(*c, *a, "none");
}

void add_check(CLI::App& ptx, Action& action) {
  const auto [c, a] =
      add(ptx, action, ptx_check, "check",
          "parse and decode only: errors by line, or kernels, registers, shared memory, occupancy",
          "check saxpy.ptx");
  add_source_options(*c, *a);
  c->add_option("--threads", a->threads,
                "of a CTA, for the occupancy; default what the kernel says, else 256")
      ->check(CLI::Range(1, 1024));
  c->add_flag("--json", a->json, "print as JSON");
}

void add_speed(CLI::App& ptx, Action& action) {
  const auto [c, a] = add(ptx, action, ptx_speed, "speed",
                          "how fast the software device is on this machine, and what checkers cost", "speed --rounds 11");
  c->add_option("--rounds", a->rounds, "of each; medians are printed")->capture_default_str()->check(CLI::Range(1, 1000));
  c->add_flag("--json", a->json, "print as JSON");
}

}  // namespace

void add_ptx(CLI::App& app, Action& action) {
  CLI::App* ptx = app.add_subcommand(
      "ptx", "run, check, step or profile a kernel of any .ptx file on the software device");
  ptx->require_subcommand(1);
  ptx->footer(overview);
  add_run(*ptx, action);
  add_check(*ptx, action);
  add_profile(*ptx, action);
  add_trace(*ptx, action);
  add_step(*ptx, action);
  add_speed(*ptx, action);
}

}  // namespace triptych::app
