// SPDX-License-Identifier: Apache-2.0
// How the ends of a crash are spread; all else of a backend is counted where it happens.
#include "proxy/session/backend.h"

#include <algorithm>

namespace limpet::session {

namespace {

constexpr Duration kBetweenEnds = std::chrono::milliseconds(50);  // of a crash: any backend can serve twenty a second
constexpr Duration kCrashOver = std::chrono::seconds(1);

}  // namespace

Duration Backend::crash_delay(Time now, Duration spread, double random_fraction) {
  const std::lock_guard lock(crash_mutex_);
  const bool begins = now - last_lost_ > kCrashOver;
  last_lost_ = now;
  const Time end = begins ? now : std::max(now, next_end_);
  if (end - now > spread)
    return Duration(static_cast<Duration::rep>(static_cast<double>(spread.count()) * random_fraction));
  next_end_ = end + kBetweenEnds;
  return end - now;
}

}  // namespace limpet::session
