// SPDX-License-Identifier: Apache-2.0
// The drains under way: what is told to leave at each tick, what is cut at the deadline, how far each has come. Owned
// by the process, used on the control loop's thread only; the Shared, its workers and the pools outlive it. Does not
// decide whether a drain is allowed: the process does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "balancer/schedule.h"
#include "proxy/admin/control.h"
#include "proxy/base/clock.h"
#include "proxy/base/random.h"
#include "proxy/session/worker.h"

namespace limpet::server {

using admin::DrainAction;
using admin::DrainOrder;
using admin::DrainPlan;
using admin::DrainStatus;
using admin::Refusal;

class Drains {
 public:
  Drains(session::Shared& shared, Random& random) : shared_(shared), random_(random) {}

  bool empty() const { return drains_.empty(); }

  // What a drain of `backend` would do.
  DrainPlan plan(const session::Pool& pool, const session::Backend& backend, const DrainOrder& order);
  // `process_leaves`: the backend stays as it is, and what still comes on kept connections is answered.
  void start(session::Pool& pool, session::Backend& backend, const DrainOrder& order, bool process_leaves, Time now);
  // Refused (409) where no drain of the backend is under way, or a soft one, which has no pace.
  std::optional<Refusal> act(const session::Backend& backend, DrainAction action, Time now);
  // The backend is ready again, or something else decides over it from now on.
  void forget(const session::Backend& backend);
  // Called at each tick of the control loop.
  void step(Time now);

  // nullopt: none is under way.
  std::optional<DrainStatus> status(const session::Backend& backend, Time now) const;
  // Sessions of `backend` that were cut in drains so far.
  std::uint64_t cut_total(const session::Backend& backend) const;

 private:
  // One backend that is being emptied.
  struct Drain {
    session::Pool* pool = nullptr;
    session::Backend* backend = nullptr;
    DrainOrder order;
    std::unique_ptr<balancer::Schedule> schedule;  // null: soft
    Time began{};
    Time deadline{};
    Time paused_at{};
    bool process_leaves = false;  // the backend stays as it is: what still comes on kept connections is answered
    bool finished = false;
    std::uint64_t total = 0;
    std::uint64_t moved = 0;
    std::uint64_t cut = 0;          // ended torn, or cut at the deadline
    std::uint32_t cuts_before = 0;  // of the backend, when the drain began
    bool deadline_passed = false;
  };

  Drain* find(const session::Backend& backend) const;
  void step(Drain& drain, Time now);
  static std::uint64_t cut_so_far(const Drain& drain);
  void cut(Drain& drain);

  session::Shared& shared_;
  Random& random_;
  std::vector<std::unique_ptr<Drain>> drains_;
  std::map<const session::Backend*, std::uint64_t> cut_total_;  // by drains that are over
  std::uint64_t steps_ = 0;
};

}  // namespace limpet::server
