// SPDX-License-Identifier: Apache-2.0
// Loop: the rounds of one thread, which owns it. A round is: wait, the mailbox, the callbacks of what is ready
// (connections, then those that asked to be called again), the tick where it is due; what comes after (the sweep) is
// the owner's. What it waits in is handed in. post() is the only member that other threads may call.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/net/waiter.h"

namespace limpet::net {

class Watch;

class Loop {
 public:
  // `clock` is what now() reads, where tests set the time by hand; null: the steady clock. It outlives the loop.
  // `waiter`: null for an epoll set of its own. Throws std::runtime_error where no descriptor can be had.
  explicit Loop(const Clock* clock = nullptr, std::unique_ptr<Waiter> waiter = nullptr);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // The time of this round: read once, at its first callback.
  Time now() {
    if (!in_round_) begin_round();
    return now_;
  }

  // The time at this very moment.
  Time read_clock() const { return clock_ != nullptr ? clock_->now() : std::chrono::steady_clock::now(); }

  // Counts the times that this loop has waited: what a callback finds ready was so before that round began, however
  // long its others take. From any number on all come again.
  std::uint32_t round() const { return round_; }

  // Waits for events and runs their callbacks, and the tick. Returns how long they took.
  Duration run_round();

  // No round follows: what was written leaves now, as far as its peers take it within a second.
  void send_last_writes() { waiter_->send_last_writes(std::chrono::seconds(1)); }

  // Runs `work` on the loop's thread, in a later part of its round or its next one. Any thread.
  void post(std::function<void()> work);

  // Calls `tick` in the next round, and then at the time that it returned; on the loop's thread, one per loop.
  void set_tick(std::function<Time()> tick);
  // Lets the tick be called no later than at `when`.
  void tick_by(Time when) { next_tick_ = std::min(next_tick_, when); }
  // When the next round has something to do although nothing is ready: in the past where it must not wait.
  Time next_due() const { return again_.empty() && !has_mail_.load(std::memory_order_acquire) ? next_tick_ : Time{}; }

  // Calls `ready` whenever `fd` is readable; one such descriptor per loop. The caller keeps the descriptor open.
  void watch_descriptor(int fd, std::function<void()> ready);

  // --- for streams and watches ---
  // As of Waiter.
  bool change(int descriptor, Pollable& pollable, std::uint32_t from, std::uint32_t to) {
    return waiter_->change(descriptor, pollable, from, to);
  }
  // on_poll(0) is called in a later round; none waits until then. Not to be asked for twice.
  void again(Pollable& pollable) { again_.push_back(&pollable); }
  // The pollable is about to be destroyed: it gets no call any more.
  void forget(const Pollable& pollable);

  // --- for what is written while many are called (session/outbox.h) ---
  // A round calls more than one: it pays to write when it is over.
  bool serves_many() const { return serves_many_; }
  // Called at the end of each such round. One per loop.
  void set_after_many(std::function<void()> work) { after_many_ = std::move(work); }

 private:
  static constexpr std::size_t kMostAgain = 128;  // in one round: what else there is to do has its time, too

  void begin_round() {
    in_round_ = true;
    now_ = read_clock();
  }
  int until_tick_ms() const;
  void dispatch(std::size_t calls);
  void tick_if_due();
  void open_mail();

  const Clock* const clock_;
  const std::unique_ptr<Waiter> waiter_;
  std::unique_ptr<Watch> descriptor_watch_;

  std::vector<Pollable*> again_;  // null: destroyed meanwhile
  std::function<void()> after_many_ = [] {};
  bool serves_many_ = false;

  std::function<Time()> tick_;
  Time next_tick_ = Time::max();

  Time now_{};
  Time round_ended_;
  bool in_round_ = false;
  std::uint32_t round_ = 0;

  std::atomic<bool> has_mail_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> mail_;  // guarded by mutex_
};

}  // namespace limpet::net
