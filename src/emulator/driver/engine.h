/// \file
/// The device behind the Driver API: one machine, streams of work, and a host thread that carries it out.
///
/// API calls only enqueue. The engine's thread takes what streams have at their heads, hands launches to
/// the machine and steps it; calls that synchronise wait for the engine to say that their work is done.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "emulator/decode/decode.h"
#include "emulator/driver/types.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator::driver {

struct Stream;

/// An event: the number of records of it that were enqueued and that are done, and when the last was.
struct Event {
  std::uint64_t recorded = 0, done = 0;
  std::uint64_t nanoseconds = 0;     ///< the machine's virtual clock at the last record
};

/// One thing that a stream does.
struct Work {
  /// Begins it. Called by the engine's thread with the engine locked; true if it is done at once.
  std::function<bool()> begin;
  /// Whether it is done, once it has begun.
  std::function<bool()> done = [] { return true; };
  bool begun = false;
  std::uint64_t number = 0;   ///< in the order of enqueuing, over all streams
};

/// A stream: work in order.
struct Stream {
  std::deque<Work> work;
  bool blocking = true;              ///< waits for and is waited for by the default stream
  std::uint64_t id = 0;
  int priority = 0;
  int device = 0;
};

/// A loaded module and its functions.
struct LoadedModule;
struct LoadedFunction {
  LoadedModule* module = nullptr;
  const FunctionCode* code = nullptr;
  int max_dynamic_shared = 48 * 1024;
  int preferred_carveout = -1;
  int required_cluster[3] = {0, 0, 0};
  bool non_portable_cluster = false;
};
struct LoadedModule {
  std::unique_ptr<ModuleCode> code;
  std::map<std::string, std::unique_ptr<LoadedFunction>, std::less<>> functions;
  int device = 0;
};

/// A context: a device, and the first error that a kernel of it has made, which stays.
struct Context {
  int device = 0;
  bool primary = false;
  Result failed = Result::success;
  std::string report;
};

class Engine {
 public:
  /// The process's engine, made at the first call; options come from the environment (docs/emulator.md).
  static Engine& get();
  ~Engine();

  std::mutex& mutex() { return mutex_; }
  Machine& machine() { return *machine_; }
  int device_count() const { return static_cast<int>(machine_->options().devices.size()); }

  // All of these are called with the mutex locked.

  void enqueue(Stream& stream, Work work);
  /// Lets the engine's thread work until `condition` holds.
  void wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& condition);
  bool idle(const Stream& stream) const { return stream.work.empty(); }
  bool all_idle(int device) const;
  Stream& default_stream(int device);
  Stream* make_stream(int device, bool blocking, int priority);
  void forget(Stream* stream);
  Context& primary(int device) { return primary_[static_cast<std::size_t>(device)]; }
  /// A kernel failed: its context keeps the error.
  void fail(int device, FaultKind kind, const std::string& report);

 private:
  Engine();
  void loop();
  bool turn();
  bool may_begin(const Stream& stream) const;

  std::mutex mutex_;
  std::condition_variable work_, done_;
  std::unique_ptr<Machine> machine_;
  std::vector<std::unique_ptr<Stream>> streams_;     ///< the first of each device is the default stream
  std::vector<Context> primary_;
  std::uint64_t next_stream_ = 1, next_work_ = 1;
  int waiting_ = 0;                                  ///< host threads that wait for work
  bool stop_ = false;
  std::thread thread_;
};

/// The result that a real driver gives for a fault.
Result result_of(FaultKind kind);

}  // namespace triptych::emulator::driver
