/// \file
/// What every error test checks: the kind, one line, and the values that the line must name.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "triptych/error.h"

namespace triptych::testing {

/// `action` throws an Error of this kind, in one line that has all of `parts` in it.
template <class Action>
void expect_error(Action&& action, ErrorKind kind, std::initializer_list<std::string_view> parts) {
  try {
    action();
  } catch (const Error& error) {
    const std::string line = error.what();
    EXPECT_EQ(error.kind(), kind) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
    for (const std::string_view part : parts) {
      EXPECT_NE(line.find(part), std::string::npos) << "no '" << part << "' in: " << line;
    }
    return;
  }
  ADD_FAILURE() << "no error was thrown";
}

}  // namespace triptych::testing
