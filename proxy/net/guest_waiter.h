// SPDX-License-Identifier: Apache-2.0
// GuestWaiter: the Waiter of a loop that serves those who bring events of their own to a libevent base (evhttp). It
// waits in libevent, which watches the loop's own descriptors as one. One thread, but for wake().
#pragma once

#include "proxy/net/poller.h"

struct event;
struct event_base;

namespace limpet::net {

class GuestWaiter final : public Waiter {
 public:
  // Throws std::runtime_error where no descriptor can be had.
  GuestWaiter();
  ~GuestWaiter() override;
  GuestWaiter(const GuestWaiter&) = delete;
  GuestWaiter& operator=(const GuestWaiter&) = delete;

  // For the guests' events; they are gone before the waiter is.
  event_base* base() const { return base_; }

  // Runs the guests' callbacks that are due, too.
  std::size_t wait(int ms) override;
  void dispatch() override { poller_.dispatch(); }
  void wake() override { poller_.wake(); }
  bool change(int descriptor, Pollable& pollable, std::uint32_t from, std::uint32_t to) override {
    return poller_.change(descriptor, pollable, from, to);
  }
  void forget(const Pollable& pollable) override { poller_.forget(pollable); }

 private:
  Poller poller_;
  event_base* base_;
  event* host_;
  event* timeout_;
};

}  // namespace limpet::net
