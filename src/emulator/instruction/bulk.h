/// \file
/// Asynchronous copies without tensors: cp.async, cp.async.bulk, cp.reduce.async.bulk, st.async, red.async.
/// Part of the family `async`.
#pragma once

#include <memory>

#include "emulator/instruction/form.h"
#include "emulator/machine/warp.h"

namespace triptych::emulator {

std::span<const Form> cp_async_forms();
std::span<const Form> bulk_forms();
std::span<const Form> tensor_forms();

/// Suspends the warp until the group is complete (or has read its source). False while it waits.
bool group_complete(Warp& warp, const std::shared_ptr<const AsyncGroup>& group, bool read);

/// What a copy costs until it completes, in ticks: latency and bytes over a declared rate.
std::uint64_t copy_ticks(std::uint64_t bytes);

}  // namespace triptych::emulator
