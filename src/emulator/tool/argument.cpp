#include "emulator/tool/argument.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "emulator/tool/error.h"
#include "emulator/tool/fill.h"
#include "emulator/tool/tensor_argument.h"
#include "emulator/tool/value.h"

namespace triptych::emulator {
namespace {

/// Of a buffer, and of what the host writes to it.
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 36, most_written = std::uint64_t{1} << 32;

/// "n (u32)", "x (64 bytes)"
std::string describe(const Variable& p) {
  const auto bytes = static_cast<std::uint64_t>(bytes_of(p.type));
  return p.bytes == bytes ? fmt::format("{} ({})", p.name, name_of(p.type))
                          : fmt::format("{} ({} bytes)", p.name, p.bytes);
}

std::string example(const Variable& p) {
  if (p.bytes == 8) return fmt::format("{}=f32[1024]=0 for a buffer, or {}=5", p.name, p.name);
  return fmt::format("{}=5", p.name);
}

class Reader {
 public:
  Reader(const Function& kernel, std::uint64_t seed) : kernel_(kernel), seed_(seed) {
    for (const Variable* p : kernel.parameters) all_.values.push_back({.parameter = p});
  }

  void read(std::string_view text) {
    Argument& to = target(text);
    if (to.given) throw usage(fmt::format("argument {} is given twice", to.parameter->name));
    to.given = true;
    if (text.starts_with('@')) return alias(to, text.substr(1));
    // A buffer has its [ ] before anything else.
    const std::size_t open = text.find('['), stop = text.find_first_of("=:,");
    if (open != std::string_view::npos && open < stop) return buffer(to, text, open);
    scalar(to, text);
  }

  Arguments finish() {
    for (const Argument& a : all_.values) {
      if (!a.given) {
        throw usage(fmt::format("{} needs a value for its parameter {}; give {}", kernel_.name,
                                describe(*a.parameter), example(*a.parameter)));
      }
      if (!a.pointee.empty() && all_.buffer(a.pointee) == nullptr) {
        throw usage(fmt::format("{}=@{}: no argument {} is a buffer", a.parameter->name, a.pointee,
                                a.pointee));
      }
    }
    for (Argument& a : all_.values) {
      if (a.map)
        lay_over(*a.map, *all_.buffer(a.pointee), fmt::format("argument {}", a.parameter->name));
    }
    return std::move(all_);
  }

 private:
  /// The parameter that a text is for, which loses its `name=`.
  Argument& target(std::string_view& text) {
    const std::size_t equals = text.find('=');
    const std::string_view name = text.substr(0, equals);
    if (equals != std::string_view::npos) {
      for (Argument& a : all_.values) {
        if (a.parameter->name != name) continue;
        text.remove_prefix(equals + 1);
        return a;
      }
      if (name.find_first_of("[]:@,") == std::string_view::npos) {
        std::string names;
        for (const Argument& a : all_.values)
          names += (names.empty() ? "" : ", ") + describe(*a.parameter);
        throw usage(fmt::format("{} has no parameter {}; its parameters: {}", kernel_.name, name,
                                names.empty() ? "none" : names));
      }
    }
    for (Argument& a : all_.values) {
      if (!a.given) return a;
    }
    throw usage(fmt::format("'{}' is one argument too many; {} has {} parameters", text,
                            kernel_.name, all_.values.size()));
  }

  void alias(Argument& to, std::string_view text) {
    if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
      to.pointee = text.substr(0, colon);
      to.map =
          parse_tensor_map(text.substr(colon + 1), fmt::format("argument {}", to.parameter->name));
      if (to.parameter->bytes != 128)
        throw usage(fmt::format("argument {}: a tensor map has 128 bytes, and the parameter is {}",
                                to.parameter->name, describe(*to.parameter)));
      return;
    }
    const std::size_t plus = text.find('+');
    to.pointee = text.substr(0, plus);
    if (plus != std::string_view::npos)
      to.offset = parse_count(text.substr(plus + 1),
                              fmt::format("{}=@{}: the offset", to.parameter->name, text));
    require_pointer(to);
  }

