// SPDX-License-Identifier: Apache-2.0
// How the actors throw dice, and their alarms: each owned by what it would call, so that none rings for something gone.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>

#include "tests/sim/actor.h"

namespace limpet::sim {

constexpr std::uint64_t kAtOnce = ~std::uint64_t{0};  // for End::reads_at(): as fast as it comes

// In [0, n). Requires: n > 0.
inline std::uint64_t below(Random& random, std::uint64_t n) {
  return random.next() % n;
}
inline bool chance(Random& random, double probability) {
  return probability > 0 && random.fraction() < probability;
}
inline Duration between(Random& random, Duration least, Duration most) {
  return least + Duration(static_cast<Duration::rep>(random.fraction() * static_cast<double>((most - least).count())));
}

// One alarm at a time: setting it anew forgets the one before.
class Alarm {
 public:
  explicit Alarm(Nature& nature) : nature_(nature) {}
  ~Alarm() { stop(); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  void set(Duration delay, std::function<void()> work) {
    stop();
    armed_ = true;
    number_ = nature_.after(std::max(delay, Duration(0)), [this, work = std::move(work)] {
      armed_ = false;
      const auto held = work;  // the work may set this alarm anew, or free it
      held();
    });
  }
  void stop() {
    if (std::exchange(armed_, false)) nature_.cancel(number_);
  }
  bool armed() const { return armed_; }

 private:
  Nature& nature_;
  std::uint64_t number_ = 0;
  bool armed_ = false;
};

}  // namespace limpet::sim
