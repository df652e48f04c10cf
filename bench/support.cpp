#include "bench/support.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "reference/thread_pool.h"
#include "train/random.h"

namespace triptych::bench {
namespace {

/// Processors that this process may use, as the reference tier counts them.
int processors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(CPU_COUNT(&set), 1) : 1;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Seconds that a call takes.
double seconds(const std::function<void()>& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The next normal deviates times `scale`, from a table whose length is a prime: drawing all of them anew
/// would take longer than what is measured.
template <class T>
void fill_normal(T* to, std::int64_t count, float scale) {
  static const auto table = [] {
    std::vector<float> values(65521);
    Random random(1);
    for (float& value : values) value = static_cast<float>(random.normal());
    return values;
  }();
  static std::size_t next = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = static_cast<T>(table[next] * scale);
    next = next + 1 == table.size() ? 0 : next + 1;
  }
}

/// Values of f32 and bf16; of other dtypes all bits are zero.
void fill(const Tensor& tensor, double scale) {
  switch (tensor.dtype) {
    case DType::f32: return fill_normal(tensor.as<float>(), tensor.count(), static_cast<float>(scale));
    case DType::bf16: return fill_normal(tensor.as<bf16>(), tensor.count(), static_cast<float>(scale));
    default: std::memset(tensor.data, 0, tensor.bytes());
  }
}

/// memcpy of a given number of bytes, read and written together, on all threads.
class Copy {
 public:
  Copy(double bytes, int threads)
      : threads_(threads), part_(static_cast<std::size_t>(bytes / 2 / threads)),
        from_(part_ * static_cast<std::size_t>(threads), std::byte{1}), to_(from_), pool_(threads) {}
  void run() {
    pool_.run(threads_, [&](std::int64_t i, int) {
      const std::size_t begin = static_cast<std::size_t>(i) * part_;
      std::memcpy(to_.data() + begin, from_.data() + begin, part_);
      benchmark::DoNotOptimize(to_.data());
    });
  }

 private:
  int threads_;
  std::size_t part_;
  std::vector<std::byte> from_, to_;
  reference::ThreadPool pool_;
};

/// A square sgemm on each thread.
class Product {
 public:
  explicit Product(int threads) : pool_(threads) {
    for (std::vector<float>* matrix : {&a_, &b_, &c_}) {
      matrix->resize(static_cast<std::size_t>(threads * edge * edge));
      fill({matrix->data(), DType::f32, {threads, edge, edge}}, 1);
    }
  }
  double flops() const { return 2.0 * edge * edge * edge * pool_.threads(); }
  void run() {
    set_blas_threads(1);
    pool_.run(pool_.threads(), [&](std::int64_t i, int) {
      const std::int64_t at = i * edge * edge;
      product_nt(edge, edge, edge, a_.data() + at, b_.data() + at, c_.data() + at);
    });
  }

 private:
  static constexpr std::int64_t edge = 768;
  std::vector<float> a_, b_, c_;
  reference::ThreadPool pool_;
};

/// What takes its turn in a round; absent forms take no time.
struct Form {
  std::function<void()> call;
  double rest = 0;  ///< seconds to wait afterwards
  std::vector<double> times{};

  void run() {
    times.push_back(call ? seconds(call) : 0);
    if (rest > 0 && settings.rounds > 1) std::this_thread::sleep_for(std::chrono::duration<double>(rest));
  }
};

/// As many rounds as the settings want, a different form first in each.
void run_rounds(std::array<Form, 4>& forms) {
  if (settings.rounds > 1) {
    for (Form& form : forms) form.run();  // grows workspaces: not counted
    for (Form& form : forms) form.times.clear();
  }
  const auto start = std::chrono::steady_clock::now();
  const auto enough = [&] {
    return std::chrono::steady_clock::now() - start >= std::chrono::duration<double>(settings.seconds);
  };
  for (std::size_t round = 0; round < static_cast<std::size_t>(settings.rounds) || !enough(); ++round) {
    for (std::size_t i = 0; i < forms.size(); ++i) forms[(i + round) % forms.size()].run();
  }
}

}  // namespace

Case::Case(benchmark::State& state, Precision policy, const Sizes& size)
    : precision(policy), sizes(size), s(storage_dtype(policy)), a(accumulation_dtype(policy)),
      threads(settings.threads > 0 ? settings.threads : processors()),
      tier(make_tier({.name = "reference", .threads = threads})), state_(state) {}

Case::~Case() {
  for (void* memory : memory_) tier->deallocate(memory);
}

Tensor Case::uncounted(DType dtype, Shape shape, double scale) {
  Tensor tensor{nullptr, dtype, shape};
  memory_.push_back(tensor.data = tier->allocate(tensor.bytes()));
  fill(tensor, scale);
  return tensor;
}

Tensor Case::read(DType dtype, Shape shape, double scale) {
  const Tensor tensor = uncounted(dtype, shape, scale);
  bytes(static_cast<double>(tensor.bytes()));
  return tensor;
}

Tensor Case::written(DType dtype, Shape shape) { return read(dtype, shape); }

Tensor Case::updated(DType dtype, Shape shape, double scale) {
  const Tensor tensor = read(dtype, shape, scale);
  bytes(static_cast<double>(tensor.bytes()));
  return tensor;
}

Tensor Case::indices(Shape shape, std::int64_t below) {
  const Tensor tensor = read(DType::i32, shape);
  Random random(2);
  for (std::int64_t i = 0; i < tensor.count(); ++i) {
    tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(below)));
  }
  return tensor;
}

