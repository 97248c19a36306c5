// SPDX-License-Identifier: Apache-2.0
// Health of one backend as a state machine: active checks with rise and fall, passive ejection with doubling periods,
// slow start. Pure: time comes in as an argument. The control loop owns it; workers only report connect outcomes
// through atomics.
#pragma once

#include <chrono>
#include <cstdint>

namespace limpet::balancer {

struct HealthSettings {
  bool active = true;
  unsigned rise = 2;         // consecutive good checks that take a down backend up
  unsigned fall = 3;         // consecutive bad checks that take an up backend down
  unsigned eject_after = 5;  // consecutive passive failures; 0: never eject
  std::chrono::nanoseconds eject_for{std::chrono::seconds(10)};
  std::chrono::nanoseconds eject_max{std::chrono::minutes(5)};
  std::chrono::nanoseconds slow_start{0};
};

enum class Health : std::uint8_t { Up, Down, Ejected };

class HealthState {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit HealthState(const HealthSettings& settings) : settings_(settings) {}  // starts Up, without slow start

  // The outcome of one active check. True if health() changed.
  bool checked(bool good, Time now);

  // One connect, response timeout or malformed head seen by a session (bad), or a good exchange (good). `may_eject` is
  // false while half of the pool is ejected already. True if health() changed.
  bool observed(bool good, bool may_eject, Time now);

  // Lets an ejection end. True if health() changed. The first failure after an ejection ejects again, for twice as long
  // (up to eject_max); a good observation resets the period.
  bool tick(Time now);

  Health health() const { return health_; }

  // Slow start: rises linearly from 0.1 to 1 over slow_start after coming back up; 1 otherwise.
  float ramp(Time now) const;

 private:
  void come_up(Time now);
  std::chrono::nanoseconds ejection_period() const;

  HealthSettings settings_;
  Health health_ = Health::Up;
  unsigned good_in_row_ = 0;
  unsigned bad_in_row_ = 0;
  unsigned passive_bad_in_row_ = 0;
  unsigned ejections_ = 0;
  Time ejected_until_{};
  Time up_since_{};
  bool ramping_ = false;
};

}  // namespace limpet::balancer
