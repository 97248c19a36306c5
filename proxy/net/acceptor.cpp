// SPDX-License-Identifier: Apache-2.0
// See acceptor.h. Errors of accept(2) are of three kinds: of one connection, which is passed over; a want of
// descriptors or memory, at which accepting pauses; and an empty queue.
#include "proxy/net/acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace limpet::net {

namespace {

constexpr unsigned kBurst = 64;  // connections taken per wake-up, so that sessions are served in a storm, too

Error failed(const char* what, const Address& address) {
  return Error{Fault::Local, std::string(what) + " " + address.text() + ": " + std::strerror(errno)};
}

// True if the path was free or has been freed of a socket that nobody answers on.
bool free_unix_path(const Address& address) {
  struct stat found {};
  const std::string path = address.unix_path();
  if (::lstat(path.c_str(), &found) != 0) return true;
  if (!S_ISSOCK(found.st_mode)) return false;
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.value(), address.raw(), address.raw_size()) == 0 || errno == EAGAIN) return false;
  return ::unlink(path.c_str()) == 0;
}

}  // namespace

Result<Fd> listen_on(const Address& address, unsigned mode) {
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.open()) return failed("socket for", address);
  const int on = 1;
  if (address.is_unix()) {
    if (!free_unix_path(address)) {
      errno = EADDRINUSE;
      return failed("cannot listen on", address);
    }
  } else {
    ::setsockopt(fd.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd.value(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    ::setsockopt(fd.value(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
    if (address.family() == AF_INET6) ::setsockopt(fd.value(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd.value(), address.raw(), address.raw_size()) != 0) return failed("cannot bind", address);
  if (address.is_unix()) ::chmod(address.unix_path().c_str(), static_cast<mode_t>(mode));
  if (::listen(fd.value(), SOMAXCONN) != 0) return failed("cannot listen on", address);
  return fd;
}

Address bound_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  return Address(reinterpret_cast<sockaddr*>(&storage), size);
}

Acceptor::Acceptor(Loop& loop, Fd listening, OnAccept on_accept, OnExhausted on_exhausted)
    : listening_(std::move(listening)),
      on_accept_(std::move(on_accept)),
      on_exhausted_(std::move(on_exhausted)),
      watch_(loop, listening_.value(), [this] { accept_burst(kBurst); }) {
  if (!watch_.start()) throw std::runtime_error("epoll refuses a listening socket");
}

void Acceptor::pause() {
  if (paused_) return;
  paused_ = true;
  watch_.stop();
}

bool Acceptor::resume() {
  if (paused_ && listening_.open()) paused_ = !watch_.start();
  return !paused_;
}

void Acceptor::close_after_queue() {
  if (!listening_.open()) return;
  closing_ = true;
  while (accept_burst(kBurst)) {
  }
  pause();
  listening_.reset();
}

bool Acceptor::accept_burst(unsigned most) {
  for (unsigned i = 0; i < most; ++i) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    Fd fd(::accept4(listening_.value(), reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.open()) {
      on_accept_(std::move(fd), Address(reinterpret_cast<sockaddr*>(&storage), size));
      if (paused_ && !closing_) return false;
      continue;
    }
    if (errno == ECONNABORTED || errno == EINTR || errno == EPERM || errno == EPROTO) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      pause();
      on_exhausted_();
    }
    return false;
  }
  return true;
}

}  // namespace limpet::net
