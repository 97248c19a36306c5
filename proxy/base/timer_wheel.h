// SPDX-License-Identifier: Apache-2.0
// Coarse timers: one wheel per worker instead of a libevent timer per session. Arming and disarming are a few pointer
// writes; a timer fires at the first tick at or after its time (a tick is 20 ms). Nothing has to be done at the ticks
// in between: next_due() tells when there is. Owned and used by one thread.
//
// A session does not re-arm on every message: when its timer fires it looks at its last-activity stamps and arms again.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "proxy/base/clock.h"

namespace limpet {

class TimerWheel;

// Embedded in whatever waits; disarms itself when destroyed.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual ~Timer() { disarm(); }

  bool armed() const { return next_ != nullptr; }
  void disarm() {
    if (!armed()) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 protected:
  virtual void on_timer() = 0;

 private:
  friend class TimerWheel;
  Timer* previous_ = nullptr;
  Timer* next_ = nullptr;
  std::uint64_t due_tick_ = 0;
};

class TimerWheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(20);

  explicit TimerWheel(Time start) : start_(start) {
    for (auto& slot : slots_) slot.make_empty();
  }

  // Fires at `when`; a timer that is armed already is moved.
  void arm(Timer& timer, Time when) {
    const auto tick = tick_of(when) + 1;
    place(timer, tick > tick_ ? tick : tick_ + 1);
  }

  // As arm(), but never later than it is armed for already.
  void arm_no_later(Timer& timer, Time when) {
    if (timer.armed() && timer.due_tick_ <= tick_of(when) + 1) return;
    arm(timer, when);
  }

  // Fires what is due. A timer may arm or destroy itself or any other from within on_timer().
  void advance(Time now) {
    const auto target = tick_of(now);
    if (target < next_) {
      tick_ = std::max(tick_, target);
      return;
    }
    tick_ = std::max(tick_, next_ - 1);  // rounds in which nothing was armed are not gone through
    while ((next_ = next_used()) <= target) {
      tick_ = next_;
      fire(slots_[tick_ % kSlots]);
    }
    tick_ = target;
  }

  // When advance() may find something due; the end of time where nothing is armed.
  Time next_due() const { return next_ == kNever ? Time::max() : start_ + static_cast<Duration::rep>(next_) * kTick; }

 private:
  static constexpr std::size_t kSlots = 2048;  // 41 s; a later timer is looked at once per round
  static constexpr std::size_t kWord = 64;
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  struct List final : Timer {
    ~List() override { next_ = previous_ = nullptr; }
    void make_empty() { next_ = previous_ = this; }
    void on_timer() override {}
    using Timer::next_;
    using Timer::previous_;
  };

  std::uint64_t tick_of(Time when) const {
    return when <= start_ ? 0 : static_cast<std::uint64_t>((when - start_) / kTick);
  }

  // Fires what is due of the present tick's slot.
  void fire(Timer& slot) {
    used_[tick_ % kSlots / kWord] &= ~(std::uint64_t{1} << tick_ % kWord);
    if (slot.next_ == &slot) return;
    // Moved aside, so that timers armed meanwhile are not visited in this round.
    List due;
    due.next_ = slot.next_;
    due.previous_ = slot.previous_;
    due.next_->previous_ = &due;
    due.previous_->next_ = &due;
    slot.next_ = slot.previous_ = &slot;
    while (due.next_ != &due) {
      Timer& timer = *due.next_;
      timer.disarm();
      if (timer.due_tick_ > tick_) {
        place(timer, timer.due_tick_);
      } else {
        timer.on_timer();
      }
    }
    due.next_ = due.previous_ = nullptr;
  }

  // The first tick after the present one whose slot is in use.
  std::uint64_t next_used() const {
    const std::uint64_t from = tick_ + 1;
    for (std::uint64_t at = from; at < from + kSlots + kWord; at = (at / kWord + 1) * kWord) {
      const std::uint64_t word = used_[at % kSlots / kWord] >> at % kWord;
      if (word != 0) return at + static_cast<std::uint64_t>(std::countr_zero(word));
    }
    return kNever;
  }

  void place(Timer& timer, std::uint64_t tick) {
    timer.disarm();
    used_[tick % kSlots / kWord] |= std::uint64_t{1} << tick % kWord;
    next_ = std::min(next_, tick);
    Timer& slot = slots_[tick % kSlots];
    timer.due_tick_ = tick;
    timer.next_ = &slot;
    timer.previous_ = slot.previous_;
    slot.previous_->next_ = &timer;
    slot.previous_ = &timer;
  }

  Time start_;
  std::uint64_t tick_ = 0;
  std::uint64_t next_ = kNever;  // nothing is due before
  std::array<List, kSlots> slots_;
  std::array<std::uint64_t, kSlots / kWord> used_{};  // a bit for each slot that has been given a timer
};

}  // namespace limpet
