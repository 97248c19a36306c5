// SPDX-License-Identifier: Apache-2.0
#include "proxy/session/upstream_pool.h"

#include <algorithm>

#include "proxy/session/worker.h"

namespace limpet::session {

namespace {

constexpr Duration kPause = std::chrono::milliseconds(50);  // in which a surplus comes, if it does
constexpr unsigned kProven = 16;                            // such pauses, after which none is waited for
constexpr Duration kSuspicion = std::chrono::seconds(10);

}  // namespace

UpstreamPool::UpstreamPool(Worker& worker) : worker_(worker) {}
UpstreamPool::~UpstreamPool() = default;

void UpstreamPool::ended(IdleUpstream& idle, bool spoke) {
  Line& line = lines_[&idle.backend];
  const auto found = std::ranges::find(line.kept, &idle, [](const Kept& kept) { return kept.idle.get(); });
  // What comes much later is a farewell (a 408, as a rule).
  if (spoke && worker_.now() < found->since + kPause) said_too_much(idle.backend);
  worker_.retire(idle.take());
  worker_.retire(std::unique_ptr<Owned>(std::move(found->idle)));
  line.kept.erase(found);
}

void UpstreamPool::said_too_much(const Backend& backend) {
  Line& line = lines_[&backend];
  line.silences = 0;
  line.suspect_until = worker_.now() + kSuspicion;
}

bool UpstreamPool::may_serve(const Line& line, const Kept& kept, ClientNumber client) const {
  const Time now = worker_.now();
  if (now >= kept.since + kPause) return true;
  if (now < line.suspect_until) return false;
  return (client != 0 && kept.client == client) || (line.silences >= kProven && kept.round != worker_.loop().round());
}

std::unique_ptr<net::Stream> UpstreamPool::take(Line& line, std::size_t at) {
  Kept& kept = line.kept[at];
  if (line.silences < kProven && worker_.now() >= kept.since + kPause) ++line.silences;
  auto stream = kept.idle->take();
  if (at + 1 < line.kept.size()) kept = std::move(line.kept.back());
  line.kept.pop_back();
  return stream;
}

std::unique_ptr<net::Stream> UpstreamPool::take(const Backend& backend, ClientNumber client, bool check) {
  const auto found = lines_.find(&backend);
  if (found == lines_.end()) return nullptr;
  Line& line = found->second;
  for (const bool own : {true, false}) {
    if (own && client == 0) continue;
    for (std::size_t i = line.kept.size(); i-- > 0;) {
      const Kept& kept = line.kept[i];
      if ((own && kept.client != client) || !may_serve(line, kept, client)) continue;
      auto stream = take(line, i);
      if ((own && !check) || stream->silent()) return stream;
      char byte;
      if (stream->read(&byte, 1).status == net::IoStatus::Ok) said_too_much(backend);
      worker_.retire(std::move(stream));
    }
  }
  return nullptr;
}

void UpstreamPool::put(const Backend& backend, ClientNumber client, std::unique_ptr<net::Stream> stream) {
  const auto& settings = *backend.pool.settings;
  auto& kept = lines_[&backend].kept;
  // Where descriptors run short they are for sessions.
  const auto& shared = worker_.shared();
  const bool crowded = shared.connections.load(std::memory_order_relaxed) > shared.max_connections / 4 * 3;
  if (crowded || kept.size() >= settings.keepalive_connections || !backend.is_available()) {
    worker_.retire(std::move(stream));
    return;
  }
  auto idle = std::make_unique<IdleUpstream>(worker_, *this, backend, nullptr, std::move(stream));
  kept.push_back({std::move(idle), worker_.now(), worker_.loop().round(), client});
}

void UpstreamPool::drop(const Backend& backend) {
  const auto found = lines_.find(&backend);
  if (found == lines_.end()) return;
  for (auto& kept : found->second.kept) worker_.retire(kept.idle->take());
  found->second.kept.clear();
}

}  // namespace limpet::session
