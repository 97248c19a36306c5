// SPDX-License-Identifier: Apache-2.0
// Poller: the readiness of all connections of a loop, in an epoll set of its own that the loop watches as one
// descriptor. Hand-written, for what libevent costs for each connection: 128 bytes for the event, 16 for its
// descriptor's slot, and a removal and an addition where the interest changes. One thread.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "proxy/base/fd.h"

namespace limpet::net {

class TcpStream;

class Poller {
 public:
  // Throws std::runtime_error where no descriptor can be had.
  Poller();

  // What is readable when it has something to dispatch.
  int descriptor() const { return set_.value(); }

  // From `from` to `to`, both of EPOLLIN and EPOLLOUT; 0: not watched. False where the kernel refuses (errno).
  bool change(TcpStream& stream, std::uint32_t from, std::uint32_t to);

  // The stream is about to be destroyed: it gets no call any more, though it be in the present batch. Its descriptor
  // leaves the set when it is closed.
  void forget(const TcpStream& stream);

  // Calls on_poll() of the streams that are ready, of one batch at most: what else there is to do has its turn, too.
  void dispatch();

 private:
  Fd set_;
  std::array<epoll_event, 128> batch_{};
  std::size_t next_ = 0;  // of the present batch
  std::size_t size_ = 0;
};

}  // namespace limpet::net
