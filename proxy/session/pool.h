// SPDX-License-Identifier: Apache-2.0
// Pool: a named set of backends and the way to pick one. What a pick reads, its backends and their ranking, is a
// PoolView: immutable, shared by all workers, and exchanged as a whole when the configuration changes. The pool owns
// its backends, those that have left the view included, until nobody counts in them any more.
//
// Workers read. The control loop exchanges and buries: "control loop" below. Health, drains and load are not the
// pool's: they are written into its backends.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "balancer/choice.h"
#include "balancer/ranker.h"
#include "proxy/session/backend.h"
#include "proxy/session/settings.h"

namespace limpet::session {

class Affinity;
class Workers;

struct PoolView {
  std::shared_ptr<const PoolSettings> settings;
  std::vector<Backend*> backends;  // by their place in the settings, which is the ranker's Index
  std::unique_ptr<const balancer::Ranker> ranker;
  std::uint32_t number = 0;  // of this view; the first is 0

  // The pool as a choice sees it now. Those of `tried` are not available to it: the session could not connect to them.
  void candidates(std::span<const BackendId> tried, std::vector<balancer::Candidate>& out) const;
  // Another backend than this one, and none of `tried`, could take a key.
  bool has_available_besides(const Backend& one, std::span<const BackendId> tried) const;
};

class Pool {
 public:
  // `id` tells apart pools that have equal keys: where a key lies in the affinity table depends on it.
  explicit Pool(std::shared_ptr<const PoolSettings> settings, std::uint32_t id = 0);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  const std::uint32_t id;
  const std::string name;

  // --- any thread ---

  // Written with every session or key, and therefore on a cache line of their own.
  alignas(64) std::atomic<std::uint64_t> round_robin_next{0};
  std::atomic<std::int64_t> misplaced_keys{0};  // on another backend than the first of their ranking
  std::mutex load_mutex;                        // with load_factor: choosing and counting are one step for the pool

  // Valid until the caller returns to its loop: a worker's callback may use it to its end, and keeps no part of it.
  // What outlives a callback holds a backend instead.
  const PoolView& view() const { return *view_.load(std::memory_order_acquire); }
  const PoolSettings& settings() const { return *view().settings; }
  // Null where the present view has none of that name.
  Backend* find(std::string_view name) const;

  // --- control loop ---

  // What exchange() is given: the next view, and the backends that come with it. Whoever prepares it fills `cells` of
  // those.
  struct Change {
    std::unique_ptr<const PoolView> view;
    std::vector<std::unique_ptr<Backend>> added;
  };
  // A backend of the same name and address stays the one that it is, with its sessions, keys and state; also one that
  // was removed and is not buried yet. Requires: settings of a pool of this name.
  Change prepare(std::shared_ptr<const PoolSettings> next);

  // From now on picks see the next view. The old one is freed when each worker has ended the round that it was in.
  // Backends that have left it keep their sessions and their keys until those end or their turn comes: a drain is the
  // caller's business. Requires: no other change was exchanged, and nothing buried, since it was
  // prepared; `workers` outlives their answers.
  void exchange(Change change, Workers& workers);

  // The removed backends in which nobody counts any more, for the caller to free after all of its own that refers to
  // them: probes, drains, reports. Called now and then; each call takes the others a step further.
  std::vector<std::unique_ptr<Backend>> bury(Affinity& affinity, Workers& workers, Time now);
  // Backends that have left the view and are not buried yet.
  std::size_t removed() const { return removed_.size(); }

 private:
  struct Removed;

  static void close_ids(const std::shared_ptr<Removed>& removed, Affinity& affinity, Workers& workers, Time now);
  static void drop_connections(const std::shared_ptr<Removed>& removed, Workers& workers);
  std::unique_ptr<Backend> take_back(const Backend& backend);

  alignas(64) std::atomic<const PoolView*> view_;
  std::unique_ptr<const PoolView> present_;         // what view_ points to
  std::vector<std::unique_ptr<Backend>> backends_;  // of the present view
  std::vector<std::shared_ptr<Removed>> removed_;   // those of earlier ones
  BackendId next_id_ = 0;
};

}  // namespace limpet::session
