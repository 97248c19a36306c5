// SPDX-License-Identifier: Apache-2.0
#include "proxy/net/poller.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace limpet::net {

Poller::Poller() : set_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!set_.open()) throw std::runtime_error("no event loop: out of descriptors");
}

bool Poller::change(int descriptor, Pollable& pollable, std::uint32_t from, std::uint32_t to) {
  epoll_event event{};
  event.events = to;
  event.data.ptr = &pollable;
  const int operation = to == 0 ? EPOLL_CTL_DEL : from == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  return ::epoll_ctl(set_.value(), operation, descriptor, &event) == 0;
}

void Poller::forget(const Pollable& pollable) {
  for (std::size_t i = next_; i < size_; ++i) {
    if (batch_[i].data.ptr == &pollable) batch_[i].data.ptr = nullptr;
  }
  std::ranges::replace(again_, const_cast<Pollable*>(&pollable), nullptr);
}

void Poller::wait(int ms) {
  if (pending()) ms = 0;
  const int found = ::epoll_wait(set_.value(), batch_.data(), static_cast<int>(batch_.size()), ms);
  size_ = found > 0 ? static_cast<std::size_t>(found) : 0;
  next_ = 0;
}

void Poller::dispatch() {
  const std::size_t due = std::min(again_.size(), batch_.size());
  serves_many_ = size_ + due > 1;
  while (next_ < size_) {
    const epoll_event event = batch_[next_++];
    if (next_ + 1 < size_) __builtin_prefetch(batch_[next_ + 1].data.ptr);
    if (next_ < size_ && batch_[next_].data.ptr != nullptr) {
      static_cast<Pollable*>(batch_[next_].data.ptr)->expect_poll();
    }
    if (event.data.ptr != nullptr) static_cast<Pollable*>(event.data.ptr)->on_poll(event.events);
  }
  for (std::size_t i = 0; i < due; ++i) {
    if (Pollable* const pollable = std::exchange(again_[i], nullptr)) pollable->on_poll(0);
  }
  if (due > 0) again_.erase(again_.begin(), again_.begin() + static_cast<std::ptrdiff_t>(due));
  if (std::exchange(serves_many_, false)) after_many_();
}

Watch::~Watch() {
  stop();
}

bool Watch::start() {
  started_ = started_ || poller_.change(descriptor_, *this, 0, EPOLLIN);
  return started_;
}

void Watch::stop() {
  if (!started_) return;
  started_ = false;
  poller_.change(descriptor_, *this, EPOLLIN, 0);
  poller_.forget(*this);
}

void Watch::on_poll(std::uint32_t) {
  ready_();
}

}  // namespace limpet::net
