// What carries operations out.
#include <atomic>
#include <cstring>

#include "emulator/driver/launch.h"

namespace triptych::emulator::driver {
namespace {

std::uint8_t* host(std::uint64_t address) { return reinterpret_cast<std::uint8_t*>(address); }

/// Work that is done at once when its turn comes; after a fault nothing of the context is.
template <class F>
Work now(Context& context, F&& body) {
  return {.begin = [body, &context] {
    if (context.failed == Result::success) body();
    return true;
  }};
}

/// Tells the checker of rows that the host, or a copy on its behalf, has written.
void note_rows(Engine& engine, std::uint64_t to, std::size_t width, std::size_t height, std::size_t pitch) {
  if (engine.checker() == nullptr) return;
  for (std::size_t y = 0; y < height; ++y) engine.checker()->host_wrote(to + y * pitch, width);
}

void copy(Engine& engine, const CopyOperation& c) {
  const std::uint8_t* from = c.staged != nullptr ? c.staged->data() : host(c.from);
  for (std::size_t z = 0; z < c.depth; ++z) {
    note_rows(engine, c.to + z * c.to_slice, c.width, c.height, c.to_pitch);
    for (std::size_t y = 0; y < c.height; ++y) {
      std::memmove(host(c.to) + z * c.to_slice + y * c.to_pitch, from + z * c.from_slice + y * c.from_pitch, c.width);
    }
  }
}

void fill(Engine& engine, const FillOperation& f) {
  if (f.width == 0) return;   // there may be no memory either
  note_rows(engine, f.to, f.width * f.element, f.height, f.pitch);
  for (std::size_t y = 0; y < f.height; ++y) {
    std::uint8_t* row = host(f.to) + y * f.pitch;
    if (f.element == 1) std::memset(row, static_cast<int>(f.value & 255), f.width);
    if (f.element == 2) std::fill_n(reinterpret_cast<std::uint16_t*>(row), f.width, static_cast<std::uint16_t>(f.value));
    if (f.element == 4) std::fill_n(reinterpret_cast<std::uint32_t*>(row), f.width, f.value);
  }
}

bool holds(const ValueOperation& v) {
  const auto satisfied = [&](auto now, auto wanted) {
    using Signed = std::make_signed_t<decltype(now)>;
    switch (v.comparison) {
      case 0: return static_cast<Signed>(now - wanted) >= 0;
      case 1: return now == wanted;
      case 2: return (now & wanted) != 0;
      default: return static_cast<decltype(now)>(~(now | wanted)) != 0;
    }
  };
  if (v.wide) {
    return satisfied(std::atomic_ref(*reinterpret_cast<std::uint64_t*>(v.address)).load(std::memory_order_acquire), v.value);
  }
  return satisfied(std::atomic_ref(*reinterpret_cast<std::uint32_t*>(v.address)).load(std::memory_order_acquire),
                   static_cast<std::uint32_t>(v.value));
}

void write(const ValueOperation& v) {
  if (v.wide) {
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(v.address)).store(v.value, std::memory_order_release);
  } else {
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(v.address))
        .store(static_cast<std::uint32_t>(v.value), std::memory_order_release);
  }
}

/// Device memory in which grid.sync counts: its size and the barrier's word.
std::uint64_t make_workspace(Engine& engine, int device) {
  constexpr std::uint64_t bytes = 64;
  const std::uint64_t at = engine.machine().memory().allocate(bytes, 256, device);
  if (at == 0) return 0;
  std::memset(host(at), 0, bytes);
  *reinterpret_cast<std::uint32_t*>(at) = bytes;
  return at;
}

Work work_of(Engine& engine, Context& context, const KernelOperation& k, std::uint64_t stream) {
  const auto launch = launch_of(context, k);
  launch->stream = stream;
  const auto over = std::make_shared<bool>(false);
  launch->ended = [over, &engine, &context](Launch& l) {
    *over = true;
    if (l.workspace != 0) engine.machine().memory().release(l.workspace);
    if (l.failed) engine.fail(context, l.fault_kind, l.fault);
  };
  return {.begin = [launch, &engine, &context] {
            if (context.failed != Result::success) return true;
            if (launch->cooperative) launch->workspace = make_workspace(engine, context.device);
            engine.machine().submit(launch);
            return false;
          },
          .done = [over] { return *over; },
          .launch = launch};
}

