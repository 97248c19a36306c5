// SPDX-License-Identifier: Apache-2.0
// See health.h. What it leaves open is settled here:
//   - Active checks decide between up and down, passive failures between up and ejected. Down beats ejected: when the
//     checks take an ejected backend down, its ejection is over, and only the checks bring it back.
//   - A good check does not end an ejection: that a port accepts says little about the exchanges that failed.
//   - Observations count only while the backend is up: what sessions report later began before it left.
#include "balancer/health.h"

#include <algorithm>

namespace limpet::balancer {

void HealthState::come_up(Time now) {
  health_ = Health::Up;
  passive_bad_in_row_ = 0;
  ramping_ = settings_.slow_start.count() > 0;
  up_since_ = now;
}

bool HealthState::checked(bool good, Time now) {
  if (!settings_.active) return false;
  good_in_row_ = good ? good_in_row_ + 1 : 0;
  bad_in_row_ = good ? 0 : bad_in_row_ + 1;
  if (health_ != Health::Down && bad_in_row_ >= settings_.fall && !good) {
    health_ = Health::Down;
    return true;
  }
  if (health_ == Health::Down && good_in_row_ >= settings_.rise && good) {
    come_up(now);
    return true;
  }
  return false;
}

bool HealthState::observed(bool good, bool may_eject, Time now) {
  if (health_ != Health::Up) return false;
  if (good) {
    passive_bad_in_row_ = 0;
    ejections_ = 0;
    return false;
  }
  if (settings_.eject_after == 0) return false;
  ++passive_bad_in_row_;
  const unsigned tolerated = ejections_ > 0 ? 1 : settings_.eject_after;
  if (passive_bad_in_row_ < tolerated || !may_eject) return false;
  health_ = Health::Ejected;
  ejected_until_ = now + ejection_period();
  ++ejections_;
  return true;
}

// eject_for, doubled for each ejection since the last good observation.
std::chrono::nanoseconds HealthState::ejection_period() const {
  std::chrono::nanoseconds period = settings_.eject_for;
  for (unsigned i = 0; i < ejections_ && period < settings_.eject_max; ++i) period *= 2;
  return std::min(period, settings_.eject_max);
}

bool HealthState::tick(Time now) {
  if (health_ != Health::Ejected || now < ejected_until_) return false;
  come_up(now);
  return true;
}

float HealthState::ramp(Time now) const {
  if (!ramping_) return 1.0F;
  const auto elapsed = std::chrono::duration<float>(now - up_since_);
  const float progress = elapsed / std::chrono::duration<float>(settings_.slow_start);
  return std::clamp(0.1F + 0.9F * progress, 0.1F, 1.0F);
}

}  // namespace limpet::balancer
