// SPDX-License-Identifier: Apache-2.0
// Sockets and epoll for the programs of the benchmark: thin over the kernel, so that these programs are faster than any
// proxy between them. All sockets are non-blocking, with TCP_NODELAY. What cannot go on ends the program with a word on
// stderr.
#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace limpet::bench {

// Above any descriptor that a program here may hold: tables are indexed by descriptor and allocated once.
constexpr std::size_t kMostDescriptors = 20000;

[[noreturn]] void give_up(std::string_view what);

sockaddr_in address_of(const char* ip, std::uint16_t port);

// On all addresses, so that each proxy can reach one backend under addresses of its own.
int listen_on(std::uint16_t port);
// The next connection, or -1.
int accept_from(int listening);
// A connection that may still be under way; from `source` where that is not null. -1 with errno where it fails at once.
int connect_to(const sockaddr_in& to, const sockaddr_in* source);

// recv and send: bytes, 0 for the end, kWouldBlock or kBroken.
constexpr ssize_t kWouldBlock = -1;
constexpr ssize_t kBroken = -2;
ssize_t read_some(int fd, char* to, std::size_t size);
ssize_t write_some(int fd, std::string_view bytes);

class Poller {
 public:
  Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller();

  void add(int fd, std::uint32_t events);
  void change(int fd, std::uint32_t events);
  void remove(int fd);
  // Level-triggered; data.fd is the descriptor.
  std::span<const epoll_event> wait(int timeout_ms);

 private:
  const int fd_;
  std::vector<epoll_event> events_;
};

}  // namespace limpet::bench