Work work_of(Engine& engine, Context& context, const HostOperation& h, std::uint64_t) {
  const auto over = std::make_shared<bool>(false);
  return {.begin = [&engine, &context, h, over] {
            if (context.failed != Result::success) return true;
            engine.call_on_host([h] { h.function(h.data); }, over);
            return false;
          },
          .done = [over] { return *over; }};
}

/// One run of a graph: each step begins when all that it comes after is done.
class Run {
 public:
  Run(Engine& engine, Context& context, std::shared_ptr<const Plan> plan, std::uint64_t stream) : plan_(std::move(plan)) {
    for (const Plan::Step& step : plan_->steps) {
      works_.push_back(step.enabled ? work_of(engine, context, step.operation, stream)
                                    : work_of(engine, context, EmptyOperation{}, stream));
    }
    done_.resize(works_.size());
  }
  bool advance() {
    bool all = true;
    for (std::size_t i = 0; i < works_.size(); ++i) {
      Work& work = works_[i];
      if (done_[i]) continue;
      if (!work.begun) {
        bool ready = true;
        for (const std::size_t j : plan_->steps[i].after) ready = ready && done_[j];
        if (ready) {
          work.begun = true;
          done_[i] = work.begin() || work.done();
        }
      } else {
        done_[i] = work.done();
      }
      all = all && done_[i];
    }
    return all;
  }

 private:
  std::shared_ptr<const Plan> plan_;
  std::vector<Work> works_;
  std::vector<bool> done_;
};

Work work_of(Engine& engine, Context& context, const PlanOperation& p, std::uint64_t stream) {
  const auto run = std::make_shared<Run>(engine, context, p.plan, stream);
  return {.begin = [run] { return run->advance(); }, .done = [run] { return run->advance(); }};
}

Work work_of(Engine& engine, Context& context, const CopyOperation& c, std::uint64_t) {
  return now(context, [&engine, c] { copy(engine, c); });
}
Work work_of(Engine& engine, Context& context, const FillOperation& f, std::uint64_t) {
  return now(context, [&engine, f] { fill(engine, f); });
}
Work work_of(Engine&, Context&, const EmptyOperation&, std::uint64_t) {
  return {.begin = [] { return true; }};
}

/// Events are recorded after a fault too: they say that the stream came by.
Work work_of(Engine& engine, Context& context, const RecordOperation& r, std::uint64_t stream) {
  if (!engine.events.holds(r.event)) return work_of(engine, context, EmptyOperation{}, stream);
  const std::uint64_t number = r.number != 0 ? r.number : ++r.event->recorded;
  return {.begin = [event = r.event, number, &engine] {
    if (engine.events.holds(event)) {
      event->done = std::max(event->done, number);
      event->nanoseconds = engine.machine().now();
    }
    return true;
  }};
}

Work work_of(Engine& engine, Context& context, const WaitOperation& w, std::uint64_t stream) {
  if (!engine.events.holds(w.event)) return work_of(engine, context, EmptyOperation{}, stream);
  const std::uint64_t number = w.number != 0 ? w.number : w.event->recorded;
  const auto done = [event = w.event, number, &engine] { return !engine.events.holds(event) || event->done >= number; };
  return {.begin = done, .done = done};
}

Work work_of(Engine& engine, Context& context, const ValueOperation& v, std::uint64_t) {
  if (!v.wait) return now(context, [v] { write(v); });
  const auto done = [v, &context, &engine] {
    return context.failed != Result::success || engine.machine().memory().find(v.address, 4).end == 0 || holds(v);
  };
  return {.begin = done, .done = done};
}

Work work_of(Engine& engine, Context&, const FreeOperation& f, std::uint64_t) {
  return {.begin = [address = f.address, &engine] {
    engine.machine().memory().release(address);
    return true;
  }};
}

}  // namespace

Work work_of(Engine& engine, Context& context, const Operation& operation, std::uint64_t stream_id) {
  return std::visit([&](const auto& one) { return work_of(engine, context, one, stream_id); }, operation);
}

int type_of(const Operation& operation) {
  // KernelOperation … FreeOperation, in the order of the variant: CU_GRAPH_NODE_TYPE_….
  constexpr int types[] = {0, 1, 2, 3, 4, 5, 6, 7, 12, 11};
  return types[operation.index()];
}

}  // namespace triptych::emulator::driver
