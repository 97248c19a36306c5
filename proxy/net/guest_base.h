// SPDX-License-Identifier: Apache-2.0
// GuestBase: a libevent event_base that lives in a loop, for those who bring their own events (evhttp). The loop then
// waits in libevent, which watches the loop's own descriptors as one. One thread.
#pragma once

struct event;
struct event_base;

namespace limpet::net {

class GuestBase {
 public:
  // `host` is readable when the loop has something to do. Throws std::runtime_error where no descriptor can be had.
  explicit GuestBase(int host);
  ~GuestBase();
  GuestBase(const GuestBase&) = delete;
  GuestBase& operator=(const GuestBase&) = delete;

  event_base* get() const { return base_; }

  // Runs the guests' callbacks that are due, and waits for the first of them; no longer than until the host has
  // something to do, or than `ms`, -1: as long as it takes.
  void wait(int ms);

 private:
  event_base* base_;
  event* host_;
  event* timeout_;
};

}  // namespace limpet::net
