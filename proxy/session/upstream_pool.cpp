// SPDX-License-Identifier: Apache-2.0
#include "proxy/session/upstream_pool.h"

#include <algorithm>

#include "proxy/base/recycled.h"
#include "proxy/session/worker.h"

namespace limpet::session {

struct UpstreamPool::Idle final : Owned, Recycled<Idle>, net::StreamHandler, Timer {
  Idle(UpstreamPool& pool, const Backend& backend, std::unique_ptr<net::Stream> stream)
      : pool(pool), backend(backend), stream(std::move(stream)) {}

  // An idle connection has nothing to say: whatever there is to read, its end or a byte, ends it.
  void on_ready(net::Stream&, bool, bool) override {
    char byte;
    if (stream->read(&byte, 1).status != net::IoStatus::WouldBlock) pool.evict(*this);
  }
  void on_timer() override { pool.evict(*this); }

  UpstreamPool& pool;
  const Backend& backend;
  std::unique_ptr<net::Stream> stream;
};

UpstreamPool::UpstreamPool(Worker& worker) : worker_(worker) {}
UpstreamPool::~UpstreamPool() = default;

void UpstreamPool::evict(Idle& idle) {
  idle.disarm();
  idle.stream->watch(false, false);
  auto& idles = idle_[&idle.backend];
  const auto found =
      std::find_if(idles.begin(), idles.end(), [&](const auto& candidate) { return candidate.get() == &idle; });
  std::unique_ptr<Owned> gone = std::move(*found);
  idles.erase(found);
  worker_.retire(std::move(gone));
}

std::unique_ptr<net::Stream> UpstreamPool::take(const Backend& backend, bool check) {
  const auto found = idle_.find(&backend);
  if (found == idle_.end()) return nullptr;
  while (!found->second.empty()) {
    auto stream = std::move(found->second.back()->stream);
    found->second.pop_back();
    stream->set_handler(nullptr);
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
  auto idle = std::make_unique<Idle>(*this, backend, std::move(stream));
  idle->stream->set_handler(idle.get());
  idle->stream->watch(true, false);
  worker_.wheel().arm(*idle, worker_.now() + settings.keepalive_timeout);
  idles.push_back(std::move(idle));
}

void UpstreamPool::drop(const Backend& backend) {
  const auto found = idle_.find(&backend);
  if (found == idle_.end()) return;
  for (auto& idle : found->second) worker_.retire(std::move(idle->stream));
  found->second.clear();
}

}  // namespace limpet::session
