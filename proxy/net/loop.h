// SPDX-License-Identifier: Apache-2.0
// Loop: the turns of one thread, which owns it. A turn is: wait, the callbacks of what is ready (connections, the
// mailbox), the tick where it is due; what comes after (the sweep) is the owner's. post() is the only member that other
// threads may call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/fd.h"
#include "proxy/net/guest_base.h"
#include "proxy/net/poller.h"

namespace limpet::net {

class Ring;

class Loop {
 public:
  // `clock` is what now() reads, where tests set the time by hand; null: the steady clock. It outlives the loop.
  explicit Loop(const Clock* clock = nullptr);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  Poller& poller() { return poller_; }

  // Moves the streams that are opened from here on to io_uring. Returns "", or why that cannot be; then nothing has
  // changed. Requires: base() was never asked for.
  std::string use_ring();
  // Null where it is not used.
  Ring* ring() { return ring_.get(); }

  // For what comes with events of its own. A loop that is asked for it once waits in libevent from then
  // on. Requires: ring() is null.
  event_base* base();

  // The time of this turn: read once, at its first callback.
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

  // No turn follows: what was written leaves now, as far as its peers take it within a second.
  void send_last_writes();

  // Runs `work` on the loop's thread, in a later part of its turn or its next one. Any thread.
  void post(std::function<void()> work);

  // Calls `tick` in the next turn, and then at the time that it returned; on the loop's thread, one per loop.
  void set_tick(std::function<Time()> tick);
  // Lets the tick be called no later than at `when`.
  void tick_by(Time when) { next_tick_ = std::min(next_tick_, when); }

  // Calls `ready` whenever `fd` is readable; one such descriptor per loop. The caller keeps the descriptor open.
  void watch_descriptor(int fd, std::function<void()> ready);

 private:
  void begin_round() {
    in_round_ = true;
    now_ = read_clock();
  }
  int until_tick_ms() const;
  void tick_if_due();
  void open_mail();

  const Clock* const clock_;
  Fd wake_;
  Poller poller_;
  Watch mail_watch_;
  std::optional<Watch> descriptor_watch_;
  std::unique_ptr<GuestBase> guests_;
  std::unique_ptr<Ring> ring_;

  std::function<Time()> tick_;
  Time next_tick_ = Time::max();

  Time now_{};
  Time round_ended_;
  bool in_round_ = false;
  std::uint32_t round_ = 0;

  std::mutex mutex_;
  std::vector<std::function<void()>> mail_;  // guarded by mutex_
};

}  // namespace limpet::net
