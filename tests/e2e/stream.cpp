// SPDX-License-Identifier: Apache-2.0
// Sockets of the tests. Reads are bounded per wake-up, so that one stream of 1 MiB messages cannot starve a thousand
// others, and each stream reads into one buffer of the thread.
#include "tests/e2e/stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace limpet::e2e {
namespace {

constexpr std::size_t kReadSize = 64 * 1024;
constexpr int kReadsPerTurn = 4;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

Fd listen_on_free_port(std::uint16_t& port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(socket.value(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket.value(), 4096) != 0 ||
      ::getsockname(socket.value(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::system_error(errno, std::generic_category(), "listen");
  }
  port = ntohs(address.sin_port);
  return socket;
}

void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

Stream::Stream(Loop& loop, Fd socket, bool connected, Handler& handler)
    : loop_(loop), handler_(handler), socket_(std::move(socket)), connected_(connected) {
  set_no_delay(socket_.value());
  loop_.watch(socket_.value(), *this, true, !connected_);
}

Stream::~Stream() {
  close();
}

std::unique_ptr<Stream> Stream::connect(Loop& loop, std::uint16_t port, Handler& handler) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.open()) throw std::system_error(errno, std::generic_category(), "socket");
  const auto address = loopback(port);
  if (::connect(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS) {
    throw std::system_error(errno, std::generic_category(), "connect");
  }
  return std::make_unique<Stream>(loop, std::move(socket), false, handler);
}

void Stream::write(std::string_view bytes) {
  if (!open() || shut_wanted_) return;
  queue_.append(bytes);
  if (connected_) flush();
}

void Stream::shutdown_write() {
  if (!open() || shut_wanted_) return;
  shut_wanted_ = true;
  if (connected_) flush();
}

void Stream::close() {
  if (!open()) return;
  loop_.forget(socket_.value(), *this);
  socket_.reset();
}

void Stream::reset() {
  if (!open()) return;
  const linger hard{1, 0};
  ::setsockopt(socket_.value(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close();
}

void Stream::read_on(bool reading) {
  reading_ = reading;
  if (open()) update();
}

void Stream::on_ready(std::uint32_t events) {
  if (ended_ && (events & (EPOLLHUP | EPOLLERR)) != 0) return close();
  if (!connected_) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.value(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return finish(End::Refused);
    if ((events & EPOLLOUT) == 0) return;
    connected_ = true;
    handler_.on_connected();
    if (!open()) return;
    flush();
  } else if ((events & EPOLLOUT) != 0) {
    flush();
  }
  if (open() && (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) read();
}

void Stream::flush() {
  while (open() && written_ < queue_.size()) {
    const auto sent = ::send(socket_.value(), queue_.data() + written_, queue_.size() - written_, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      reset_seen_ = reset_seen_ || errno == ECONNRESET;  // the kernel says so once: the read would take it for a FIN
      written_ = queue_.size();
      break;
    }
    written_ += static_cast<std::size_t>(sent);
  }
  if (written_ == queue_.size()) {
    queue_.clear();
    written_ = 0;
    if (shut_wanted_ && !shut_) {
      shut_ = true;
      ::shutdown(socket_.value(), SHUT_WR);
    }
  }
  if (open()) update();
}

void Stream::read() {
  static thread_local std::array<char, kReadSize> buffer;
  for (int i = 0; i < kReadsPerTurn && open() && reading_ && !ended_; ++i) {
    const auto got = ::recv(socket_.value(), buffer.data(), buffer.size(), 0);
    if (got > 0) {
      handler_.on_bytes({buffer.data(), static_cast<std::size_t>(got)});
    } else if (got == 0) {
      return finish(reset_seen_ ? End::Reset : End::Fin);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      return finish(End::Reset);
    }
  }
}

void Stream::finish(End end) {
  if (ended_) return;
  ended_ = true;
  if (end == End::Fin) {
    update();
  } else {
    close();
  }
  handler_.on_end(end);
}

void Stream::update() {
  loop_.change(socket_.value(), *this, reading_ && !ended_, !connected_ || written_ < queue_.size());
}

Acceptor::Acceptor(Loop& loop, Accepted accepted)
    : loop_(loop), accepted_(std::move(accepted)), socket_(listen_on_free_port(port_)) {
  loop_.watch(socket_.value(), *this, true, false);
}

Acceptor::~Acceptor() {
  loop_.forget(socket_.value(), *this);
}

void Acceptor::on_ready(std::uint32_t) {
  for (int i = 0; i < 64; ++i) {
    Fd client(::accept4(socket_.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client.open()) return;
    accepted_(std::move(client));
  }
}

// Below what the kernel gives to outgoing connections, and each process in a part of its own: several tests may run at
// once.
std::uint16_t free_port() {
  static auto next = static_cast<std::uint16_t>(10000 + ::getpid() % 200 * 100);
  for (;;) {
    const std::uint16_t port = next;
    next = static_cast<std::uint16_t>(port < 29999 ? port + 1 : 10000);
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(socket.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto address = loopback(port);
    if (::bind(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return port;
  }
}

}  // namespace limpet::e2e
