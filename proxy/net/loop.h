// SPDX-License-Identifier: Apache-2.0
// Loop: one libevent event_base and its turns, owned and run by one thread, and in it the Poller that has the
// connections. A turn is: wait, callbacks, mailbox; what comes after (the sweep) is the owner's. post() is the
// only member that other threads may call.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/fd.h"
#include "proxy/net/poller.h"

struct event;
struct event_base;

namespace limpet::net {

class Loop {
 public:
  // `clock` is what now() reads, where tests set the time by hand; null: the steady clock. It outlives the loop.
  explicit Loop(const Clock* clock = nullptr);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  event_base* base() const { return base_; }
  Poller& poller() { return poller_; }

  // The time of this turn: read once, at its first callback.
  Time now() {
    if (!in_turn_) begin_turn();
    return now_;
  }

  // The time at this very moment.
  Time read_clock() const { return clock_ != nullptr ? clock_->now() : std::chrono::steady_clock::now(); }

  // Waits for events and runs their callbacks, then what was posted. Returns how long the callbacks took.
  Duration run_turn();

  // Runs `work` on the loop's thread, in a later part of its turn or its next one. Any thread.
  void post(std::function<void()> work);

  // Calls `tick` each `period`, on the loop's thread; one such call per loop. Calling again changes both.
  void set_tick(Duration period, std::function<void()> tick);

  // Calls `ready` whenever `fd` is readable; one such descriptor per loop. The caller keeps the descriptor open.
  void watch_descriptor(int fd, std::function<void()> ready);

 private:
  void begin_turn() {
    in_turn_ = true;
    now_ = read_clock();
  }
  void open_mail();
  static void on_polled(int fd, short events, void* self);
  static void on_mail(int fd, short events, void* self);
  static void on_tick(int fd, short events, void* self);
  static void on_descriptor(int fd, short events, void* self);

  const Clock* const clock_;
  event_base* base_;
  Fd wake_;
  Poller poller_;
  event* poller_event_ = nullptr;
  event* mail_event_ = nullptr;
  event* tick_event_ = nullptr;
  event* descriptor_event_ = nullptr;
  std::function<void()> descriptor_ready_;
  std::function<void()> tick_;
  Time now_{};
  bool in_turn_ = false;

  std::mutex mutex_;
  std::vector<std::function<void()>> mail_;  // guarded by mutex_
};

}  // namespace limpet::net
