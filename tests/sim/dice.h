// SPDX-License-Identifier: Apache-2.0
// Dice: what the simulated world draws, from a seeded Random. One per concern, so that a draw more of one does not
// change what the others do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "proxy/base/clock.h"
#include "proxy/base/random.h"

namespace limpet::sim {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  Random& random() { return random_; }
  // Uniform in [0, n). Requires: n > 0.
  std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
  // Uniform in [from, to].
  std::uint64_t between(std::uint64_t from, std::uint64_t to) { return from + below(to - from + 1); }
  Duration between(Duration from, Duration to) {
    return from + Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>((to - from).count()) + 1)));
  }
  bool chance(double probability) { return random_.fraction() < probability; }
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(values.size())];
  }

 private:
  SeededRandom random_;
};

}  // namespace limpet::sim
