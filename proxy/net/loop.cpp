// SPDX-License-Identifier: Apache-2.0
// See loop.h. Mail is told by a flag beside the waiter's wake-up, so that a waiter need not know what it was woken for.
#include "proxy/net/loop.h"

#include <stdexcept>
#include <utility>

#include "proxy/net/poller.h"
#include "proxy/net/watch.h"

namespace limpet::net {

Loop::Loop(const Clock* clock, std::unique_ptr<Waiter> waiter)
    : clock_(clock),
      waiter_(waiter != nullptr ? std::move(waiter) : std::make_unique<Poller>()),
      round_ended_(read_clock()) {}

Loop::~Loop() = default;

Duration Loop::run_round() {
  in_round_ = false;  // somebody may have asked for the time since the last one
  ++round_;
  // The wake-up of mail that came while earlier mail was being opened may have been taken with the earlier one's.
  const bool may_wait = again_.empty() && !has_mail_.load(std::memory_order_acquire);
  const std::size_t calls = waiter_->wait(may_wait ? until_tick_ms() : 0);
  now();
  dispatch(calls);
  tick_if_due();
  in_round_ = false;
  round_ended_ = read_clock();
  return round_ended_ - now_;
}

void Loop::dispatch(std::size_t calls) {
  const std::size_t due = std::min(again_.size(), kMostAgain);  // who asks from here on is called in a later round
  serves_many_ = calls + due > 1;
  if (has_mail_.load(std::memory_order_acquire)) open_mail();
  waiter_->dispatch();
  for (std::size_t i = 0; i < due; ++i) {
    if (Pollable* const pollable = std::exchange(again_[i], nullptr)) pollable->on_poll(0);
  }
  if (due > 0) again_.erase(again_.begin(), again_.begin() + static_cast<std::ptrdiff_t>(due));
  if (std::exchange(serves_many_, false)) after_many_();
}

void Loop::forget(const Pollable& pollable) {
  waiter_->forget(pollable);
  std::ranges::replace(again_, const_cast<Pollable*>(&pollable), nullptr);
}

int Loop::until_tick_ms() const {
  constexpr std::int64_t kLongest = 60'000;
  constexpr std::int64_t kLongestByHand = 1;  // a clock that is set by hand tells nobody
  if (next_tick_ == Time::max()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick_ - round_ended_).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, clock_ == nullptr ? kLongest : kLongestByHand));
}

void Loop::tick_if_due() {
  if (now_ < next_tick_) return;
  next_tick_ = Time::max();
  tick_by(tick_());
}

void Loop::post(std::function<void()> work) {
  bool was_empty;
  {
    const std::lock_guard lock(mutex_);
    was_empty = mail_.empty();
    mail_.push_back(std::move(work));
    has_mail_.store(true, std::memory_order_release);
  }
  if (was_empty) waiter_->wake();
}

void Loop::open_mail() {
  std::vector<std::function<void()>> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(mail_);
    has_mail_.store(false, std::memory_order_relaxed);
  }
  for (auto& work : batch) work();
}

void Loop::set_tick(std::function<Time()> tick) {
  tick_ = std::move(tick);
  next_tick_ = {};
}

void Loop::watch_descriptor(int fd, std::function<void()> ready) {
  descriptor_watch_ = std::make_unique<Watch>(*this, fd, std::move(ready));
  if (!descriptor_watch_->start()) throw std::runtime_error("epoll refuses a descriptor");
}

}  // namespace limpet::net
