#include "emulator/tool/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulator/decode/decode.h"
#include "emulator/instrument/observer_list.h"
#include "emulator/tool/error.h"
#include "emulator/tool/fill.h"
#include "emulator/tool/value.h"

namespace triptych::emulator {
namespace {

MachineOptions options_of(const RunRequest& request) {
  MachineOptions options;
  options.devices.resize(static_cast<std::size_t>(request.devices));
  for (DeviceLimits& device : options.devices) device.sms = request.sms;
  options.seed = request.seed;
  options.exact_tensor = request.exact;
  options.instruction_limit = request.limit;
  return options;
}

/// The extent that was given, or that the kernel's directives ask for, or else a usual one.
Extent3 extent_of(const Extent3& given, const Extent3& own, std::uint32_t usual) {
  if (given[0] != 0) return given;
  return own[0] != 0 ? Extent3{own[0], std::max(1u, own[1]), std::max(1u, own[2])}
                     : Extent3{usual, 1, 1};
}

void check_shape(const Launch& launch, const Function& kernel) {
  for (std::size_t d = 0; d < 3; ++d) {
    if (launch.grid[d] % launch.cluster[d] != 0) {
      throw usage(fmt::format(
          "--grid {},{},{} is no multiple of the cluster {},{},{}; choose a grid that is",
          launch.grid[0], launch.grid[1], launch.grid[2], launch.cluster[0], launch.cluster[1],
          launch.cluster[2]));
    }
  }
  const auto& wanted = kernel.directives.reqntid;
  if (wanted[0] != 0 &&
      (launch.block[0] != wanted[0] || launch.block[1] != std::max(1u, wanted[1]) ||
       launch.block[2] != std::max(1u, wanted[2]))) {
    throw usage(fmt::format("--block {},{},{}: {} is written for {},{},{} (.reqntid)",
                            launch.block[0], launch.block[1], launch.block[2], kernel.name,
                            wanted[0], std::max(1u, wanted[1]), std::max(1u, wanted[2])));
  }
}

}  // namespace

Extent3 parse_extent(std::string_view text, std::string_view where) {
  Extent3 extent{1, 1, 1};
  const auto parts = split_text(text, ',');
  if (parts.size() > 3)
    throw usage(fmt::format("{} is '{}'; wanted up to three numbers, such as 4,2,1", where, text));
  for (std::size_t d = 0; d < parts.size(); ++d)
    extent[d] = static_cast<std::uint32_t>(parse_count(parts[d], where, 0x7FFFFFFF));
  return extent;
}

const Function& find_kernel(const Module& module, RunRequest& request) {
  std::vector<const Function*> entries;
  std::string names;
  for (const Function& f : module.functions) {
    if (!f.entry || !f.defined) continue;
    entries.push_back(&f);
    names += (names.empty() ? "" : ", ") + std::string(f.name);
  }
  if (entries.empty())
    throw usage(fmt::format("{} has no kernel (.entry); give a file that has one", module.name));
  const auto named = [&](std::string_view name) {
    const auto found = std::find_if(entries.begin(), entries.end(),
                                    [&](const Function* f) { return f->name == name; });
    return found == entries.end() ? nullptr : *found;
  };
  // A first argument without a value can only be the kernel's name.
  auto& arguments = request.arguments;
  const bool bare = !arguments.empty() &&
                    arguments[0].find_first_of("=[]:@,.") == std::string::npos &&
                    arguments[0].find_first_not_of("0123456789-") != std::string::npos;
  if (request.kernel.empty() && !arguments.empty() && (bare || named(arguments[0]) != nullptr)) {
    request.kernel = arguments[0];
    arguments.erase(arguments.begin());
  }
  if (request.kernel.empty() && entries.size() == 1) request.kernel = entries[0]->name;
  if (request.kernel.empty())
    throw usage(fmt::format("{} has several kernels; name one of {}", module.name, names));
  const Function* found = named(request.kernel);
  if (found == nullptr)
    throw usage(fmt::format("{} has no kernel {}; it has {}", module.name, request.kernel, names));
  return *found;
}

Session::Session(const Source& source, RunRequest& request) : machine_(options_of(request)) {
  machine_.print = request.print;
  std::unique_ptr<Module> module = parse_source(source);
  const Function& kernel = find_kernel(*module, request);
  arguments_ = parse_arguments(kernel, request.arguments, request.data_seed);
  if (request.checks != 0) {
    checker_ = make_checker(machine_, request.checks);
    machine_.observe(checker_.get());
  }
  try {
    code_ = load_module(machine_, std::move(module), 0, {.share_slots = !request.keep_registers});
  } catch (const DecodeError& error) {
    throw ModuleError{error.message};
  }
  kernel_ = code_->by_name.at(request.kernel);
  place(arguments_, machine_, 0);

  launch_ = std::make_shared<Launch>();
  launch_->module = code_.get();
  launch_->function = kernel_;
  launch_->grid = request.grid;
  launch_->block = extent_of(request.block, kernel.directives.reqntid, warp_size);
  launch_->cluster = extent_of(request.cluster, kernel.directives.cluster, 1);
  launch_->dynamic_shared = request.shared;
  launch_->parameters = parameter_bytes(arguments_, *kernel_);
  check_shape(*launch_, kernel);
  if (const std::string reason = machine_.refuse(*launch_); !reason.empty()) {
    throw usage(fmt::format("{} cannot be launched: {}", request.kernel, reason));
  }
  if (checker_ == nullptr) return;
  for (const Buffer& b : arguments_.buffers) {
    checker_->allocated(b.address, std::max<std::uint64_t>(1, b.bytes()));
    if (b.written) checker_->host_wrote(b.address, b.bytes());
  }
}

std::string Session::run(Observer* observer) {
  ObserverList observers;
  observers.add(checker_.get());
  observers.add(observer);
  machine_.observe(observers.get());
  machine_.submit(launch_);
  machine_.run();  // what an observer throws ends the session
  machine_.observe(nullptr);
  return launch_->fault;
}

}  // namespace triptych::emulator
