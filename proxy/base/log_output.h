// SPDX-License-Identifier: Apache-2.0
// Output: a descriptor that the log's own threads write to and that may be a pipe or terminal nobody reads. It waits as
// long as that takes while the proxy runs, without ever being stuck inside write(2), so that the proxy can still exit.
#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string_view>

namespace limpet::log {

class Output {
 public:
  // The descriptor stays the caller's.
  explicit Output(int fd) { set(fd); }

  // Where write() may be running in another thread, only that thread may call it.
  void set(int fd);
  // Bytes written: fewer than given after an error (errno says which) or where it was given up (errno is ETIMEDOUT).
  std::size_t write(std::string_view bytes);

  // From any thread: from a second after now on, write() gives up instead of waiting.
  void hurry();
  // Takes hurry() back.
  void take_time();

 private:
  bool wait_until_writable() const;

  int fd_ = -1;
  bool is_file_ = false;  // a regular one: it is never waited for
  std::atomic<std::chrono::steady_clock::duration> give_up_at_{std::chrono::steady_clock::duration::max()};
};

// While it lives, threads are born with all signals blocked: those are for the control loop, and a closed pipe is an
// errno.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace limpet::log
