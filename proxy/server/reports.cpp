// SPDX-License-Identifier: Apache-2.0
// See reports.h. Numbers are read from atomics and cells that workers go on writing meanwhile: each is right, two of
// them may be an event apart.
#include "proxy/server/reports.h"

#include <unistd.h>

#include <algorithm>

#include "proxy/base/version.h"

namespace limpet::server {

using session::Backend;
using session::BackendHealth;
using session::BackendState;
using session::Pool;

const char* state_text(BackendState state) {
  switch (state) {
  case BackendState::Ready:
    return "ready";
  case BackendState::Draining:
    return "draining";
  case BackendState::Drained:
    return "drained";
  }
  return "";
}

const std::vector<double>& Reports::shares_of(const Pool& pool) {
  const session::PoolView& view = pool.view();
  Shares& shares = shares_[&pool];
  if (shares.of.empty() || shares.view != view.number) shares = {view.number, view.ranker->shares()};
  return shares.of;
}

BackendStatus Reports::backend_status(const Backend& backend, unsigned weight, double share, Time now) {
  BackendStatus status;
  status.name = backend.name;
  status.address = backend.address.text();
  status.state = state_text(backend.state.load());
  const auto health = backend.health.load();
  status.health = health == BackendHealth::Up ? "up" : health == BackendHealth::Down ? "down" : "ejected";
  status.weight = weight;
  status.share = share;
  status.keys = backend.keys.load();
  for (std::size_t p = 0; p < metrics::kProtocols; ++p) {
    std::int64_t open = 0;
    for (const auto* cells : backend.cells) open += cells->protocols[p].sessions.value();
    if (open > 0)
      status.sessions[std::string(metrics::name(static_cast<metrics::Protocol>(p)))] = static_cast<std::uint64_t>(open);
  }
  status.drain = drains_.status(backend, now);
  return status;
}

PoolStatus Reports::pool_status(const Pool& pool, Time now) {
  PoolStatus status;
  const session::PoolView& view = pool.view();
  const auto& settings = *view.settings;
  status.name = settings.name;
  status.algorithm = settings.algorithm == balancer::Algorithm::Ring     ? "ring"
                     : settings.algorithm == balancer::Algorithm::Maglev ? "maglev"
                                                                         : "rendezvous";
  std::vector<balancer::Spec> specs;
  for (const auto& backend : settings.backends) specs.push_back({backend.name, backend.weight});
  status.digest = balancer::digest(settings.algorithm, specs, settings.hash_seed);
  status.misplaced_keys = static_cast<std::uint64_t>(std::max<std::int64_t>(0, pool.misplaced_keys.load()));
  const auto& shares = shares_of(pool);
  for (std::size_t i = 0; i < view.backends.size(); ++i) {
    status.backends.push_back(backend_status(*view.backends[i], settings.backends[i].weight, shares[i], now));
  }
  return status;
}

Status Reports::status(bool leaving, Time now) {
  Status status;
  status.version = kVersion;
  status.uptime_s = in_seconds(now - started_);
  status.pid = getpid();
  status.workers = workers_;
  status.state = leaving ? "draining" : "running";
  for (const auto& pool : pools_) {
    status.pools.push_back(pool_status(*pool, now));
    for (const auto& backend : status.pools.back().backends) {
      for (const auto& [protocol, open] : backend.sessions) status.sessions[protocol] += open;
    }
  }
  return status;
}

std::string Reports::metrics(Time now) {
  metrics::Facts facts;
  for (const auto& pool : pools_) {
    metrics::PoolFacts p;
    p.pool = pool->name;
    p.misplaced_keys = static_cast<std::uint64_t>(std::max<std::int64_t>(0, pool->misplaced_keys.load()));
    const auto& shares = shares_of(*pool);
    const session::PoolView& view = pool->view();
    for (std::size_t i = 0; i < view.backends.size(); ++i) {
      const Backend* backend = view.backends[i];
      p.affinity_keys += backend->keys.load();
      metrics::BackendFacts b;
      b.pool = p.pool;
      b.backend = backend->name;
      b.up = backend->health.load() == BackendHealth::Up;
      b.state = state_text(backend->state.load());
      b.weight = view.settings->backends[i].weight;
      b.hash_share = shares[i];
      b.drain_sessions_cut = drains_.cut_total(*backend);
      if (const auto drain = drains_.status(*backend, now)) b.drain_sessions_remaining = drain->remaining;
      facts.backends.push_back(b);
    }
    facts.pools.push_back(p);
  }
  facts.last_reload_success =
      std::chrono::duration<double>(wall_clock_.now().time_since_epoch()).count() - in_seconds(now - started_);
  return registry_.text(facts);
}

}  // namespace limpet::server
