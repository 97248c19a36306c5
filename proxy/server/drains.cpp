// SPDX-License-Identifier: Apache-2.0
// See drains.h. A step of a drain: the turns that are due move their keys' entries, and the sessions under them get
// their farewell by a post to their worker; once the schedule is done, late keys are looked for every fiftieth step; at
// the deadline what is left is cut. When keys leave is balancer/schedule's decision, and how a session does is its own.
#include "proxy/server/drains.h"

#include <algorithm>
#include <functional>

#include "balancer/choice.h"
#include "balancer/hash.h"
#include "proxy/base/log.h"
#include "proxy/base/planted_fault.h"

namespace limpet::server {

using session::Backend;
using session::BackendState;
using session::CloseReason;
using session::Pool;
using session::Session;
using session::Worker;

namespace {

constexpr std::uint64_t kStepsPerLateKeys = 50;

}  // namespace

DrainPlan Drains::plan(const Pool& pool, const Backend& backend, const DrainOrder& order) {
  DrainPlan plan;
  plan.sessions = backend.sessions.load();
  plan.takes_s = in_seconds(order.over);
  const auto keys = shared_.affinity.keys_on(backend, false);
  plan.keys = keys.size();
  const session::PoolView& view = pool.view();
  for (const Backend* other : view.backends) {
    if (other != &backend) plan.load_after[other->name] = other->sessions.load();
  }
  std::vector<balancer::Candidate> candidates;
  std::vector<balancer::Index> scratch;
  view.candidates({&backend.id, 1}, candidates);
  for (const auto& key : keys) {
    if (key.sessions > 1 && key.sessions * 20 > plan.sessions) plan.heavy.emplace_back(key.key, key.sessions);
    const auto choice = balancer::choose_by_hash(*view.ranker, balancer::hash_key(key.key, view.settings->hash_seed),
                                                 candidates, 0, scratch);
    if (!choice) continue;
    const auto& name = view.backends[choice->backend]->name;
    plan.goes_to[name] += key.sessions;
    plan.load_after[name] += key.sessions;
  }
  std::ranges::stable_sort(plan.heavy, std::greater{}, [](const auto& heavy) { return heavy.second; });
  return plan;
}

void Drains::start(Pool& pool, Backend& backend, const DrainOrder& order, bool process_leaves, Time now) {
  auto drain = std::make_unique<Drain>();
  drain->pool = &pool;
  drain->backend = &backend;
  drain->order = order;
  drain->began = now;
  drain->deadline = drain->began + order.deadline;
  drain->process_leaves = process_leaves;
  if (!process_leaves) backend.state.store(BackendState::Draining);
  std::vector<balancer::KeyLoad> keys;
  for (auto& key : shared_.affinity.keys_on(backend, !process_leaves))
    keys.push_back({std::move(key.key), key.sessions});
  drain->total = backend.sessions.load();
  drain->cuts_before = backend.cuts.load();
  if (!order.soft) {
    drain->schedule = std::make_unique<balancer::Schedule>(std::move(keys), order.over, order.whole_keys,
                                                           random_.next(), drain->began);
  }
  for (Worker* worker : shared_.workers) {
    worker->post([worker, &backend] { worker->upstreams().drop(backend); });
  }
  log::info("drain begins", {{"pool", pool.name}, {"backend", backend.name}, {"sessions", drain->total}});
  drains_.push_back(std::move(drain));
}

std::optional<Refusal> Drains::act(const Backend& backend, DrainAction action, Time now) {
  Drain* drain = find(backend);
  if (drain == nullptr || !drain->schedule) return Refusal{409, "'" + backend.name + "' has no drain with a pace"};
  // The deadline waits with a paused drain.
  if (drain->schedule->paused() && action != DrainAction::Pause) drain->deadline += now - drain->paused_at;
  switch (action) {
  case DrainAction::Pause:
    if (!drain->schedule->paused()) drain->paused_at = now;
    drain->schedule->pause(now);
    break;
  case DrainAction::Resume:
    drain->schedule->resume(now);
    break;
  case DrainAction::Hurry:
    drain->schedule->hurry(now, Duration{0});
    break;
  }
  return std::nullopt;
}

void Drains::forget(const Backend& backend) {
  std::erase_if(drains_, [&](const auto& drain) {
    if (drain->backend != &backend) return false;
    cut_total_[&backend] += drain->cut;
    return true;
  });
}

void Drains::step(Time now) {
  ++steps_;
  for (auto& drain : drains_) step(*drain, now);
  std::erase_if(drains_, [](const auto& drain) { return drain->finished; });
}

void Drains::step(Drain& drain, Time now) {
  Backend& backend = *drain.backend;
  const auto reason = drain.process_leaves ? CloseReason::Shutdown : CloseReason::Drained;
  session::SessionRefs departing;
  if (drain.schedule) {
    std::vector<balancer::Turn> turns;
    drain.schedule->due(now, turns);
    for (const auto& turn : turns) {
      const std::size_t most = turn.whole ? SIZE_MAX : turn.sessions;
      shared_.affinity.take_turn(*drain.pool, turn.key, backend, most, !drain.process_leaves, departing);
    }
    // What joined a key after the plan was made, under a key that the plan did not have.
    if (drain.schedule->done() && steps_ % kStepsPerLateKeys == 0 &&
        backend.sessions.load(std::memory_order_relaxed) > 0) {
      for (const auto& key : shared_.affinity.keys_on(backend, !drain.process_leaves)) {
        shared_.affinity.take_turn(*drain.pool, key.key, backend, SIZE_MAX, !drain.process_leaves, departing);
      }
    }
    drain.moved += departing.size();
    shared_.dismiss(departing, reason);
  }
  const bool paused = drain.schedule && drain.schedule->paused();
  if (!drain.order.soft && !paused && !drain.deadline_passed && now >= drain.deadline) {
    drain.deadline_passed = true;
    cut(drain);
  }
  // Without a key there nobody waits for a turn, and nobody comes back between two requests.
  const bool turns_are_over = drain.deadline_passed || (drain.schedule && drain.schedule->done());
  const bool done = turns_are_over || backend.keys.load(std::memory_order_acquire) == 0;
  const bool is_empty = backend.sessions.load(std::memory_order_acquire) == 0;
  if (!drain.deadline_passed) drain.cut = cut_so_far(drain);
  if (done && is_empty) {
    if (drain.process_leaves) return;
    backend.state.store(BackendState::Drained);
    if (backend.keys.load(std::memory_order_relaxed) > 0) shared_.affinity.keys_on(backend, true);
    drain.finished = true;
    cut_total_[&backend] += drain.cut;
    for (Worker* worker : shared_.workers) {
      worker->post([worker, &backend] { worker->bound_upstreams().drop(backend); });
    }
    log::info("drained", {{"pool", drain.pool->name}, {"backend", backend.name}, {"cut", drain.cut}});
  }
}

// Before the deadline: those that ended torn.
std::uint64_t Drains::cut_so_far(const Drain& drain) {
  return drain.backend->cuts.load(std::memory_order_relaxed) - drain.cuts_before;
}

void Drains::cut(Drain& drain) {
  const Backend& backend = *drain.backend;
  drain.cut = cut_so_far(drain) + backend.sessions.load(std::memory_order_relaxed);
  for (Worker* worker : shared_.workers) {
    worker->post([worker, &backend] {
      std::vector<Session*> theirs;
      worker->for_each_session([&](Session& session) {
        if (session.record().member.backend == &backend) theirs.push_back(&session);
      });
      const auto reason = planted(Planted::CutCountsAsDrained) ? CloseReason::Drained : CloseReason::Cut;
      for (Session* session : theirs) session->cut(reason);
    });
  }
}

Drains::Drain* Drains::find(const Backend& backend) const {
  const auto found = std::ranges::find(drains_, &backend, [](const auto& drain) { return drain->backend; });
  return found == drains_.end() ? nullptr : found->get();
}

std::optional<DrainStatus> Drains::status(const Backend& backend, Time now) const {
  const Drain* drain = find(backend);
  if (drain == nullptr) return std::nullopt;
  DrainStatus status;
  status.remaining = backend.sessions.load();
  status.total = std::max(drain->total, status.remaining);
  status.moved = drain->moved;
  status.cut = drain->cut;
  status.over_s = in_seconds(drain->order.over);
  status.deadline_s = in_seconds(drain->order.deadline);
  status.elapsed_s = in_seconds(now - drain->began);
  if (drain->schedule) {
    status.eta_s = in_seconds(drain->schedule->remaining(now));
    status.paused = drain->schedule->paused();
    for (const auto& key : drain->schedule->heavy()) status.heavy.emplace_back(key.key, key.sessions);
  }
  return status;
}

std::uint64_t Drains::cut_total(const Backend& backend) const {
  const auto over = cut_total_.find(&backend);
  const Drain* drain = find(backend);
  return (over == cut_total_.end() ? 0 : over->second) + (drain == nullptr ? 0 : drain->cut);
}

}  // namespace limpet::server