Tensor Case::experts() {
  const Tensor all = read(DType::i32, {sizes.tokens, sizes.choices});
  auto* expert = all.as<std::int32_t>();
  Random random(3);
  for (std::int64_t t = 0; t < sizes.tokens; ++t) {
    const auto first = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(sizes.experts)));
    // Steps of 5 never meet: the number of experts is a power of two.
    for (int k = 0; k < sizes.choices; ++k) {
      *expert++ = static_cast<std::int32_t>((first + 5 * k) % sizes.experts);
    }
  }
  return all;
}

DispatchPlan Case::plan(const ConstTensor& experts) {
  const auto indices = [&](Shape shape) { return uncounted(DType::i32, shape); };
  const DispatchPlan plan{indices({sizes.experts + 1}), indices({sizes.experts + 1}),
                          indices({sizes.tokens, sizes.choices}), indices({sizes.rows()})};
  tier->dispatch_plan({.experts = experts, .plan = plan});
  return plan;
}

QuantizedWeight Case::quantized_weight(const ConstTensor& w) {
  const std::int64_t e = w.shape[0], n = w.shape[1], k = w.shape[2];
  const QuantizedWeight out{uncounted(DType::e4m3, {e, n, k}), uncounted(DType::e4m3, {e, k, n}),
                            uncounted(DType::f32, {e, n / fp8_block, k / fp8_block})};
  tier->quantize_weight({.w = w, .out = out});
  return out;
}

void Case::measure(const std::function<void()>& ours, const Peer& peer) {
  Copy copy(bytes_, threads);
  std::unique_ptr<Product> product;
  if (has_blas && flops_ > 0) product = std::make_unique<Product>(threads);
  std::array<Form, 4> forms{Form{ours}, Form{[&] { copy.run(); }}, Form{}, Form{peer.call, peer.rest}};
  if (product) forms[2].call = [&] { product->run(); };
  for (auto _ : state_) {
    run_rounds(forms);
    state_.SetIterationTime(median(forms[0].times));
  }
  const double time = median(forms[0].times), product_flops = product ? product->flops() : 1;
  std::vector<double> rooflines, peers;
  for (std::size_t i = 0; i < forms[0].times.size(); ++i) {
    const double own = forms[0].times[i], product_time = forms[2].times[i] * flops_ / product_flops;
    rooflines.push_back(std::max(forms[1].times[i], product_time) / own);
    peers.push_back(forms[3].times[i] / own);
  }
  if (flops_ > 0) {
    state_.counters["GFLOP/s"] = flops_ / time * 1e-9;
  } else {
    state_.counters["GB/s"] = bytes_ / time * 1e-9;
  }
  state_.counters["rounds"] = static_cast<double>(rooflines.size());
  if (flops_ == 0 || product) state_.counters["roofline"] = median(rooflines);
  if (!peer.call) return;
  state_.counters["peer"] = median(peers);
  state_.SetLabel(peer.name);
}

bool add(const std::string& operation, std::initializer_list<Precision> policies, void (*body)(Case&)) {
  for (const Precision policy : policies) {
    for (const Sizes& sizes : all_sizes) {
      const std::string name = operation + "/" + name_of(policy) + "/" + sizes.name;
      benchmark::RegisterBenchmark(name.c_str(), [policy, &sizes, body](benchmark::State& state) {
        Case one(state, policy, sizes);
        body(one);
      })->UseManualTime()->Unit(benchmark::kMicrosecond)->Iterations(1);
    }
  }
  return true;
}

bool add(const std::string& operation, void (*body)(Case&)) {
  return add(operation, {Precision::f32, Precision::bf16}, body);
}

}  // namespace triptych::bench
