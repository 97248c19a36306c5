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
    : clock_(clock), wake_(counter()), mail_watch_(poller_, wake_.value(), [this] { open_mail(); }) {
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

Duration Loop::run_turn() {
  int patience_ms = until_tick_ms();
  if (guests_) {
    guests_->wait(patience_ms);
    patience_ms = 0;
  }
  if (ring_) {
    ring_->wait(patience_ms);
    now();
    ring_->dispatch();
    patience_ms = 0;
  }
  if (!ring_ || ring_->polled()) {
    poller_.wait(patience_ms);
    now();
    poller_.dispatch();
  }
  tick_if_due();
  in_turn_ = false;
  return read_clock() - now_;
}

void Loop::finish() {
  if (ring_) ring_->wait(0);
}

int Loop::until_tick_ms() const {
  if (!tick_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick_ - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

void Loop::tick_if_due() {
  if (!tick_) return;
  const Time now = clock_ == nullptr ? now_ : std::chrono::steady_clock::now();
  if (now < next_tick_) return;
  next_tick_ = std::max(next_tick_ + tick_period_, now);  // what was missed is not made up for
  const auto tick = tick_;                                // it may set another
  tick();
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

void Loop::set_tick(Duration period, std::function<void()> tick) {
  tick_ = std::move(tick);
  tick_period_ = period;
  next_tick_ = std::chrono::steady_clock::now() + period;
}

void Loop::watch_descriptor(int fd, std::function<void()> ready) {
  descriptor_watch_.emplace(poller_, fd, std::move(ready));
  if (!descriptor_watch_->start()) throw std::runtime_error("epoll refuses a descriptor");
}

}  // namespace limpet::net
