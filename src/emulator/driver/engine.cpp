#include "emulator/driver/engine.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "emulator/host/threads.h"

namespace triptych::emulator::driver {
namespace {

/// A number from the environment, or what stands in for it.
std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == 0) return otherwise;
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (*end != 0) {
    std::fprintf(stderr, "triptych: %s is '%s'; wanted a number, taking %llu\n", name, text,
                 static_cast<unsigned long long>(otherwise));
    return otherwise;
  }
  return value;
}

MachineOptions options_from_environment() {
  MachineOptions options;
  DeviceLimits device;
  device.sms = static_cast<int>(setting("TRIPTYCH_SMS", static_cast<std::uint64_t>(device.sms)));
  device.architecture = static_cast<int>(setting("TRIPTYCH_ARCHITECTURE", static_cast<std::uint64_t>(device.architecture)));
  options.devices.assign(setting("TRIPTYCH_DEVICES", 1), device);
  options.seed = setting("TRIPTYCH_SEED", 0);
  options.exact_tensor = setting("TRIPTYCH_EXACT", 0) != 0;
  if (const std::uint64_t threads = setting("TRIPTYCH_THREADS", 1); threads > 1) {
    const auto team = std::make_shared<HostThreads>(static_cast<int>(std::min<std::uint64_t>(threads, 256)));
    options.parallel = [team](int count, const std::function<void(int)>& body) { team->run(count, body); };
  }
  return options;
}

/// What TRIPTYCH_CHECK asks for.
Checks checks_from_environment() {
  const char* text = std::getenv("TRIPTYCH_CHECK");
  if (text == nullptr || *text == 0) return 0;
  if (const auto checks = checks_of(text)) return *checks;
  std::fprintf(stderr, "triptych: TRIPTYCH_CHECK is '%s'; wanted all, none, or names with commas: %s; checking nothing\n", text,
               names_of(all_checks).c_str());
  return 0;
}

}  // namespace

Engine& Engine::get() {
  // It is never ended: programs call the API while the process ends.
  static Engine* const engine = new Engine;
  return *engine;
}

Engine::Engine() : machine_(std::make_unique<Machine>(options_from_environment())) {
  machine_->print = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  if (const Checks checks = checks_from_environment(); checks != 0 && machine_->options().parallel) {
    std::fprintf(stderr, "triptych: TRIPTYCH_CHECK needs one host thread; unset TRIPTYCH_THREADS; checking nothing\n");
  } else if (checks != 0) {
    checker_ = make_checker(*machine_, checks);
    checker_->found = [](const Finding& f) { std::fprintf(stderr, "triptych: %s\n", f.text.c_str()); };
    machine_->observe(checker_.get());
  }
  for (int d = 0; d < device_count(); ++d) {
    primary_.push_back(make_context(d, 0));
    primary_.back()->primary = true;
  }
  std::thread([this] { loop(); }).detach();
  std::thread([this] { host_loop(); }).detach();
}

Context* Engine::make_context(int device, unsigned flags, std::vector<int> sms) {
  Context* context = contexts.make(Context{.device = device, .flags = flags, .id = next_id(), .sms = std::move(sms)});
  context->default_stream = make_stream(*context, true, 0);
  return context;
}

void Engine::drop_context(Context* context) {
  std::vector<LoadedModule*> loaded;
  for (const auto& m : modules) {
    if (m->context == context) loaded.push_back(m.get());
  }
  for (LoadedModule* m : loaded) unload(m);
  for (const auto& library : libraries) library->refused.erase(context);
  std::vector<std::uint64_t> memory;
  for (const auto& [begin, range] : ranges) {
    if (range.context == context && range.kind != RangeKind::mapped) memory.push_back(begin);
  }
  for (const std::uint64_t begin : memory) {
    machine_->memory().release(begin);
    ranges.remove(begin);
  }
  std::vector<Stream*> own;
  for (const auto& s : streams) {
    if (s->context == context && (!context->primary || s.get() != context->default_stream)) own.push_back(s.get());
  }
  for (Stream* s : own) streams.drop(s);
  if (!context->primary) {
    contexts.drop(context);
    return;
  }
  *context = Context{.device = context->device, .primary = true, .id = context->id, .default_stream = context->default_stream};
  context->default_stream->work.clear();
}

Result Engine::enqueue(Stream& stream, Operation operation) {
  if (stream.capture != nullptr) {
    if (stream.capture->invalidated) return Result::stream_capture_invalidated;
    stream.tail = {add_node(*stream.capture->graph, std::move(operation), stream.tail)};
    return Result::success;
  }
  Work work = work_of(*this, *stream.context, operation, stream.id);
  work.number = next_work_++;
  stream.work.push_back(std::move(work));
  work_.notify_one();
  return Result::success;
}

void Engine::wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& condition) {
  ++waiting_;
  work_.notify_one();
  done_.wait(lock, condition);
  --waiting_;
}

