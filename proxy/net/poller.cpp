// SPDX-License-Identifier: Apache-2.0
#include "proxy/net/poller.h"

#include <stdexcept>

#include "proxy/net/tcp_stream.h"

namespace limpet::net {

Poller::Poller() : set_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!set_.open()) throw std::runtime_error("no event loop: out of descriptors");
}

bool Poller::change(TcpStream& stream, std::uint32_t from, std::uint32_t to) {
  epoll_event event{};
  event.events = to;
  event.data.ptr = &stream;
  const int operation = to == 0 ? EPOLL_CTL_DEL : from == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  return ::epoll_ctl(set_.value(), operation, stream.descriptor(), &event) == 0;
}

void Poller::forget(const TcpStream& stream) {
  for (std::size_t i = next_; i < size_; ++i) {
    if (batch_[i].data.ptr == &stream) batch_[i].data.ptr = nullptr;
  }
}

void Poller::dispatch() {
  const int found = ::epoll_wait(set_.value(), batch_.data(), static_cast<int>(batch_.size()), 0);
  size_ = found > 0 ? static_cast<std::size_t>(found) : 0;
  for (next_ = 0; next_ < size_;) {
    const epoll_event event = batch_[next_++];
    if (next_ < size_) __builtin_prefetch(batch_[next_].data.ptr);  // what is idle for a moment is in no cache
    if (event.data.ptr != nullptr) static_cast<TcpStream*>(event.data.ptr)->on_poll(event.events);
  }
}

}  // namespace limpet::net
