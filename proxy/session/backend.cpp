// SPDX-License-Identifier: Apache-2.0
#include "proxy/session/backend.h"

#include <algorithm>

namespace limpet::session {

namespace {

constexpr Duration kBetweenEnds = std::chrono::milliseconds(50);  // of a crash: any backend can serve twenty a second
constexpr Duration kCrashOver = std::chrono::seconds(1);

std::vector<std::unique_ptr<Backend>> make_backends(const Pool& pool, const PoolSettings& settings) {
  std::vector<std::unique_ptr<Backend>> result;
  for (const auto& backend : settings.backends) {
    result.push_back(std::make_unique<Backend>(pool, static_cast<balancer::Index>(result.size()), backend));
  }
  return result;
}

std::unique_ptr<const balancer::Ranker> make_pool_ranker(const PoolSettings& settings) {
  std::vector<balancer::Spec> specs;
  for (const auto& backend : settings.backends) specs.push_back({backend.name, backend.weight});
  return balancer::make_ranker(settings.algorithm, specs, settings.hash_seed);
}

}  // namespace

Duration Backend::crash_delay(Time now, Duration spread, double random_fraction) {
  const std::lock_guard lock(crash_mutex_);
  const bool begins = now - last_lost_ > kCrashOver;
  last_lost_ = now;
  const Time end = begins ? now : std::max(now, next_end_);
  if (end - now > spread)
    return Duration(static_cast<Duration::rep>(static_cast<double>(spread.count()) * random_fraction));
  next_end_ = end + kBetweenEnds;
  return end - now;
}

Pool::Pool(std::shared_ptr<const PoolSettings> from)
    : settings(std::move(from)), backends(make_backends(*this, *settings)), ranker(make_pool_ranker(*settings)) {}

Backend* Pool::find(std::string_view name) const {
  for (const auto& backend : backends) {
    if (backend->name == name) return backend.get();
  }
  return nullptr;
}

void Pool::candidates(const std::vector<bool>& tried, std::vector<balancer::Candidate>& out) const {
  out.clear();
  for (const auto& backend : backends) {
    const bool was_tried = backend->index < tried.size() && tried[backend->index];
    out.push_back({backend->is_available() && !was_tried, backend->sessions.load(std::memory_order_relaxed),
                   backend->weight, backend->ramp.load(std::memory_order_relaxed)});
  }
}

bool Pool::has_available_besides(const Backend& one, const std::vector<bool>& tried) const {
  return std::ranges::any_of(backends, [&](const auto& other) {
    const bool was_tried = other->index < tried.size() && tried[other->index];
    return other.get() != &one && other->is_available() && !was_tried;
  });
}

}  // namespace limpet::session
