// SPDX-License-Identifier: Apache-2.0
#include "proxy/net/loop.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "proxy/net/ring.h"

namespace limpet::net {

namespace {

Fd counter() {
  Fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd.open()) throw std::runtime_error("no event loop: out of descriptors");
  return fd;
}

}  // namespace

Loop::Loop(const Clock* clock)
    : clock_(clock),
      wake_(counter()),
      mail_watch_(poller_, wake_.value(), [this] { open_mail(); }),
      round_ended_(read_clock()) {
  if (!mail_watch_.start()) throw std::runtime_error("no event loop: epoll refuses");
}

Loop::~Loop() = default;

event_base* Loop::base() {
  assert(!ring_);  // libevent knows nothing of a ring's completions
  if (!guests_) guests_ = std::make_unique<GuestBase>(poller_.descriptor());
  return guests_->get();
}

std::string Loop::use_ring() {
  assert(!guests_);
  std::string why;
  ring_ = Ring::open(poller_.descriptor(), why);
  return why;
}

Duration Loop::run_round() {
  in_round_ = false;  // somebody may have asked for the time since the last one
  int patience_ms = poller_.pending() ? 0 : until_tick_ms();
  if (guests_) {
    guests_->wait(patience_ms);
    patience_ms = 0;
  }
  if (ring_) {
    ++round_;
    ring_->wait(patience_ms);
    now();
    ring_->dispatch();
    patience_ms = 0;
  }
  if (!ring_ || ring_->polled() || poller_.pending()) {
    ++round_;
    poller_.wait(patience_ms);
    now();
    poller_.dispatch();
  }
  tick_if_due();
  in_round_ = false;
  round_ended_ = read_clock();
  return round_ended_ - now_;
}

void Loop::send_last_writes() {
  if (ring_) ring_->send_last_writes(std::chrono::seconds(1));
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
  }
  if (!was_empty) return;
  const std::uint64_t one = 1;
  // The counter cannot overflow: it is written once per emptying.
  [[maybe_unused]] const auto written = ::write(wake_.value(), &one, sizeof one);
}

void Loop::open_mail() {
  std::uint64_t count;
  [[maybe_unused]] const auto got = ::read(wake_.value(), &count, sizeof count);
  std::vector<std::function<void()>> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(mail_);
  }
  for (auto& work : batch) work();
}

void Loop::set_tick(std::function<Time()> tick) {
  tick_ = std::move(tick);
  next_tick_ = {};
}

void Loop::watch_descriptor(int fd, std::function<void()> ready) {
  descriptor_watch_.emplace(poller_, fd, std::move(ready));
  if (!descriptor_watch_->start()) throw std::runtime_error("epoll refuses a descriptor");
}

}  // namespace limpet::net