  void buffer(Argument& to, std::string_view text, std::size_t open) {
    const std::string where = fmt::format("argument {}", to.parameter->name);
    const std::size_t close = text.find(']', open);
    const std::string_view rest = close == std::string_view::npos ? "" : text.substr(close + 1);
    if (close == std::string_view::npos || (!rest.empty() && rest[0] != '=')) {
      throw usage(fmt::format(
          "{}: '{}' is no buffer; wanted TYPE[COUNT] or TYPE[COUNT]=VALUES, such as f32[1024]=0",
          where, text));
    }
    require_pointer(to);
    Buffer b{.name = std::string(to.parameter->name),
             .type = value_type(text.substr(0, open), where),
             .written = !rest.empty()};
    const std::string_view number = text.substr(open + 1, close - open - 1);
    std::optional<std::uint64_t> count;
    if (!number.empty())
      count = parse_count(number, where + ": the number of elements",
                          (rest.empty() ? most_bytes : most_written) /
                              static_cast<std::uint64_t>(bytes_of(b.type)));
    if (!count && rest.empty())
      throw usage(fmt::format("{}: {} needs a number of elements, or values: {}1024]", where, text,
                              text.substr(0, open + 1)));
    // Each parameter has random values of its own.
    if (b.written)
      b.initial = fill(b.type, count, rest.substr(1),
                       seed_ * 0x100000001B3u + to.parameter->ordinal, where);
    b.count = count.value_or(b.initial.size() / static_cast<std::uint64_t>(bytes_of(b.type)));
    to.pointee = b.name;
    all_.buffers.push_back(std::move(b));
  }

  void scalar(Argument& to, std::string_view text) {
    const Variable& p = *to.parameter;
    const std::string where = fmt::format("argument {}", p.name);
    Type type = p.type;
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos) {
      type = value_type(text.substr(0, colon), where);
      text.remove_prefix(colon + 1);
    } else if (p.bytes != static_cast<std::uint64_t>(bytes_of(p.type))) {
      throw usage(fmt::format("{}: it has {} bytes; say how they are to be read, such as u32:1,2,3",
                              where, p.bytes));
    }
    to.bytes = fill(type, std::nullopt, text, seed_, where);
    // Untyped parameters, as compilers declare structures, take anything that fits.
    if (to.bytes.size() > p.bytes || (to.bytes.size() < p.bytes && p.width == 1 && p.bytes <= 8)) {
      throw usage(fmt::format("{}: {} bytes where the parameter has {}; give {} of them", where,
                              to.bytes.size(), p.bytes, p.bytes));
    }
  }

  void require_pointer(const Argument& to) const {
    const Variable& p = *to.parameter;
    if (p.bytes != 8 || is_float(p.type))
      throw usage(fmt::format(
          "argument {}: a buffer's address has 8 bytes, and the parameter is {}; give a value",
          p.name, describe(p)));
  }

  const Function& kernel_;
  std::uint64_t seed_;
  Arguments all_;
};

}  // namespace

const Buffer* Arguments::buffer(std::string_view name) const {
  const auto found =
      std::find_if(buffers.begin(), buffers.end(), [&](const Buffer& b) { return b.name == name; });
  return found == buffers.end() ? nullptr : &*found;
}

Buffer* Arguments::buffer(std::string_view name) {
  return const_cast<Buffer*>(std::as_const(*this).buffer(name));
}

Arguments parse_arguments(const Function& kernel, const std::vector<std::string>& texts,
                          std::uint64_t seed) {
  Reader reader(kernel, seed);
  for (const std::string& text : texts) reader.read(text);
  return reader.finish();
}

void place(Arguments& arguments, Machine& machine, int device) {
  for (Buffer& b : arguments.buffers) {
    b.address = machine.memory().allocate(std::max<std::uint64_t>(1, b.bytes()), 256, device);
    if (b.address == 0)
      throw environment(fmt::format("no memory for the {} bytes of {}; take a smaller buffer",
                                    b.bytes(), b.name));
    if (!b.initial.empty())
      std::memcpy(reinterpret_cast<void*>(b.address), b.initial.data(), b.initial.size());
  }
}

std::vector<std::uint8_t> parameter_bytes(const Arguments& arguments, const FunctionCode& kernel) {
  std::vector<std::uint8_t> bytes(kernel.parameter_bytes);
  for (const Argument& a : arguments.values) {
    std::uint8_t* to = bytes.data() + kernel.parameter_at.at(a.parameter);
    if (a.map) {
      TensorMap map = *a.map;
      map.address = arguments.buffer(a.pointee)->address;
      const auto encoded = map.encode();
      std::copy(encoded.begin(), encoded.end(), to);
    } else if (a.pointee.empty()) {
      std::copy(a.bytes.begin(), a.bytes.end(), to);
    } else {
      const std::uint64_t address = arguments.buffer(a.pointee)->address + a.offset;
      std::memcpy(to, &address, sizeof address);
    }
  }
  return bytes;
}

}  // namespace triptych::emulator
