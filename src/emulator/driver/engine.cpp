#include "emulator/driver/engine.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

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
  return options;
}

}  // namespace

Engine& Engine::get() {
  static Engine engine;
  return engine;
}

Engine::Engine() : machine_(std::make_unique<Machine>(options_from_environment())) {
  machine_->print = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  };
  for (int d = 0; d < device_count(); ++d) {
    streams_.push_back(std::make_unique<Stream>());
    streams_.back()->device = d;
    primary_.push_back({.device = d, .primary = true});
  }
  thread_ = std::thread([this] { loop(); });
}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  thread_.join();
}

void Engine::enqueue(Stream& stream, Work work) {
  work.number = next_work_++;
  stream.work.push_back(std::move(work));
  work_.notify_one();
}

void Engine::wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& condition) {
  ++waiting_;
  work_.notify_one();
  done_.wait(lock, condition);
  --waiting_;
}

bool Engine::all_idle(int device) const {
  for (const auto& s : streams_) {
    if (s->device == device && !s->work.empty()) return false;
  }
  return true;
}

Stream& Engine::default_stream(int device) { return *streams_[static_cast<std::size_t>(device)]; }

Stream* Engine::make_stream(int device, bool blocking, int priority) {
  auto stream = std::make_unique<Stream>();
  stream->device = device;
  stream->blocking = blocking;
  stream->priority = priority;
  stream->id = next_stream_++;
  streams_.push_back(std::move(stream));
  return streams_.back().get();
}

void Engine::forget(Stream* stream) {
  std::erase_if(streams_, [&](const auto& s) { return s.get() == stream; });
}

/// The default stream and blocking streams wait for each other's work that was enqueued before.
bool Engine::may_begin(const Stream& stream) const {
  const bool is_default = &stream == streams_[static_cast<std::size_t>(stream.device)].get();
  if (!is_default && !stream.blocking) return true;
  for (const auto& other : streams_) {
    if (other.get() == &stream || other->device != stream.device) continue;
    const bool other_default = other == streams_[static_cast<std::size_t>(other->device)];
    if (!(is_default ? other->blocking : other_default)) continue;
    if (!other->work.empty() && (other->work.front().begun || other->work.front().number < stream.work.front().number)) {
      return false;
    }
  }
  return true;
}

/// Begins and ends what can be. True if anything changed.
bool Engine::turn() {
  bool any = false;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    Stream& s = *streams_[i];
    while (!s.work.empty()) {
      Work& head = s.work.front();
      if (!head.begun) {
        if (!may_begin(s)) break;
        head.begun = true;
        if (head.begin()) {
          s.work.pop_front();
          any = true;
          continue;
        }
        any = true;
      }
      if (!head.done()) break;
      s.work.pop_front();
      any = true;
    }
  }
  return any;
}

void Engine::loop() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    bool any = turn();
    const Progress progress = machine_->step();
    if (progress == Progress::running) any = true;
    if (progress == Progress::stuck && !any) {
      // Only the host could help. If some thread of it waits for this work and nothing else is under way,
      // it is a deadlock; else it gets the time to write.
      const auto patience = std::chrono::milliseconds(setting("TRIPTYCH_DEADLOCK_MS", 1000));
      done_.notify_all();
      if (waiting_ > 0 && work_.wait_for(lock, patience) == std::cv_status::timeout &&
          machine_->step() == Progress::stuck && !turn()) {
        machine_->abort(FaultKind::deadlock, "deadlock: nothing can go on\n" + machine_->blocked());
      }
      if (waiting_ == 0) work_.wait_for(lock, std::chrono::milliseconds(1));
      continue;
    }
    if (any) {
      done_.notify_all();
      // Host threads that want in get their turn.
      lock.unlock();
      lock.lock();
    } else {
      done_.notify_all();
      work_.wait_for(lock, std::chrono::milliseconds(50));
    }
  }
}

void Engine::fail(int device, FaultKind kind, const std::string& report) {
  Context& context = primary(device);
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
