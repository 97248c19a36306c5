// SPDX-License-Identifier: Apache-2.0
#include "proxy/net/loop.h"

#include <event2/event.h>
#include <sys/eventfd.h>

#include <cstdint>
#include <stdexcept>
#include <utility>

namespace limpet::net {

Loop::Loop(const Clock* clock) : clock_(clock), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_config_avoid_method(config, "select");
  event_config_avoid_method(config, "poll");
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  if (base_ == nullptr || !wake_.open()) throw std::runtime_error("no event loop: out of descriptors");
  mail_event_ = event_new(base_, wake_.value(), EV_READ | EV_PERSIST, &Loop::on_mail, this);
  event_add(mail_event_, nullptr);
  poller_event_ = event_new(base_, poller_.descriptor(), EV_READ | EV_PERSIST, &Loop::on_polled, this);
  event_add(poller_event_, nullptr);
}

Loop::~Loop() {
  if (tick_event_ != nullptr) event_free(tick_event_);
  if (descriptor_event_ != nullptr) event_free(descriptor_event_);
  event_free(poller_event_);
  event_free(mail_event_);
  event_base_free(base_);
}

Duration Loop::run_turn() {
  event_base_loop(base_, EVLOOP_ONCE);
  if (!in_turn_) return Duration{0};
  in_turn_ = false;
  return read_clock() - now_;
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

void Loop::on_polled(int, short, void* self) {
  auto& loop = *static_cast<Loop*>(self);
  loop.now();
  loop.poller_.dispatch();
}

void Loop::on_mail(int, short, void* self) {
  static_cast<Loop*>(self)->open_mail();
}

void Loop::open_mail() {
  now();
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
  if (tick_event_ == nullptr) tick_event_ = event_new(base_, -1, EV_PERSIST, &Loop::on_tick, this);
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(period).count();
  const timeval interval{us / 1000000, us % 1000000};
  event_add(tick_event_, &interval);
}

void Loop::watch_descriptor(int fd, std::function<void()> ready) {
  descriptor_ready_ = std::move(ready);
  descriptor_event_ = event_new(base_, fd, EV_READ | EV_PERSIST, &Loop::on_descriptor, this);
  event_add(descriptor_event_, nullptr);
}

void Loop::on_descriptor(int, short, void* self) {
  auto& loop = *static_cast<Loop*>(self);
  loop.now();
  loop.descriptor_ready_();
}

void Loop::on_tick(int, short, void* self) {
  auto& loop = *static_cast<Loop*>(self);
  loop.now();
  const auto tick = loop.tick_;  // it may set another
  tick();
}

}  // namespace limpet::net
