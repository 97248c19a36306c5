// SPDX-License-Identifier: Apache-2.0
// The loop looks a ready descriptor up by number, so that a watcher which went earlier in the same round is never
// called; a number that was reused meanwhile gives its new owner one needless call, which reads nothing.
#include "tests/e2e/loop.h"

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace limpet::e2e {
namespace {

double monotonic() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void control(int epoll, int operation, int fd, bool read, bool write) {
  epoll_event event{};
  event.events = (read ? EPOLLIN | EPOLLRDHUP : 0U) | (write ? EPOLLOUT : 0U);
  event.data.fd = fd;
  if (epoll_ctl(epoll, operation, fd, &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

}  // namespace

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), start_(monotonic()) {}
Loop::~Loop() {
  ::close(epoll_);
}

double Loop::now() const {
  return monotonic() - start_;
}

void Loop::watch(int fd, Watcher& watcher, bool read, bool write) {
  watchers_[fd] = &watcher;
  control(epoll_, EPOLL_CTL_ADD, fd, read, write);
}

void Loop::change(int fd, Watcher& watcher, bool read, bool write) {
  watchers_[fd] = &watcher;
  control(epoll_, EPOLL_CTL_MOD, fd, read, write);
}

void Loop::forget(int fd, Watcher& watcher) {
  const auto found = watchers_.find(fd);
  if (found == watchers_.end() || found->second != &watcher) return;
  watchers_.erase(found);
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

Loop::TimerId Loop::after(double seconds, std::function<void()> call) {
  const TimerId id = next_timer_++;
  calls_.emplace(id, std::move(call));
  due_.push({now() + seconds, id});
  return id;
}

void Loop::run_round(int timeout_ms) {
  std::array<epoll_event, 512> events{};
  const int ready = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  for (int i = 0; i < ready; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    const auto found = watchers_.find(event.data.fd);
    if (found != watchers_.end()) found->second->on_ready(event.events);
  }
  const double time = now();
  while (!due_.empty() && due_.top().when <= time) {
    const TimerId id = due_.top().id;
    due_.pop();
    const auto found = calls_.find(id);
    if (found == calls_.end()) continue;
    const auto call = std::move(found->second);
    calls_.erase(found);
    call();
  }
  retired_.clear();
}

bool Loop::run_until(const std::function<bool()>& done, double limit) {
  const double end = now() + limit;
  while (!done()) {
    const double time = now();
    if (time >= end) return false;
    double wait = std::min(end - time, 0.05);
    if (!due_.empty()) wait = std::min(wait, due_.top().when - time);
    run_round(std::max(0, static_cast<int>(wait * 1000) + (wait > 0 ? 1 : 0)));
  }
  return true;
}

void Loop::run_for(double seconds) {
  run_until([] { return false; }, seconds);
}

}  // namespace limpet::e2e
