/// \file
/// Host threads that share out the SMs of a machine. The machine itself knows of none.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace triptych::emulator {

/// A team that works on one loop after the other: MachineOptions::parallel.
class HostThreads {
 public:
  /// `count` threads, the caller among them.
  explicit HostThreads(int count);
  ~HostThreads();
  HostThreads(const HostThreads&) = delete;
  HostThreads& operator=(const HostThreads&) = delete;

  /// Calls body(0) … body(count - 1), each once, and returns when all have returned.
  void run(int count, const std::function<void(int)>& body);

 private:
  void work();
  void help();

  std::mutex mutex_;
  std::condition_variable begin_, end_;
  const std::function<void(int)>* body_ = nullptr;
  int count_ = 0;
  std::atomic<int> busy_{0};
  std::atomic<std::uint64_t> round_{0};
  std::atomic<int> next_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

}  // namespace triptych::emulator
