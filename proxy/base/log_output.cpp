// SPDX-License-Identifier: Apache-2.0
// See log_output.h. A blocking write() to a pipe that nobody reads could not be given up, and O_NONBLOCK would change
// the descriptor for everyone who shares it, such as the shell's terminal: so poll() is asked first, and never more is
// written than a writable pipe takes at once. Used by the log's and the access log's own threads.
#include "proxy/base/log_output.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace limpet::log {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kGrace{1};
constexpr int kPollMs = 50;

}  // namespace

void Output::set(int fd) {
  fd_ = fd;
  struct stat about {};
  is_file_ = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

// A pipe that poll() calls writable takes PIPE_BUF bytes without blocking (pipe(7)).
std::size_t Output::write(std::string_view bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    if (!is_file_ && !wait_until_writable()) break;
    const std::size_t left = bytes.size() - written;
    const auto n = ::write(fd_, bytes.data() + written, is_file_ ? left : std::min<std::size_t>(left, PIPE_BUF));
    if (n >= 0) {
      written += static_cast<std::size_t>(n);
    } else if (errno != EINTR && errno != EAGAIN) {
      break;
    }
  }
  return written;
}

bool Output::wait_until_writable() const {
  for (;;) {
    const bool patient = steady_clock::now().time_since_epoch() < give_up_at_.load();
    pollfd waiting{fd_, POLLOUT, 0};
    if (poll(&waiting, 1, patient ? kPollMs : 0) > 0) return true;
    if (patient) continue;
    errno = ETIMEDOUT;
    return false;
  }
}

void Output::hurry() {
  give_up_at_ = steady_clock::now().time_since_epoch() + kGrace;
}

void Output::take_time() {
  give_up_at_ = steady_clock::duration::max();
}

SignalsBlocked::SignalsBlocked() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalsBlocked::~SignalsBlocked() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace limpet::log
