// SPDX-License-Identifier: Apache-2.0
#include "proxy/session/upstream_pool.h"

#include <algorithm>

#include "proxy/session/worker.h"

namespace limpet::session {

UpstreamPool::UpstreamPool(Worker& worker) : worker_(worker) {}
UpstreamPool::~UpstreamPool() = default;

void UpstreamPool::ended(IdleUpstream& idle, bool) {
  auto& idles = idle_[&idle.backend];
  const auto found = std::ranges::find(idles, &idle, &std::unique_ptr<IdleUpstream>::get);
  worker_.retire(idle.take());
  worker_.retire(std::unique_ptr<Owned>(std::move(*found)));
  idles.erase(found);
}

std::unique_ptr<net::Stream> UpstreamPool::take(const Backend& backend, bool check) {
  const auto found = idle_.find(&backend);
  if (found == idle_.end()) return nullptr;
  while (!found->second.empty()) {
    auto stream = found->second.back()->take();
    found->second.pop_back();
    if (check && !stream->silent()) {
      worker_.retire(std::move(stream));
      continue;
    }
    return stream;
  }
  return nullptr;
}

void UpstreamPool::put(const Backend& backend, std::unique_ptr<net::Stream> stream) {
  const auto& settings = *backend.pool.settings;
  auto& idles = idle_[&backend];
  // Where descriptors run short they are for sessions.
  const auto& shared = worker_.shared();
  const bool crowded = shared.connections.load(std::memory_order_relaxed) > shared.max_connections / 4 * 3;
  if (crowded || idles.size() >= settings.keepalive_connections || !backend.is_available()) {
    worker_.retire(std::move(stream));
    return;
  }
  idles.push_back(std::make_unique<IdleUpstream>(worker_, *this, backend, nullptr, std::move(stream)));
}

void UpstreamPool::drop(const Backend& backend) {
  const auto found = idle_.find(&backend);
  if (found == idle_.end()) return;
  for (auto& idle : found->second) worker_.retire(idle->take());
  found->second.clear();
}

}  // namespace limpet::session
