// SPDX-License-Identifier: Apache-2.0
// See control_core.h. A tick does all that is due at once; nothing here waits.
#include "proxy/server/control_core.h"

#include <algorithm>

#include "balancer/choice.h"
#include "balancer/hash.h"
#include "proxy/base/log.h"
#include "proxy/base/version.h"

namespace limpet::server {

using admin::DrainAction;
using admin::DrainOrder;
using admin::DrainPlan;
using admin::Refusal;
using admin::SessionFilter;
using admin::SessionInfo;
using admin::Where;
using session::Backend;
using session::BackendState;
using session::Pool;
using session::Worker;

namespace {

constexpr Duration kBusyTick = std::chrono::milliseconds(10);  // while something drains: turns shall be even
constexpr Duration kSweepPeriod = std::chrono::seconds(1);
constexpr Duration kLastRequests = std::chrono::seconds(1);

std::vector<std::shared_ptr<Pool>> make_pools(const session::Settings& settings) {
  std::vector<std::shared_ptr<Pool>> pools;
  for (const auto& pool : settings.pools) {
    pools.push_back(std::make_shared<Pool>(pool, static_cast<std::uint32_t>(pools.size())));
  }
  return pools;
}

}  // namespace

ControlCore::ControlCore(const session::Settings& settings, unsigned workers, Ground ground)
    : loop_(ground.loop),
      protocols_(ground.protocols),
      registry_(workers, std::string(kVersion)),
      shared_(settings.proxy.max_keys, registry_, ground.random.next()),
      snapshot_(std::make_shared<session::Snapshot>(settings, make_pools(settings), ground.random.next())),
      checks_(loop_, ground.transport, snapshot_->pools),
      drains_(shared_, ground.random),
      reports_(registry_, snapshot_->pools, drains_, workers, ground.wall_clock, loop_.now()),
      session_list_(loop_, shared_.workers) {
  for (const auto& pool : snapshot_->pools) {
    for (Backend* backend : pool->view().backends) {
      for (unsigned w = 0; w < workers; ++w) {
        backend->cells.push_back(&registry_.backend(pool->name, backend->name, w));
      }
    }
  }
  shared_.wall_clock = &ground.wall_clock;
  shared_.memory_budget = settings.proxy.memory_budget;
  shared_.crash_spread = settings.proxy.crash_spread;
  shared_.observed = [this](const Backend& backend, bool good) {
    loop_.post([this, &backend, good] { checks_.observed(backend, good, loop_.now()); });
  };
  checks_.on_down = [this](const Backend& backend) { shared_.backend_down(backend); };
}

ControlCore::~ControlCore() = default;

Worker& ControlCore::add_worker(net::Io io, const Clock* clock, Random* random) {
  const auto index = static_cast<std::uint16_t>(workers_.size());
  workers_.push_back(std::make_unique<Worker>(shared_, index, snapshot_, protocols_, clock, std::move(io), random));
  shared_.workers.push_back(workers_.back().get());
  return *workers_.back();
}

void ControlCore::drop_workers() {
  workers_.clear();
  shared_.workers.clear();
}

void ControlCore::stop() {
  if (leaving_) return;
  leaving_ = true;
  leaving_since_ = loop_.now();
  loop_.tick_by(leaving_since_);
  log::info("leaving: not ready from now on, sessions go on for drain_delay");
}

// The heap keeps what thousands of sessions have left behind; once they and their keys are gone the system gets it
// back.
void ControlCore::give_back_memory(Time now) {
  if (busy_) return;  // it holds up whoever allocates meanwhile: not while something wants even turns
  if (trims_next_) {
    trims_next_ = false;
    trim_heap_();
  }
  std::uint64_t held = shared_.connections.load(std::memory_order_relaxed);
  for (const auto& pool : snapshot_->pools) {
    for (Backend* backend : pool->view().backends) held += backend->keys.load(std::memory_order_relaxed);
  }
  if (!shrinkage_.is_due(held, now)) return;
  for (auto* worker : shared_.workers) worker->post([worker] { worker->give_back_memory(); });
  trims_next_ = true;  // when the workers have done theirs
}

Time ControlCore::tick() {
  const Time now = loop_.now();
  if (now >= next_sweep_) {
    next_sweep_ = now + kSweepPeriod;
    shared_.affinity.sweep(now);
    give_back_memory(now);
  }
  const Time check_due = checks_.tick(now);
  drains_.step(now);
  if (leaving_) leave(now);
  busy_ = leaving_ || !drains_.empty();
  return std::min({next_sweep_, check_due, busy_ ? now + kBusyTick : Time::max()});
}

// After drain_delay: listeners close, then every backend's sessions leave by farewell at one pace.
void ControlCore::leave(Time now) {
  const auto& proxy = snapshot_->settings.proxy;
  if (now < leaving_since_ + proxy.drain_delay) return;
  if (!listeners_closed_) {
    listeners_closed_ = true;
    before_listeners_close_();
    shared_.draining.store(true, std::memory_order_relaxed);
    for (auto& worker : workers_) worker->post([&worker] { worker->stop_listening(); });
    DrainOrder order;
    order.over = proxy.drain_over;
    order.deadline = proxy.drain_deadline;
    for (const auto& pool : snapshot_->pools) {
      for (Backend* backend : pool->view().backends) {
        drains_.forget(*backend);  // its own may be soft, paused or slower
        drains_.start(*pool, *backend, order, true, now);
      }
    }
    return;
  }
  std::uint64_t open = 0;
  for (const auto& pool : snapshot_->pools) {
    for (Backend* backend : pool->view().backends) open += backend->sessions.load(std::memory_order_relaxed);
  }
  // Requests that were on their way when the listeners closed still get their answer.
  const Duration since_closed = now - leaving_since_ - proxy.drain_delay;
  const bool answered = since_closed >= kLastRequests && shared_.buffered.load(std::memory_order_relaxed) <= 0;
  const bool quiet = open == 0 && (shared_.connections.load(std::memory_order_relaxed) == 0 || answered);
  if (quiet || since_closed >= proxy.drain_deadline + std::chrono::seconds(1)) has_left_ = true;
}

std::optional<Refusal> ControlCore::look_up(const std::string& pool, const std::string& backend, Pool*& p,
                                            Backend*& b) {
  p = snapshot_->find_pool(pool);
  if (p == nullptr) return Refusal{404, "no pool '" + pool + "'"};
  b = p->find(backend);
  if (b == nullptr) return Refusal{404, "pool '" + pool + "' has no backend '" + backend + "'"};
  return std::nullopt;
}

std::optional<Refusal> ControlCore::drain(const std::string& pool, const std::string& backend, const DrainOrder& order,
                                          DrainPlan& plan) {
  Pool* p = nullptr;
  Backend* b = nullptr;
  if (auto refusal = look_up(pool, backend, p, b)) return refusal;
  if (leaving_) return Refusal{409, "the process itself is leaving"};
  plan = drains_.plan(*p, *b, order);
  if (b->state.load() != BackendState::Ready) {
    return Refusal{409, "'" + backend + "' is " + state_text(b->state.load()) + " already"};
  }
  const bool other_available = std::ranges::any_of(
      p->view().backends, [&](const Backend* other) { return other != b && other->is_available(); });
  if (!other_available && !order.force) {
    return Refusal{409, "'" + backend + "' is the last available backend of its pool; --force drains it all the same"};
  }
  if (order.dry_run) return std::nullopt;
  drains_.start(*p, *b, order, false, loop_.now());
  loop_.tick_by(loop_.now());
  return std::nullopt;
}

std::optional<Refusal> ControlCore::drain_action(const std::string& pool, const std::string& backend,
                                                 DrainAction action) {
  Pool* p = nullptr;
  Backend* b = nullptr;
  if (auto refusal = look_up(pool, backend, p, b)) return refusal;
  if (leaving_) return Refusal{409, "the process itself is leaving"};
  return drains_.act(*b, action, loop_.now());
}

std::optional<Refusal> ControlCore::ready(const std::string& pool, const std::string& backend) {
  Pool* p = nullptr;
  Backend* b = nullptr;
  if (auto refusal = look_up(pool, backend, p, b)) return refusal;
  if (leaving_) return Refusal{409, "the process itself is leaving"};
  drains_.forget(*b);
  b->state.store(BackendState::Ready);
  log::info("ready", {{"pool", pool}, {"backend", backend}});
  return std::nullopt;
}

void ControlCore::where(const std::string& pool, const std::string& key,
                        std::function<void(std::optional<Where>)> done) {
  const Pool* p = snapshot_->find_pool(pool);
  if (pool.empty()) {
    for (const auto& candidate : snapshot_->pools) {
      if (p == nullptr || shared_.affinity.find(*candidate, key, loop_.now()).backend != nullptr) p = candidate.get();
    }
  }
  if (p == nullptr) return done(std::nullopt);
  auto answer = std::make_shared<Where>();
  answer->key = key;
  const session::PoolView& view = p->view();
  const std::uint64_t hash = balancer::hash_key(key, view.settings->hash_seed);
  std::vector<balancer::Index> ranking;
  view.ranker->rank(hash, ranking);
  for (const auto index : ranking) answer->ranking.push_back(view.backends[index]->name);
  const auto placement = shared_.affinity.find(*p, key, loop_.now());
  if (placement.backend != nullptr && placement.backend->serves()) {
    answer->backend = placement.backend->name;
    answer->reason = "live";
  } else {
    std::vector<balancer::Candidate> candidates;
    view.candidates({}, candidates);
    const auto choice = balancer::choose_by_hash(*view.ranker, hash, candidates, view.settings->load_factor, ranking);
    if (choice) answer->backend = view.backends[choice->backend]->name;
    answer->reason = !choice ? "no_backend" : choice->how == balancer::How::Fallback ? "fallback" : "hash";
  }
  SessionFilter filter;
  filter.pool = p->name;
  filter.key = key;
  session_list_.find(filter, [answer, done = std::move(done)](std::vector<SessionInfo> open) {
    answer->sessions = std::move(open);
    done(*answer);
  });
}

}  // namespace limpet::server
