/// \file
/// The triptych program as a process: started, killed, waited for, and what it printed.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "temporary_folder.h"

namespace triptych::testing {

/// How a process ended.
struct Ended {
  int code = -1;       ///< exit code; -1: a signal ended it
  int signal = 0;      ///< that signal
  std::string output;  ///< standard output and error together
};

/// A running process of the program. Its output goes to a file, so that nothing waits for a reader.
class Program {
 public:
  /// `before` runs in the child before the program does, e.g. to lower a limit.
  explicit Program(const std::vector<std::string>& arguments, const std::function<void()>& before = {}) {
    const std::string log = folder_ / "log";
    std::vector<char*> argv{const_cast<char*>(TRIPTYCH_BINARY)};
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ > 0) return;
    const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, 1);
    ::dup2(file, 2);
    if (before) before();
    ::execv(TRIPTYCH_BINARY, argv.data());
    ::_exit(127);
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  /// Waits for the end.
  Ended wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
            content_of(folder_ / "log")};
  }

 private:
  TemporaryFolder folder_;
  pid_t pid_ = -1;
};

inline Ended run_program(const std::vector<std::string>& arguments,
                         const std::function<void()>& before = {}) {
  return Program(arguments, before).wait();
}

}  // namespace triptych::testing
