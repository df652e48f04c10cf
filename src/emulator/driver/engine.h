/// \file
/// The device behind the Driver API: one machine, streams of work, and a host thread that carries it out.
///
/// API calls only enqueue. The engine's thread takes what streams have at their heads, hands launches to
/// the machine and steps it; calls that synchronise wait for the engine to say that their work is done.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "emulator/check/check.h"
#include "emulator/decode/decode.h"
#include "emulator/driver/graph.h"
#include "emulator/driver/handles.h"
#include "emulator/driver/module.h"
#include "emulator/driver/ranges.h"
#include "emulator/driver/types.h"
#include "emulator/machine/machine.h"

namespace triptych::emulator::driver {

struct Context;

/// An event: the number of records of it that were enqueued and that are done, and when the last was.
struct Event {
  std::uint64_t recorded = 0, done = 0;
  std::uint64_t nanoseconds = 0;        ///< the machine's virtual clock at the last record
  bool timed = true;
  std::shared_ptr<Capture> capture;     ///< set if the last record was captured, then behind these nodes
  std::vector<Node*> captured;
};

/// One thing that a stream does.
struct Work {
  /// Begins it. Called by the engine's thread with the engine locked; true if it is done at once.
  std::function<bool()> begin;
  /// Whether it is done, once it has begun.
  std::function<bool()> done = [] { return true; };
  /// The kernel, if it is one: a programmatic one may begin while the one before it runs.
  std::shared_ptr<Launch> launch = nullptr;
  bool begun = false;
  std::uint64_t number = 0;   ///< in the order of enqueuing, over all streams
};

/// A stream: work in order.
struct Stream {
  Context* context = nullptr;
  bool blocking = true;                 ///< waits for and is waited for by the default stream
  int priority = 0;
  std::uint64_t id = 0;
  std::deque<Work> work = {};
  std::shared_ptr<Capture> capture = nullptr;  ///< what it is recorded into instead of being done
  std::vector<Node*> tail = {};                ///< while capturing: what the next node depends on
};

/// A context: a device, and the first error that a kernel of it has made, which stays.
struct Context {
  int device = 0;
  bool primary = false;
  unsigned flags = 0;
  std::uint64_t id = 0;
  int references = 0;                   ///< a primary context's
  std::vector<int> sms = {};            ///< a green context's; empty: all
  Stream* default_stream = nullptr;
  int cache_config = 0;
  std::uint32_t peers = 0;              ///< a bit for each device whose memory its kernels may use as well
  std::map<int, std::size_t> limits = {};
  Result failed = Result::success;
  std::string report = {};
};

class Engine {
 public:
  /// The process's engine, made at the first call; options come from the environment (docs/emulator.md).
  static Engine& get();

  std::mutex& mutex() { return mutex_; }
  Machine& machine() { return *machine_; }
  /// What watches the kernels; null unless TRIPTYCH_CHECK asks for it.
  Checker* checker() { return checker_.get(); }
  int device_count() const { return static_cast<int>(machine_->options().devices.size()); }

  // All of these are called with the mutex locked.

  /// Does it on the stream, or records it if the stream is captured.
  Result enqueue(Stream& stream, Operation operation);
  /// Lets the engine's thread work until `condition` holds.
  void wait(std::unique_lock<std::mutex>& lock, const std::function<bool()>& condition);
  /// Lets a thread of the host's call it, in order; `over` becomes true then.
  void call_on_host(std::function<void()> function, std::shared_ptr<bool> over);
  bool idle(const Stream& stream) const { return stream.work.empty(); }
  bool all_idle(const Context& context) const;
  Context* make_context(int device, unsigned flags, std::vector<int> sms = {});
  /// Ends a context with all that it owns.
  void drop_context(Context* context);
  Context& primary(int device) { return *primary_[static_cast<std::size_t>(device)]; }
  Stream* make_stream(Context& context, bool blocking, int priority);
  /// A kernel failed: its context keeps the error.
  void fail(Context& context, FaultKind kind, const std::string& report);
  std::uint64_t next_id() { return next_id_++; }

  Handles<Context> contexts;
  Handles<Stream> streams;
  Handles<Event> events;
  Handles<LoadedModule> modules;
  Handles<Library> libraries;
  std::unordered_set<const void*> functions, kernels;   ///< of all modules and libraries
  Handles<Graph> graphs;
  Handles<Node> nodes;
  Handles<GraphExec> executables;
  Ranges ranges;

 private:
  Engine();
  void loop();
  void host_loop();
  bool turn();
  bool turn(Stream& stream);
  bool may_begin(const Stream& stream) const;

  std::mutex mutex_;
  std::condition_variable work_, done_, host_work_;
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Checker> checker_;
  std::vector<Context*> primary_;
  std::deque<std::pair<std::function<void()>, std::shared_ptr<bool>>> host_calls_;
  std::uint64_t next_id_ = 1, next_work_ = 1;
  int waiting_ = 0;                                  ///< host threads that wait for work
};

/// The result that a real driver gives for a fault.
Result result_of(FaultKind kind);

/// What carries an operation out on a stream.
Work work_of(Engine& engine, Context& context, const Operation& operation, std::uint64_t stream_id);

}  // namespace triptych::emulator::driver
