// SPDX-License-Identifier: Apache-2.0
// Poller: the Waiter of an epoll set. Hand-written, for what libevent costs: for each connection 128 bytes for the
// event, 16 for its descriptor's slot, and a removal and an addition where the interest changes; for each round its own
// clocks and queues, which is much where a round has one event. One thread, but for wake().
#pragma once

#include <sys/epoll.h>

#include <array>

#include "proxy/base/fd.h"
#include "proxy/net/waiter.h"

namespace limpet::net {

class Poller final : public Waiter {
 public:
  // Throws std::runtime_error where no descriptor can be had.
  Poller();

  // What is readable when wait() would find something.
  int descriptor() const { return set_.value(); }

  std::size_t wait(int ms) override;
  void dispatch() override;
  void wake() override;
  bool change(int descriptor, Pollable& pollable, std::uint32_t from, std::uint32_t to) override;
  void forget(const Pollable& pollable) override;

 private:
  void take_wake_up();

  Fd set_;
  Fd wake_;  // an eventfd: its entry in the set has no pollable
  std::array<epoll_event, 128> batch_{};
  std::size_t next_ = 0;  // of the present batch
  std::size_t size_ = 0;
};

}  // namespace limpet::net
