/// \file
/// A fixed set of threads that share out the indices of a loop.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace triptych::reference {

/// Runs loops on `threads` threads, the caller being one of them.
///
/// Which thread takes which index varies from run to run, so a loop body must write only what its
/// index owns: then results do not depend on the number of threads. Running a loop allocates nothing.
class ThreadPool {
 public:
  /// REQUIRES: threads ≥ 1. Throws Error (environment) if the system does not give so many.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls body(index, thread) once for each index in 0 … count-1 and returns when all are done;
  /// `thread` is in 0 … threads()-1. The first exception of a body is thrown again here.
  template <class Body>
  void run(std::int64_t count, Body&& body) {
    run_loop({[](void* context, std::int64_t index, int thread) {
                (*static_cast<std::remove_reference_t<Body>*>(context))(index, thread);
              },
              const_cast<void*>(static_cast<const void*>(&body)), count});
  }

 private:
  struct Loop {
    void (*call)(void*, std::int64_t, int) = nullptr;
    void* context = nullptr;
    std::int64_t count = 0;
  };

  void stop();
  void run_loop(Loop loop);
  void work(int thread);
  void take_indices(const Loop& loop, int thread);

  std::mutex mutex_;
  std::condition_variable start_, finish_;
  Loop loop_;
  std::int64_t next_ = 0;        // first index that nobody has taken
  std::int64_t generation_ = 0;  // counts loops, so that a worker joins each once
  int busy_ = 0;                 // workers inside the current loop
  bool stop_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> workers_;
};

}  // namespace triptych::reference
