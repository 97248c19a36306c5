// SPDX-License-Identifier: Apache-2.0
// Owns every cell and writes them as Prometheus text (exposition format 0.0.4) through prometheus-cpp's serializer.
// Owned by the process; backend() is called on the control loop before workers see the backend, text() on the control
// loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "metrics/cells.h"

namespace limpet::metrics {

// What only the control loop knows at the moment of a scrape.
struct BackendFacts {
  std::string pool, backend;
  bool up = true;
  std::string state;  // ready draining drained: limpet_backend_state{state} is 1 for the present one, 0 for the others
  double weight = 1;
  double hash_share = 0;
  std::uint64_t drain_sessions_remaining = 0;
  std::uint64_t drain_sessions_cut = 0;
};

struct PoolFacts {
  std::string pool;
  std::uint64_t affinity_keys = 0;
  std::uint64_t misplaced_keys = 0;
};

struct Facts {
  std::vector<PoolFacts> pools;
  std::vector<BackendFacts> backends;
  std::uint64_t reloads_ok = 0, reloads_failed = 0;
  double last_reload_success = 0;  // unix time; the start counts as one
};

class Registry {
 public:
  Registry(unsigned workers, std::string version);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  WorkerCells& worker(unsigned index);
  // Made at first use, kept for good: counters of a backend that left and came back go on.
  BackendCells& backend(const std::string& pool, const std::string& name, unsigned worker);

  // All families of all workers, summed; the process_* gauges from /proc/self.
  std::string text(const Facts& facts) const;

 private:
  struct Blocks;
  unsigned workers_;
  std::string version_;
  std::unique_ptr<Blocks> blocks_;
};

}  // namespace limpet::metrics
