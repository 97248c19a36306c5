// SPDX-License-Identifier: Apache-2.0
// What the simulated world (tests/sim) needs inside the product: faults that it plants, to prove that it would find
// them, and the moments before a call into what workers share, at which it lets another worker's round run. Elsewhere,
// in all that is installed, both are nothing: constant false, and no call.
#pragma once

#include <cstdint>

namespace limpet {

enum class Planted : std::uint8_t {
  None,
  OldEntryKept,        // at a key's turn
  FarewellDropped,     // one of those that a turn sends
  CountedTwice,        // an end
  BoundaryOff,         // by a byte: a Close stands before a frame's last one
  HeadLeftBehind,      // the start of a head stays in a buffer, and another client's bytes follow it
  SurplusRead,         // as the next request's answer
  CutCountsAsDrained,  // at the deadline
  TurnIgnored,         // by a session that was connecting
};

#ifdef LIMPET_PLANTED_FAULTS

struct Stage {
  Planted planted = Planted::None;
  void (*before_shared)(void* world) = nullptr;
  void* world = nullptr;
};
// Of this thread, which has all of a world's workers.
inline thread_local Stage stage;

inline bool planted(Planted fault) {
  return stage.planted == fault;
}
inline void before_shared_call() {
  if (stage.before_shared != nullptr) stage.before_shared(stage.world);
}

#else

constexpr bool planted(Planted) {
  return false;
}
constexpr void before_shared_call() {}

#endif

}  // namespace limpet