bool Engine::all_idle(const Context& context) const {
  for (const auto& s : streams) {
    if (s->context == &context && !s->work.empty()) return false;
  }
  return true;
}

Stream* Engine::make_stream(Context& context, bool blocking, int priority) {
  return streams.make(Stream{.context = &context, .blocking = blocking, .priority = priority, .id = next_id()});
}

/// The default stream and blocking streams wait for each other's work that was enqueued before.
bool Engine::may_begin(const Stream& stream) const {
  const bool is_default = &stream == stream.context->default_stream;
  if (!is_default && !stream.blocking) return true;
  for (const auto& other : streams) {
    if (other.get() == &stream || other->context != stream.context) continue;
    const bool other_default = other.get() == other->context->default_stream;
    if (!(is_default ? other->blocking : other_default)) continue;
    if (!other->work.empty() && (other->work.front().begun || other->work.front().number < stream.work.front().number)) {
      return false;
    }
  }
  return true;
}

/// Begins and ends what can be, in order. True if anything changed.
bool Engine::turn(Stream& s) {
  bool any = false;
  while (!s.work.empty()) {
    Work& head = s.work.front();
    if (!head.begun) {
      if (!may_begin(s)) break;
      head.begun = any = true;
      if (head.begin()) {
        s.work.pop_front();
        continue;
      }
    }
    // What began early has nothing before it any more.
    if (head.launch != nullptr) head.launch->prerequisites_done = 1;
    if (!head.done()) break;
    s.work.pop_front();
    any = true;
  }
  // A programmatic launch begins once the grid before it lets it; it waits for that grid's end by itself.
  for (std::size_t i = 1; i < s.work.size(); ++i) {
    Work &before = s.work[i - 1], &next = s.work[i];
    if (!before.begun || before.launch == nullptr || !before.launch->dependents_may_start()) break;
    if (next.launch == nullptr || !next.launch->programmatic) break;
    if (next.begun) continue;
    next.launch->prerequisites_done = 0;
    next.begun = any = true;
    if (next.begin()) break;
  }
  return any;
}

bool Engine::turn() {
  bool any = false;
  for (const auto& stream : streams) any = turn(*stream) || any;
  return any;
}

void Engine::loop() {
  using std::chrono::microseconds, std::chrono::milliseconds;
  std::unique_lock lock(mutex_);
  while (true) {
    bool any = turn();
    const Progress progress = machine_->step();
    if (progress == Progress::running) any = true;
    if (progress == Progress::stuck && !any) {
      // Only the host could help. If some thread of it waits for this work and nothing else is under way,
      // it is a deadlock; else it gets the time to write.
      const milliseconds patience(setting("TRIPTYCH_DEADLOCK_MS", 1000));
      done_.notify_all();
      if (waiting_ > 0 && work_.wait_for(lock, patience) == std::cv_status::timeout &&
          machine_->step() == Progress::stuck && !turn()) {
        machine_->abort(FaultKind::deadlock, "deadlock: nothing can go on\n" + machine_->blocked());
      }
      if (waiting_ == 0) work_.wait_for(lock, milliseconds(1));
      continue;
    }
    done_.notify_all();
    if (any) {
      // Host threads that want in get their turn.
      lock.unlock();
      lock.lock();
      continue;
    }
    // Streams that wait for a value in memory look at it again soon.
    bool pending = false;
    for (const auto& s : streams) pending = pending || !s->work.empty();
    work_.wait_for(lock, pending ? microseconds(200) : microseconds(50000));
  }
}

void Engine::call_on_host(std::function<void()> function, std::shared_ptr<bool> over) {
  host_calls_.emplace_back(std::move(function), std::move(over));
  host_work_.notify_one();
}

void Engine::host_loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    host_work_.wait(lock, [this] { return !host_calls_.empty(); });
    const auto [function, over] = std::move(host_calls_.front());
    host_calls_.pop_front();
    lock.unlock();
    function();
    lock.lock();
    *over = true;
    work_.notify_one();
  }
}

void Engine::fail(Context& context, FaultKind kind, const std::string& report) {
  if (context.failed != Result::success) return;
  context.failed = result_of(kind);
  context.report = report;
  std::fprintf(stderr, "triptych: %s\n", report.c_str());
}

Result result_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::illegal_address: return Result::illegal_address;
    case FaultKind::misaligned_address: return Result::misaligned_address;
    case FaultKind::illegal_instruction:
    case FaultKind::trap: return Result::illegal_instruction;
    case FaultKind::invalid_pc: return Result::invalid_pc;
    case FaultKind::invalid_address_space: return Result::invalid_address_space;
    case FaultKind::hardware_stack: return Result::hardware_stack_error;
    case FaultKind::assertion: return Result::assertion;
    case FaultKind::deadlock: return Result::launch_timeout;
    case FaultKind::out_of_memory: return Result::out_of_memory;
    default: return Result::launch_failed;
  }
}

}  // namespace triptych::emulator::driver
