// SPDX-License-Identifier: Apache-2.0
// Shrinkage: tells when so much of what a process held has gone that its freed memory is worth giving back. A number of
// what is held and a time go in, yes or no comes out; the process does the rest, on the control loop's thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "proxy/base/clock.h"

namespace limpet::server {

// Looks at a count of what is held, from time to time. Giving back costs a walk over the heap, so it is for a fall by a
// third that has lasted for `kDelay`. What is left by then, be it a single key, keeps a whole page: a fall from many is
// followed down to nothing, unless the count rises again.
class Shrinkage {
 public:
  static constexpr std::uint64_t kMany = 1000;
  static constexpr Duration kDelay = std::chrono::seconds(3);

  // True: give back now. `held`: what is there, at `now`.
  bool is_due(std::uint64_t held, Time now) {
    if (held > most_) falling_ = false;
    most_ = std::max(most_, held);
    const bool has_shrunk = (most_ >= kMany || falling_) && held <= most_ / 3 * 2;
    if (!has_shrunk) since_ = now;
    if (!has_shrunk || now < since_ + kDelay) return false;
    most_ = held;
    falling_ = held > 0;
    since_ = now;
    return true;
  }

 private:
  std::uint64_t most_ = 0;  // since memory was given back
  bool falling_ = false;    // from many, and not yet to nothing
  Time since_{};            // how long it has been down
};

}  // namespace limpet::server
