// SPDX-License-Identifier: Apache-2.0
// EventQueue: what the world does later, by time; what is due at the same moment in the order of its planning.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

#include "proxy/base/clock.h"

namespace limpet::sim {

class EventQueue {
 public:
  std::uint64_t add(Time when, std::function<void()> work) {
    const std::uint64_t number = ++last_;
    events_.emplace(std::pair(when, number), std::move(work));
    times_.emplace(number, when);
    return number;
  }

  // Of one that is over: nothing.
  void cancel(std::uint64_t number) {
    const auto found = times_.find(number);
    if (found == times_.end()) return;
    events_.erase({found->second, number});
    times_.erase(found);
  }

  Time next() const { return events_.empty() ? Time::max() : events_.begin()->first.first; }

  // Requires: next() is not the end of time.
  void run_next() {
    const auto first = events_.begin();
    const std::function<void()> work = std::move(first->second);
    times_.erase(first->first.second);
    events_.erase(first);
    work();
  }

 private:
  std::map<std::pair<Time, std::uint64_t>, std::function<void()>> events_;
  std::unordered_map<std::uint64_t, Time> times_;
  std::uint64_t last_ = 0;
};

}  // namespace limpet::sim
