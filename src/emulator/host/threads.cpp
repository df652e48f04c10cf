#include "emulator/host/threads.h"

namespace triptych::emulator {
namespace {

/// How often a thread looks before it sleeps: rounds follow each other within microseconds, and waking takes as long.
constexpr int turns = 2000;

}  // namespace

HostThreads::HostThreads(int count) {
  for (int t = 1; t < count; ++t) threads_.emplace_back([this] { work(); });
}

HostThreads::~HostThreads() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  begin_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void HostThreads::help() {
  for (int i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) (*body_)(i);
}

void HostThreads::run(int count, const std::function<void(int)>& body) {
  {
    const std::lock_guard lock(mutex_);
    body_ = &body;
    count_ = count;
    next_ = 0;
    busy_ = static_cast<int>(threads_.size());
    ++round_;
  }
  begin_.notify_all();
  help();
  for (int turn = 0; turn < turns && busy_ != 0; ++turn) std::this_thread::yield();
  std::unique_lock lock(mutex_);
  end_.wait(lock, [&] { return busy_ == 0; });
}

void HostThreads::work() {
  std::uint64_t seen = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    lock.unlock();
    for (int turn = 0; turn < turns && round_ == seen && !stop_; ++turn) std::this_thread::yield();
    lock.lock();
    begin_.wait(lock, [&] { return stop_ || round_ != seen; });
    if (stop_) return;
    seen = round_;
    lock.unlock();
    help();
    lock.lock();
    if (--busy_ == 0) end_.notify_one();
  }
}

}  // namespace triptych::emulator
