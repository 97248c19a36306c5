// SPDX-License-Identifier: Apache-2.0
// Time as the proxy sees it: monotonic, read once per round of a loop, and replaceable by a hand-set clock in tests.
#pragma once

#include <chrono>

namespace limpet {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::steady_clock::time_point;

inline double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
};

class SteadyClock final : public Clock {
 public:
  Time now() const override { return std::chrono::steady_clock::now(); }
};

// The time of day, for what people read: log lines, metrics.
class WallClock {
 public:
  virtual ~WallClock() = default;
  virtual std::chrono::system_clock::time_point now() const = 0;
};

class SystemWallClock final : public WallClock {
 public:
  std::chrono::system_clock::time_point now() const override { return std::chrono::system_clock::now(); }
};

// A clock that stands still until a test moves it.
class ManualClock final : public Clock {
 public:
  Time now() const override { return now_; }
  void advance(Duration by) { now_ += by; }

 private:
  Time now_{std::chrono::hours(1)};
};

}  // namespace limpet
