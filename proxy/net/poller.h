// SPDX-License-Identifier: Apache-2.0
// Poller: the readiness of all that a loop waits for, in one epoll set. Hand-written, for what libevent costs: for each
// connection 128 bytes for the event, 16 for its descriptor's slot, and a removal and an addition where the interest
// changes; for each turn its own clocks and queues, which is much where a turn has one event. One thread.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "proxy/base/fd.h"

namespace limpet::net {

// What is called when its descriptor is ready: a connection, or a Watch.
class Pollable {
 public:
  // Any of EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLERR, EPOLLHUP; 0: the call that again() asked for.
  virtual void on_poll(std::uint32_t events) = 0;
  // on_poll() will be called soon: what it needs is fetched meanwhile.
  virtual void expect_poll() const {}

 protected:
  ~Pollable() = default;
};

class Poller {
 public:
  // Throws std::runtime_error where no descriptor can be had.
  Poller();

  // What is readable when wait() would find something.
  int descriptor() const { return set_.value(); }

  // From `from` to `to`, both what epoll_ctl(2) takes; 0: not watched. What is ready then is told, be it
  // edge-triggered. False where the kernel refuses (errno).
  bool change(int descriptor, Pollable& pollable, std::uint32_t from, std::uint32_t to);

  // on_poll(0) is called in a later turn; none waits until then. Not to be asked for twice.
  void again(Pollable& pollable) { again_.push_back(&pollable); }
  bool pending() const { return !again_.empty(); }

  // The pollable is about to be destroyed: it gets no call any more, though it be in the present batch. Its descriptor
  // leaves the set when it is closed.
  void forget(const Pollable& pollable);

  // Takes what is ready, of one batch at most, and waits for the first of it; no longer than `ms`, -1: as long as it
  // takes.
  void wait(int ms);

  // Calls on_poll() of what wait() has taken.
  void dispatch();
  // A dispatch() is going on that calls more than one.
  bool serves_many() const { return serves_many_; }
  // Called at the end of each such dispatch(). One for the set.
  void set_after_many(std::function<void()> work) { after_many_ = std::move(work); }

 private:
  Fd set_;
  std::array<epoll_event, 128> batch_{};
  std::size_t next_ = 0;  // of the present batch
  std::size_t size_ = 0;
  std::vector<Pollable*> again_;
  std::function<void()> after_many_ = [] {};
  bool serves_many_ = false;
};

// Calls `ready` whenever a descriptor, which its owner keeps open, is readable. For what is rare; off until start().
class Watch final : public Pollable {
 public:
  Watch(Poller& poller, int descriptor, std::function<void()> ready)
      : poller_(poller), descriptor_(descriptor), ready_(std::move(ready)) {}
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // False where the kernel refuses (errno).
  bool start();
  void stop();

 private:
  void on_poll(std::uint32_t events) override;

  Poller& poller_;
  const int descriptor_;
  const std::function<void()> ready_;
  bool started_ = false;
};

}  // namespace limpet::net
