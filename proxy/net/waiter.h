// SPDX-License-Identifier: Apache-2.0
// Waiter: what a loop waits in: an epoll set (poller.h), io_uring (ring.h), libevent for the loop that has guests
// (guest_waiter.h), or nothing real (the simulated world). A round of the loop calls it twice, a message never.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace limpet::net {

// What is called when its descriptor is ready: a connection, or a Watch.
class Pollable {
 public:
  // Any of EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLERR, EPOLLHUP; 0: the call that Loop::again() asked for.
  virtual void on_poll(std::uint32_t events) = 0;
  // on_poll() will be called soon: what it needs is fetched meanwhile.
  virtual void expect_poll() const {}

 protected:
  ~Pollable() = default;
};

class Waiter {
 public:
  virtual ~Waiter() = default;

  // Takes what is ready, of one batch at most, and waits for the first of it; no longer than `ms`, -1: as long as it
  // takes. Returns how many calls dispatch() will make whose writes it pays to gather (session/outbox.h); 0 or 1: none.
  virtual std::size_t wait(int ms) = 0;
  // Calls on_poll() of what wait() has taken.
  virtual void dispatch() = 0;
  // The present wait(), or else the next one, returns at once. Any thread.
  virtual void wake() = 0;

  // A descriptor is watched by `to` instead of `from`, both what epoll_ctl(2) takes; 0: not watched. What is ready then
  // is told, be it edge-triggered. False where the kernel refuses (errno).
  virtual bool change(int descriptor, Pollable& pollable, std::uint32_t from, std::uint32_t to) = 0;
  // The pollable is about to be destroyed: it gets no call any more, though it be in the present batch. Its descriptor
  // is no longer watched when it is closed.
  virtual void forget(const Pollable& pollable) = 0;

  // No round follows: what was written leaves now, as far as its peers take it within `patience`.
  virtual void send_last_writes(std::chrono::milliseconds) {}
};

}  // namespace limpet::net
