// SPDX-License-Identifier: Apache-2.0
// Loop: the one epoll loop on which a whole end-to-end test runs, clients and backends alike; one thread, no locks.
// Times are seconds since the loop was made, and every entry of the event log is stamped with them.
// A Watcher must outlive its registration; objects that want to go while they are being called are handed to retire().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <unordered_map>
#include <vector>

namespace limpet::e2e {

class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_ready(std::uint32_t epoll_events) = 0;
};

class Loop {
 public:
  using TimerId = std::uint64_t;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  double now() const;

  void watch(int fd, Watcher& watcher, bool read, bool write);
  void change(int fd, Watcher& watcher, bool read, bool write);
  void forget(int fd, Watcher& watcher);

  TimerId after(double seconds, std::function<void()> call);
  void cancel(TimerId id) { calls_.erase(id); }

  // Keeps the object until the end of the loop's round.
  void retire(std::unique_ptr<Watcher> watcher) { retired_.push_back(std::move(watcher)); }

  // Runs until `done` answers true (then true) or `limit` seconds have passed (then false). `done` is asked after every
  // round.
  bool run_until(const std::function<bool()>& done, double limit);
  void run_for(double seconds);

 private:
  void run_round(int timeout_ms);

  struct Due {
    double when;
    TimerId id;
    bool operator>(const Due& other) const { return when > other.when; }
  };

  const int epoll_;
  const double start_;

  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::unordered_map<TimerId, std::function<void()>> calls_;
  std::unordered_map<int, Watcher*> watchers_;
  std::vector<std::unique_ptr<Watcher>> retired_;

  TimerId next_timer_ = 1;
};

}  // namespace limpet::e2e
