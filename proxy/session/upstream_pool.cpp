// SPDX-License-Identifier: Apache-2.0
// How long a surplus is waited for: see the opening of the header. All of it is per backend, in its Line.
#include "proxy/session/upstream_pool.h"

#include <algorithm>

#include "proxy/base/planted_fault.h"
#include "proxy/session/worker.h"

namespace limpet::session {

namespace {

constexpr Duration kPause = std::chrono::milliseconds(50);  // in which a surplus comes, if it does
constexpr unsigned kProven = 16;                            // such pauses, after which none is waited for
constexpr Duration kSuspicion = std::chrono::seconds(10);

}  // namespace

UpstreamPool::UpstreamPool(Worker& worker) : worker_(worker) {}

// In an order that does not depend on where backends lie in memory: whoever is at the other end sees it.
UpstreamPool::~UpstreamPool() {
  std::vector<Line*> lines;
  for (auto& [backend, line] : lines_) lines.push_back(&line);
  std::ranges::sort(lines, {}, &Line::number);
  for (Line* line : lines) line->kept.clear();
}

UpstreamPool::Line& UpstreamPool::line_to(const Backend& backend) {
  const auto [found, is_new] = lines_.try_emplace(&backend);
  if (is_new) found->second.number = line_numbers_++;
  return found->second;
}

void UpstreamPool::ended(IdleUpstream& idle, bool spoke) {
  Line& line = line_to(idle.backend);
  const auto found = std::ranges::find(line.kept, &idle, [](const Kept& kept) { return kept.idle.get(); });
  // What comes much later is no surplus of an answer, but a goodbye (as a rule a 408, request timeout).
  if (spoke && worker_.now() < found->since + kPause) said_too_much(idle.backend);
  worker_.retire(idle.take());
  worker_.retire(std::unique_ptr<Owned>(remove(line, static_cast<std::size_t>(found - line.kept.begin()))));
}

void UpstreamPool::said_too_much(const Backend& backend) {
  if (backend.removed.load(std::memory_order_relaxed)) return;  // nothing is kept of it
  Line& line = line_to(backend);
  line.silences = 0;
  line.suspect_until = worker_.now() + kSuspicion;
}

bool UpstreamPool::may_serve(const Line& line, const Kept& kept, ClientNumber client) const {
  const Time now = worker_.now();
  if (planted(Planted::SurplusRead)) return true;
  if (now >= kept.since + kPause) return true;
  if (now < line.suspect_until) return false;
  return (client != 0 && kept.client == client) || (line.silences >= kProven && kept.round != worker_.loop().round());
}

void UpstreamPool::note_place(Line& line, std::size_t at) {
  line.place[line.kept[at].client % line.place.size()] = static_cast<std::uint16_t>(at);
}

// The number of connections where none has served that client last.
std::size_t UpstreamPool::place_of(const Line& line, ClientNumber client) {
  const std::size_t noted = line.place[client % line.place.size()];
  if (noted < line.kept.size() && line.kept[noted].client == client) return noted;
  const auto found = std::ranges::find(line.kept, client, &Kept::client);  // another's number ends likewise, or none
  return static_cast<std::size_t>(found - line.kept.begin());
}

std::unique_ptr<IdleUpstream> UpstreamPool::remove(Line& line, std::size_t at) {
  auto idle = std::move(line.kept[at].idle);
  if (at + 1 < line.kept.size()) {
    line.kept[at] = std::move(line.kept.back());
    note_place(line, at);
  }
  line.kept.pop_back();
  return idle;
}

std::unique_ptr<net::Stream> UpstreamPool::take(Line& line, std::size_t at) {
  if (line.silences < kProven && worker_.now() >= line.kept[at].since + kPause) ++line.silences;
  return remove(line, at)->take();
}

// There is something to read on it.
void UpstreamPool::reject(const Backend& backend, std::unique_ptr<net::Stream> stream) {
  char byte;
  if (stream->read(&byte, 1).status == net::IoStatus::Ok) said_too_much(backend);
  worker_.retire(std::move(stream));
}

std::unique_ptr<net::Stream> UpstreamPool::take(const Backend& backend, ClientNumber client, bool check) {
  const auto found = lines_.find(&backend);
  if (found == lines_.end()) return nullptr;
  Line& line = found->second;
  if (client != 0) {
    const std::size_t own = place_of(line, client);
    if (own < line.kept.size() && may_serve(line, line.kept[own], client)) {
      auto stream = take(line, own);
      if (!check || stream->silent() || planted(Planted::SurplusRead)) return stream;
      reject(backend, std::move(stream));
    }
  }
  for (std::size_t i = line.kept.size(); i-- > 0;) {
    if (!may_serve(line, line.kept[i], client)) continue;
    auto stream = take(line, i);
    if (stream->silent() || planted(Planted::SurplusRead)) return stream;
    reject(backend, std::move(stream));
  }
  return nullptr;
}

void UpstreamPool::put(const Backend& backend, ClientNumber client, std::unique_ptr<net::Stream> stream) {
  // Where descriptors run short they are for sessions.
  const auto& shared = worker_.shared();
  const bool crowded = shared.connections.load(std::memory_order_relaxed) > shared.max_connections / 4 * 3;
  if (crowded || !backend.is_available()) return worker_.retire(std::move(stream));
  Line& line = line_to(backend);
  if (line.kept.size() >= backend.pool.settings().keepalive_connections) return worker_.retire(std::move(stream));
  auto idle = std::make_unique<IdleUpstream>(worker_, *this, backend, nullptr, std::move(stream));
  line.kept.push_back({std::move(idle), worker_.now(), worker_.loop().round(), client});
  note_place(line, line.kept.size() - 1);
}

void UpstreamPool::drop(const Backend& backend) {
  const auto found = lines_.find(&backend);
  if (found == lines_.end()) return;
  for (auto& kept : found->second.kept) worker_.retire(kept.idle->take());
  found->second.kept.clear();
}

void UpstreamPool::forget(const Backend& backend) {
  drop(backend);
  lines_.erase(&backend);
}

}  // namespace limpet::session
