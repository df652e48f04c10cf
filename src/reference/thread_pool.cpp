#include "reference/thread_pool.h"

#include <fmt/format.h>

#include <system_error>

#include "triptych/error.h"

namespace triptych::reference {

ThreadPool::ThreadPool(int threads) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error& error) {
    const std::size_t started = workers_.size() + 1;
    stop();
    throw environment_error(fmt::format("threads: {} of {} could be started: {}; use fewer (--threads)",
                                        started, threads, error.code().message()));
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  start_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_loop(Loop loop) {
  if (loop.count <= 0) return;
  {
    const std::lock_guard lock(mutex_);
    loop_ = loop;
    next_ = 0;
    failure_ = nullptr;
    busy_ = static_cast<int>(workers_.size());
    ++generation_;
  }
  if (loop.count > 1) start_.notify_all();
  take_indices(loop, 0);
  std::unique_lock lock(mutex_);
  // A worker that was never woken has no index left to take: waking it now only lets it pass.
  if (busy_ > 0) {
    start_.notify_all();
    finish_.wait(lock, [this] { return busy_ == 0; });
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::take_indices(const Loop& loop, int thread) {
  for (;;) {
    std::int64_t index;
    {
      const std::lock_guard lock(mutex_);
      if (next_ >= loop.count) return;
      index = next_++;
    }
    try {
      loop.call(loop.context, index, thread);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_ = loop.count;  // nobody starts another index
    }
  }
}

void ThreadPool::work(int thread) {
  std::int64_t seen = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    start_.wait(lock, [&] { return stop_ || generation_ != seen; });
    if (stop_) return;
    seen = generation_;
    const Loop loop = loop_;
    lock.unlock();
    take_indices(loop, thread);
    lock.lock();
    if (--busy_ == 0) finish_.notify_one();
  }
}

}  // namespace triptych::reference
