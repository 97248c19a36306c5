// SPDX-License-Identifier: Apache-2.0
// See poller.h. An entry of the batch whose pollable has been destroyed is null; the one that wake() makes readable
// carries the poller's own address.
#include "proxy/net/poller.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <stdexcept>

namespace limpet::net {

Poller::Poller() : set_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!set_.open() || !wake_.open()) throw std::runtime_error("no event loop: out of descriptors");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  if (::epoll_ctl(set_.value(), EPOLL_CTL_ADD, wake_.value(), &event) != 0) {
    throw std::runtime_error("no event loop: epoll refuses");
  }
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
}

void Poller::wake() {
  const std::uint64_t one = 1;
  // The counter cannot overflow: the loop wakes once per emptying of its mailbox.
  [[maybe_unused]] const auto written = ::write(wake_.value(), &one, sizeof one);
}

void Poller::take_wake_up() {
  std::uint64_t count;
  [[maybe_unused]] const auto got = ::read(wake_.value(), &count, sizeof count);
}

std::size_t Poller::wait(int ms) {
  const int found = ::epoll_wait(set_.value(), batch_.data(), static_cast<int>(batch_.size()), ms);
  size_ = found > 0 ? static_cast<std::size_t>(found) : 0;
  next_ = 0;
  return size_;
}

void Poller::dispatch() {
  while (next_ < size_) {
    const epoll_event event = batch_[next_++];
    if (event.data.ptr == this) {
      take_wake_up();
      continue;
    }
    if (next_ + 1 < size_) __builtin_prefetch(batch_[next_ + 1].data.ptr);
    if (next_ < size_ && batch_[next_].data.ptr != nullptr && batch_[next_].data.ptr != this) {
      static_cast<Pollable*>(batch_[next_].data.ptr)->expect_poll();
    }
    if (event.data.ptr != nullptr) static_cast<Pollable*>(event.data.ptr)->on_poll(event.events);
  }
}

}  // namespace limpet::net
