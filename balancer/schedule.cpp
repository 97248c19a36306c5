// SPDX-License-Identifier: Apache-2.0
// See schedule.h. Two things make the ends of the shuffled keys even where keys are large:
//   - Keys that leave at once with more than one second's worth of the sessions come first. After such a turn there is
//     a pause, as long as its sessions would have taken one by one, but before it there is none: behind small keys its
//     sessions would end on top of theirs.
//   - A heavy key's sessions leave in up to 10,000 parts, each at `over` × the share of sessions before it.
#include "balancer/schedule.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "balancer/hash.h"

namespace limpet::balancer {
namespace {

constexpr std::uint64_t kHeavyDivisor = 20;  // 5%
constexpr std::uint64_t kMostParts = 10'000;

using Span = Schedule::Span;

Span scaled(Span span, double factor) {
  return Span(static_cast<Span::rep>(static_cast<double>(span.count()) * factor));
}

// Fisher and Yates. The modulus favours no key by more than 2^-40.
void shuffle(std::vector<KeyLoad>& keys, std::uint64_t seed) {
  for (std::size_t i = keys.size(); i > 1; --i) {
    seed += kGoldenStep;
    std::swap(keys[i - 1], keys[mix64(seed) % i]);
  }
}

}  // namespace

Schedule::Schedule(std::vector<KeyLoad> keys, Span over, bool whole_keys, std::uint64_t seed, Time start)
    : start_(start) {
  shuffle(keys, seed);
  plan(std::move(keys), over, whole_keys);
}

void Schedule::plan(std::vector<KeyLoad> keys, Span over, bool whole_keys) {
  std::uint64_t total = 0;
  for (const KeyLoad& key : keys) total += key.sessions;
  const auto is_heavy = [&](const KeyLoad& key) { return key.sessions > 1 && key.sessions * kHeavyDivisor > total; };
  const auto is_spread = [&](const KeyLoad& key) { return !whole_keys && is_heavy(key); };
  const double second = static_cast<double>(total) / std::max(1.0, std::chrono::duration<double>(over).count());
  std::stable_partition(keys.begin(), keys.end(),
                        [&](const KeyLoad& key) { return key.sessions > second && !is_spread(key); });

  std::uint64_t before = 0;
  const auto add = [&](std::string key, std::uint32_t sessions, bool whole) {
    const double share = total == 0 ? 0 : static_cast<double>(before) / static_cast<double>(total);
    turns_.push_back({{std::move(key), sessions, whole}, scaled(over, share)});
    before += sessions;
  };
  const auto part = static_cast<std::uint32_t>((total + kMostParts - 1) / kMostParts);
  for (KeyLoad& key : keys) {
    if (is_heavy(key)) heavy_.push_back(key);
    std::uint32_t left = key.sessions;
    if (is_spread(key)) {
      for (; left > part; left -= part) add(key.key, part, false);
    }
    add(std::move(key.key), left, true);
  }
  std::sort(heavy_.begin(), heavy_.end(), [](const KeyLoad& a, const KeyLoad& b) {
    return std::tie(b.sessions, a.key) < std::tie(a.sessions, b.key);
  });
}

void Schedule::due(Time now, std::vector<Turn>& out) {
  if (paused_) return;
  for (; !done() && turns_[at_].at <= elapsed(now); ++at_) out.push_back(std::move(turns_[at_].turn));
}

Schedule::Time Schedule::next() const {
  return paused_ || done() ? Time::max() : start_ + turns_[at_].at;
}

void Schedule::pause(Time now) {
  if (paused_) return;
  paused_ = true;
  paused_since_ = now;
}

void Schedule::resume(Time now) {
  if (!paused_) return;
  paused_ = false;
  start_ += now - paused_since_;
}

void Schedule::hurry(Time now, Span over) {
  resume(now);
  const Span before = remaining(now);
  if (before <= over) return;
  const Span until_now = elapsed(now);
  const double pace = static_cast<double>(over.count()) / static_cast<double>(before.count());
  for (std::size_t i = at_; i < turns_.size(); ++i) {
    if (turns_[i].at > until_now) turns_[i].at = until_now + scaled(turns_[i].at - until_now, pace);
  }
}

Schedule::Span Schedule::elapsed(Time now) const {
  return (paused_ ? paused_since_ : now) - start_;
}

Schedule::Span Schedule::remaining(Time now) const {
  if (done()) return Span(0);
  return std::max(Span(0), turns_.back().at - elapsed(now));
}

}  // namespace limpet::balancer
