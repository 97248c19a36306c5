// SPDX-License-Identifier: Apache-2.0
// Backend: the live state of one server, shared by all workers. What is constant is read freely; the rest are a few
// relaxed atomics, touched when a session opens or ends, never per byte. The control loop writes state, health and
// ramp. Its pool owns it (pool.h), and frees it only when nobody counts in it any more: so a session, an entry of the
// affinity table and a learned id hold a plain pointer to it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "metrics/cells.h"
#include "proxy/base/clock.h"
#include "proxy/session/settings.h"

namespace limpet::session {

enum class BackendState : std::uint8_t { Ready, Draining, Drained };
enum class BackendHealth : std::uint8_t { Up, Down, Ejected };

class Pool;

// Names a backend of a pool; never given to another one, even where that has the same name or address.
using BackendId = std::uint32_t;

class Backend {
 public:
  Backend(const Pool& pool, BackendId id, const BackendSettings& settings)
      : pool(pool), id(id), name(settings.name), address(settings.address) {}

  const Pool& pool;
  const BackendId id;
  const std::string name;
  const net::Address address;
  std::vector<metrics::BackendCells*> cells;  // by worker; filled before any worker sees the backend

  std::atomic<BackendState> state{BackendState::Ready};
  std::atomic<BackendHealth> health{BackendHealth::Up};
  std::atomic<bool> removed{false};  // no present view of its pool has it: it keeps what it holds, and gets no more
  std::atomic<bool> has_failed_lately{false};  // so that a success is reported only where it changes something
  std::atomic<float> ramp{1.0F};
  std::atomic<std::uint32_t> sessions{0};     // open, of every protocol
  std::atomic<std::uint32_t> cuts{0};         // sessions that were cut so far, counted before they leave `sessions`
  std::atomic<std::uint32_t> keys{0};         // affinity entries
  std::atomic<std::uint32_t> learned_ids{0};  // that lead here

  bool is_up() const { return health.load(std::memory_order_relaxed) != BackendHealth::Down; }
  // Neither drained nor removed: new keys go there while it is well.
  bool is_ready() const {
    return state.load(std::memory_order_relaxed) == BackendState::Ready && !removed.load(std::memory_order_relaxed);
  }
  // May take new keys.
  bool is_available() const { return is_ready() && health.load(std::memory_order_relaxed) == BackendHealth::Up; }
  // May keep what it holds: the key's turn moves its entry elsewhere, so a draining backend still serves.
  bool serves() const { return state.load(std::memory_order_relaxed) != BackendState::Drained && is_up(); }

  // Called where a session's backend side broke off, by any worker. How long the client's end should wait, so that the
  // ends of many sessions that lost their backend at once are spread: they come one after the other, 20 a second, as
  // long as none waits longer than `spread`; those beyond that come at random within it. A crash is over when a second
  // has passed without an end. `random_fraction`: from 0 to 1.
  Duration crash_delay(Time now, Duration spread, double random_fraction);

 private:
  std::mutex crash_mutex_;  // a crash is rare; guards the two below
  Time last_lost_{};        // when a session was the last to lose this backend
  Time next_end_{};         // before it no end of the crash is free
};

}  // namespace limpet::session
