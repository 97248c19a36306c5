// SPDX-License-Identifier: Apache-2.0
// The plan of one drain: when each key has its turn. Keys are shuffled; a turn comes at `over` × the share of sessions
// before it, so that the *ends* are even in time. The control loop owns the one schedule of a drain. Pure: time is an
// argument. Where no key holds more than two seconds' worth of the sessions, no second sees more than twice its part.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace limpet::balancer {

// A key and how many open sessions it had when the plan was made.
struct KeyLoad {
  std::string key;
  std::uint32_t sessions = 1;
};

// One thing that falls due. A spread key (more than 5% of all sessions, and more than one) has many: the first moves
// its entry, each ends `sessions` of its sessions, the last all that are left, those included that the plan did not
// know.
struct Turn {
  std::string key;
  std::uint32_t sessions = 0;  // how many sessions of the key leave now; all that are left where `whole`
  bool whole = true;
};

class Schedule {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Span = std::chrono::nanoseconds;

  // `seed` shuffles. whole_keys: even a key above 5% leaves at once. Requires: keys are distinct; over >= 0.
  Schedule(std::vector<KeyLoad> keys, Span over, bool whole_keys, std::uint64_t seed, Time start);

  // Moves the turns that are due into `out`, in order.
  void due(Time now, std::vector<Turn>& out);

  // When the next turn falls due; Time::max() when paused or done.
  Time next() const;

  void pause(Time now);
  void resume(Time now);
  // All remaining turns fall due within `over` from now (0: at once). Never slows a plan; resumes a paused one.
  void hurry(Time now, Span over);

  bool paused() const { return paused_; }
  bool done() const { return at_ == turns_.size(); }
  std::size_t turns_left() const { return turns_.size() - at_; }

  // The keys above 5% (and with more than one session) with their sessions, largest first; with whole_keys, too.
  const std::vector<KeyLoad>& heavy() const { return heavy_; }

  // Time that the plan has been running, pauses left out.
  Span elapsed(Time now) const;
  // Time until the last turn, at the present pace.
  Span remaining(Time now) const;

 private:
  struct Planned {
    Turn turn;
    Span at;  // after start_
  };

  void plan(std::vector<KeyLoad> keys, Span over, bool whole_keys);

  std::vector<Planned> turns_;  // ascending by `at`
  std::vector<KeyLoad> heavy_;

  std::size_t at_ = 0;  // the next of turns_
  Time start_;          // moved on by each pause
  bool paused_ = false;
  Time paused_since_{};
};

}  // namespace limpet::balancer
