/// \file
/// Runs PTX on the software device for a test, and keeps account of the forms that were executed.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "emulator/decode/decode.h"
#include "emulator/instruction/form.h"
#include "emulator/instruction/pattern.h"
#include "emulator/machine/machine.h"
#include "emulator/machine/observer.h"
#include "emulator/ptx/syntax.h"

namespace triptych::emulator::test {

/// The lines that each module begins with.
inline const std::string header = ".version 9.0\n.target sm_90a\n.address_size 64\n";

/// Which forms lanes have executed in this program, and with which modifiers.
inline std::map<const Form*, std::set<std::string>>& executed() {
  static std::map<const Form*, std::set<std::string>> forms;
  return forms;
}

/// Notes each form that lanes execute. Observers of tests derive from it.
class Witness : public Observer {
 public:
  void instruction(Warp& warp, const Instr& instr) override {
    if ((instr.flags & Instr::added) != 0) return;
    const Site& site = warp.code().sites[warp.pc()];
    if (!seen_.insert(site.source).second) return;
    auto& words = executed()[all_forms()[instr.form]];
    for (const std::string_view m : site.source->modifiers) words.emplace(m);
  }

 private:
  std::set<const Instruction*> seen_;
};

/// What a launch may say beside its arguments.
struct Shape {
  Extent3 grid{1, 1, 1}, block{32, 1, 1}, cluster{1, 1, 1};
  std::uint32_t dynamic_shared = 0;
};

/// A module on a machine of its own, with one SM unless the options say otherwise.
class Program {
 public:
  /// `text` without a header gets the usual one. Throws std::runtime_error with the first error.
  explicit Program(const std::string& text, MachineOptions options = one_sm(), const DecodeOptions& decoding = {})
      : machine_(std::move(options)) {
    machine_.observe(&witness_);
    Parsed parsed = parse(text.find(".version") == std::string::npos ? header + text : text, "test.ptx");
    if (parsed.error) throw std::runtime_error(parsed.error->str());
    try {
      code_ = load_module(machine_, std::move(parsed.module), 0, decoding);
    } catch (const DecodeError& e) {
      throw std::runtime_error(e.message);
    }
  }

  static MachineOptions one_sm() {
    MachineOptions options;
    options.devices[0].sms = 1;
    return options;
  }

  /// Device memory that holds the values; its address.
  template <class T>
  std::uint64_t buffer(const std::vector<T>& values) {
    const std::uint64_t at = machine_.memory().allocate(std::max<std::uint64_t>(1, values.size() * sizeof(T)), 256, 0);
    std::memcpy(reinterpret_cast<void*>(at), values.data(), values.size() * sizeof(T));
    return at;
  }
  template <class T>
  std::vector<T> read(std::uint64_t at, std::size_t count) const {
    std::vector<T> values(count);
    std::memcpy(values.data(), reinterpret_cast<const void*>(at), count * sizeof(T));
    return values;
  }
  /// The address of a variable at module scope.
  std::uint64_t address_of(std::string_view name) const {
    for (const auto& [variable, at] : code_->address_of) {
      if (variable->name == name) return at;
    }
    throw std::runtime_error("no variable " + std::string(name));
  }

  /// A launch of a kernel with arguments of up to 8 bytes, for the test to change before it runs.
  std::shared_ptr<Launch> prepare(std::string_view kernel, const std::vector<std::uint64_t>& arguments,
                                  const Shape& shape = {}) {
    auto launch = std::make_shared<Launch>();
    launch->module = code_.get();
    launch->function = code_->by_name.at(kernel);
    launch->grid = shape.grid;
    launch->block = shape.block;
    launch->cluster = shape.cluster;
    launch->dynamic_shared = shape.dynamic_shared;
    const auto& parameters = launch->function->source->parameters;
    if (arguments.size() != parameters.size()) throw std::runtime_error("wrong number of arguments");
    launch->parameters.resize(launch->function->parameter_bytes);
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      std::memcpy(parameter(*launch, i), &arguments[i], std::min<std::size_t>(8, parameters[i]->bytes));
    }
    return launch;
  }
  /// Where the bytes of a parameter lie.
  static std::uint8_t* parameter(Launch& launch, std::size_t i) {
    return &launch.parameters[launch.function->parameter_at.at(launch.function->source->parameters[i])];
  }
  /// Runs it. Returns the report of its fault; empty if there is none.
  std::string run(const std::shared_ptr<Launch>& launch) {
    if (const std::string reason = machine_.refuse(*launch); !reason.empty()) throw std::runtime_error(reason);
    machine_.submit(launch);
    machine_.run();
    return launch->fault;
  }
  std::string run(std::string_view kernel, const std::vector<std::uint64_t>& arguments, const Shape& shape = {}) {
    return run(prepare(kernel, arguments, shape));
  }

  Machine& machine() { return machine_; }
  ModuleCode& code() { return *code_; }

 private:
  Machine machine_;
  Witness witness_;
  std::unique_ptr<ModuleCode> code_;
};

/// The error of a module that must not load; empty if it does.
inline std::string error_of(const std::string& text) {
  try {
    Program program(text);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

/// After all tests of a program: every form that names it as its test was executed, with every word of its
/// pattern.
class EveryForm : public testing::Environment {
 public:
  explicit EveryForm(std::string test) : test_(std::move(test)) {}
  void TearDown() override {
    if (testing::GTEST_FLAG(filter) != "*") return;   // some tests were left out
    int forms = 0;
    for (const Form* form : all_forms()) {
      if (form->test != test_) continue;
      ++forms;
      const auto found = executed().find(form);
      if (found == executed().end()) {
        ADD_FAILURE() << "never executed: " << form->pattern << "  " << form->operands;
        continue;
      }
      for (const std::string_view word : Pattern(form->pattern).words()) {
        EXPECT_TRUE(found->second.contains(std::string(word))) << "never executed: ." << word << " of " << form->pattern;
      }
    }
    EXPECT_GT(forms, 0) << "no form names the test " << test_;
  }

 private:
  std::string test_;
};

/// At namespace scope in <test>_test.cpp, where the forms' table names that test:
/// const bool checked = every_form_must_run("integer");
inline bool every_form_must_run(const std::string& test) {
  testing::AddGlobalTestEnvironment(new EveryForm(test));
  return true;
}

}  // namespace triptych::emulator::test
