#include "emulator/instruction/builtin.h"

#include <array>
#include <bit>
#include <cstdio>

#include "emulator/machine/machine.h"

namespace triptych::emulator {
namespace {

/// One lane's call: its arguments by place, and where its result goes.
class LaneCall {
 public:
  LaneCall(Warp& warp, Frame& caller, const CallSite& site, int lane)
      : warp_(warp), caller_(caller), site_(site), lane_(lane) {}

  std::uint64_t argument(std::size_t n) {
    std::uint64_t value = 0;
    if (n < site_.arguments.size()) transfer(site_.arguments[n], &value, true);
    return value;
  }
  void result(std::uint64_t value) {
    if (!site_.results.empty()) transfer(site_.results[0], &value, false);
  }
  /// `bytes` at a generic address that this lane could load from.
  void read(std::uint64_t address, void* to, std::uint32_t bytes) {
    if (window::of(address) == window::local) {
      std::memcpy(to, warp_.local(lane_, address & ~window::local, bytes), bytes);
      return;
    }
    if (warp_.machine().memory().find(address, bytes).end == 0) {
      throw KernelFault{FaultKind::illegal_address, "an argument of a system function: " +
                                                        warp_.machine().memory().describe(address), Mask{1} << lane_};
    }
    std::memcpy(to, reinterpret_cast<const void*>(address), bytes);
  }
  std::string text(std::uint64_t address) {
    std::string all;
    for (char c = 1; all.size() < 65536; ++address) {
      read(address, &c, 1);
      if (c == 0) break;
      all += c;
    }
    return all;
  }

 private:
  void transfer(const CallValue& value, std::uint64_t* host, bool load) {
    const std::uint32_t bytes = std::min(value.bytes, 8u);
    std::uint8_t* at;
    if (value.slot.absent()) {
      at = warp_.local(lane_, caller_.local_base + value.local, bytes);
    } else {
      std::uint8_t* bank = value.slot.bank() == Slot::frame ? caller_.rows : warp_.bank_[value.slot.bank()];
      at = bank + value.slot.byte_offset() + std::max(4u, value.bytes) * static_cast<std::uint32_t>(lane_);
    }
    if (load) {
      std::memcpy(host, at, bytes);
    } else {
      std::memcpy(at, host, bytes);
    }
  }

  Warp& warp_;
  Frame& caller_;
  const CallSite& site_;
  int lane_;
};

/// One conversion of printf's format, "%-8.3lld", with its value from the argument buffer.
std::string convert(const std::string& spec, LaneCall& call, std::uint64_t& buffer) {
  const char kind = spec.back();
  std::array<char, 512> out{};
  std::string plain;   // without length modifiers
  for (const char ch : spec) {
    if (std::string_view("hlLqjzt").find(ch) == std::string_view::npos) plain += ch;
  }
  const bool wide = spec.find('l') != std::string::npos || std::string_view("jzt").find(kind) != std::string_view::npos ||
                    spec.find_first_of("jzt") != std::string::npos;
  const auto take = [&](std::uint32_t bytes) {
    buffer = (buffer + bytes - 1) / bytes * bytes;
    std::uint64_t value = 0;
    call.read(buffer, &value, bytes);
    buffer += bytes;
    return value;
  };
  switch (kind) {
    case 'd':
    case 'i': {
      const std::uint64_t raw = take(wide ? 8 : 4);
      plain.insert(plain.size() - 1, "ll");
      std::snprintf(out.data(), out.size(), plain.c_str(),
                    wide ? static_cast<long long>(raw) : static_cast<long long>(static_cast<std::int32_t>(raw)));
      return out.data();
    }
    case 'u':
    case 'x':
    case 'X':
    case 'o':
      plain.insert(plain.size() - 1, "ll");
      std::snprintf(out.data(), out.size(), plain.c_str(), static_cast<unsigned long long>(take(wide ? 8 : 4)));
      return out.data();
    case 'c': return std::string(1, static_cast<char>(take(4)));
    case 'p':
      std::snprintf(out.data(), out.size(), plain.c_str(), reinterpret_cast<void*>(take(8)));
      return out.data();
    case 's': {
      const std::string text = call.text(take(8));
      std::snprintf(out.data(), out.size(), plain.c_str(), text.c_str());
      return text.size() < out.size() ? std::string(out.data()) : text;
    }
    default:
      std::snprintf(out.data(), out.size(), plain.c_str(), std::bit_cast<double>(take(8)));
      return out.data();
  }
}

/// vprintf(format, buffer): integers of 4 bytes, all else of 8, each at a multiple of its size.
std::string format_text(LaneCall& call) {
  const std::string format = call.text(call.argument(0));
  std::uint64_t buffer = call.argument(1);
  std::string out;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    if (i + 1 < format.size() && format[i + 1] == '%') {
      out += format[++i];
      continue;
    }
    const std::size_t end = format.find_first_of("diouxXeEfFgGaAcsp", i);
    if (end == std::string::npos) break;
    std::string spec = format.substr(i, end - i + 1);
    if (spec.find_first_not_of("-+ #0123456789.*hlLqjzt", 1) != spec.size() - 1 || spec.size() > 32) {
      out += spec;   // no conversion that the ISA's printf knows
      i = end;
      continue;
    }
    // A width or precision of * comes from the buffer.
    for (std::size_t star; (star = spec.find('*')) != std::string::npos;) {
      buffer = (buffer + 3) / 4 * 4;
      std::int32_t value = 0;
      call.read(buffer, &value, 4);
      buffer += 4;
      spec.replace(star, 1, std::to_string(value));
    }
    out += convert(spec, call, buffer);
    i = end;
  }
  return out;
}

[[noreturn]] void assert_failed(LaneCall& call, int lane) {
  const std::string message = call.text(call.argument(0)), file = call.text(call.argument(1));
  const std::string function = call.text(call.argument(3));
  throw KernelFault{FaultKind::assertion,
                    file + ":" + std::to_string(static_cast<std::uint32_t>(call.argument(2))) + ": " + function +
                        ": assertion `" + message + "` failed",
                    Mask{1} << lane};
}

}  // namespace

bool is_builtin(std::string_view name) {
  return name == "vprintf" || name == "__assertfail" || name == "malloc" || name == "free";
}

void call_builtin(Warp& warp, Frame& caller, const FunctionCode& callee, const CallSite& site, Mask lanes) {
  const std::string_view name = callee.source->name;
  Machine& machine = warp.machine();
  for (Mask left = lanes; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    LaneCall call(warp, caller, site, lane);
    if (name == "vprintf") {
      const std::string text = format_text(call);
      if (machine.print) machine.print(text);
      call.result(static_cast<std::uint32_t>(text.size()));
    } else if (name == "__assertfail") {
      assert_failed(call, lane);
    } else if (name == "malloc") {
      call.result(machine.memory().allocate(call.argument(0), 256, warp.sm().device()));
    } else {
      machine.memory().release(call.argument(0));
    }
  }
  warp.note_effect();
}

}  // namespace triptych::emulator
