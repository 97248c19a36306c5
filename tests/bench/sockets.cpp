// SPDX-License-Identifier: Apache-2.0
// See sockets.h.
#include "tests/bench/sockets.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace limpet::bench {

namespace {

constexpr int kOn = 1;
constexpr std::size_t kMostEvents = 512;  // per wait

}  // namespace

void give_up(std::string_view what) {
  std::fprintf(stderr, "bench: %.*s: %s\n", static_cast<int>(what.size()), what.data(), std::strerror(errno));
  std::exit(1);
}

sockaddr_in address_of(const char* ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, ip, &address.sin_addr) != 1) give_up("not an IPv4 address");
  return address;
}

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) give_up("socket");
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof kOn);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof kOn);  // accepted sockets inherit it
  const sockaddr_in address = address_of("0.0.0.0", port);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up("bind");
  if (::listen(fd, SOMAXCONN) != 0) give_up("listen");
  return fd;
}

int accept_from(int listening) {
  const int fd = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= static_cast<int>(kMostDescriptors)) give_up("too many descriptors");
  return fd;
}

int connect_to(const sockaddr_in& to, const sockaddr_in* source) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || fd >= static_cast<int>(kMostDescriptors)) give_up("socket");
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof kOn);
  if (source != nullptr) {
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &kOn, sizeof kOn);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(source), sizeof *source) != 0) give_up("bind");
  }
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 || errno == EINPROGRESS) return fd;
  ::close(fd);
  return -1;
}

ssize_t read_some(int fd, char* to, std::size_t size) {
  const ssize_t n = ::recv(fd, to, size, 0);
  if (n >= 0) return n;
  return errno == EAGAIN ? kWouldBlock : kBroken;
}

ssize_t write_some(int fd, std::string_view bytes) {
  const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (n >= 0) return n;
  return errno == EAGAIN ? kWouldBlock : kBroken;
}

Poller::Poller() : fd_(::epoll_create1(EPOLL_CLOEXEC)), events_(kMostEvents) {
  if (fd_ < 0) give_up("epoll_create1");
}

Poller::~Poller() {
  ::close(fd_);
}

void Poller::add(int fd, std::uint32_t events) {
  epoll_event event{events, {}};
  event.data.fd = fd;
  if (::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event) != 0) give_up("epoll_ctl add");
}

void Poller::change(int fd, std::uint32_t events) {
  epoll_event event{events, {}};
  event.data.fd = fd;
  if (::epoll_ctl(fd_, EPOLL_CTL_MOD, fd, &event) != 0) give_up("epoll_ctl mod");
}

void Poller::remove(int fd) {
  ::epoll_ctl(fd_, EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const epoll_event> Poller::wait(int timeout_ms) {
  const int n = ::epoll_wait(fd_, events_.data(), static_cast<int>(events_.size()), timeout_ms);
  if (n < 0 && errno != EINTR) give_up("epoll_wait");
  return {events_.data(), static_cast<std::size_t>(n < 0 ? 0 : n)};
}

}  // namespace limpet::bench
