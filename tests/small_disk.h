/// \file
/// A real disk that is full: a small file system in memory.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

namespace triptych::testing {

/// Runs `act` in a child process with a file system of `size` ("64k") mounted at `folder`, which
/// programs that it starts see too; false if this machine lets no test mount one.
inline bool on_a_small_disk(const std::filesystem::path& folder, const std::string& size,
                            const std::function<void()>& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool mounted =
        (::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
        ::mount("tmpfs", folder.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
    if (!mounted) ::_exit(77);
    act();
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) return false;
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the child's failures stand above";
  return true;
}

}  // namespace triptych::testing
