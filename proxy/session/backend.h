// SPDX-License-Identifier: Apache-2.0
// Backend and Pool: the live state that all workers share. What is constant is read freely; the rest are a few relaxed
// atomics, touched when a session opens or ends, never per byte. The control loop writes state, health and ramp.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "balancer/choice.h"
#include "balancer/ranker.h"
#include "metrics/cells.h"
#include "proxy/base/clock.h"
#include "proxy/session/settings.h"

namespace limpet::session {

enum class BackendState : std::uint8_t { Ready, Draining, Drained };
enum class BackendHealth : std::uint8_t { Up, Down, Ejected };

class Pool;

class Backend {
 public:
  Backend(const Pool& pool, balancer::Index index, BackendSettings settings)
      : pool(pool), index(index), name(std::move(settings.name)), address(settings.address), weight(settings.weight) {}

  const Pool& pool;
  const balancer::Index index;
  const std::string name;
  const net::Address address;
  const unsigned weight;
  std::vector<metrics::BackendCells*> cells;  // by worker; filled before the workers start

  std::atomic<BackendState> state{BackendState::Ready};
  std::atomic<BackendHealth> health{BackendHealth::Up};
  std::atomic<float> ramp{1.0F};
  std::atomic<std::uint32_t> sessions{0};      // open, of every protocol
  std::atomic<std::uint32_t> cuts{0};          // sessions that were cut so far, counted before they leave `sessions`
  std::atomic<std::uint32_t> keys{0};          // affinity entries
  std::atomic<bool> has_failed_lately{false};  // so that a success is reported only where it changes something

  bool is_up() const { return health.load(std::memory_order_relaxed) != BackendHealth::Down; }
  // May take new keys.
  bool is_available() const {
    return state.load(std::memory_order_relaxed) == BackendState::Ready &&
           health.load(std::memory_order_relaxed) == BackendHealth::Up;
  }
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

class Pool {
 public:
  explicit Pool(std::shared_ptr<const PoolSettings> settings);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  const std::shared_ptr<const PoolSettings> settings;
  const std::vector<std::unique_ptr<Backend>> backends;
  const std::unique_ptr<const balancer::Ranker> ranker;

  std::atomic<std::uint64_t> round_robin_next{0};
  std::atomic<std::int64_t> misplaced_keys{0};
  std::mutex load_mutex;  // with load_factor: choosing and counting are one step for the whole pool

  Backend* find(std::string_view name) const;
  // The pool as a choice sees it now. `tried` (by index; may be empty) marks the backends that this session has tried.
  void candidates(const std::vector<bool>& tried, std::vector<balancer::Candidate>& out) const;
  // Another backend could take what leaves this one. `tried`: as above.
  bool has_available_besides(const Backend& backend, const std::vector<bool>& tried) const;
};

}  // namespace limpet::session
