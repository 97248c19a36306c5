// SPDX-License-Identifier: Apache-2.0
// See choice.h. What it leaves open is settled here:
//   - "All sessions" of the bound are those of all candidates, available or not: the others will have to find room for
//     what a draining backend still holds. One available backend is always within a bound with load_factor >= 1.
//   - The first of the ranking decides what a choice is called: Fallback where it was not available, PassedOver where
//     it was.
//   - Where slow start alone would leave no backend, slow start is overruled, not the bound.
#include "balancer/choice.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "balancer/hash.h"

namespace limpet::balancer {
namespace {

// A number in [0, 1), fixed for a pair of key and backend, independent of the key's placement.
float ramp_hash(std::uint64_t key_hash, Index backend) {
  return static_cast<float>(mix64(mix64(~key_hash) + backend * kGoldenStep) >> 40) * 0x1p-24F;
}

// The bound of load_factor at one moment.
class Bound {
 public:
  Bound(std::span<const Candidate> candidates, double load_factor) {
    if (load_factor == 0) return;
    std::uint64_t sessions = 1;
    std::uint64_t weight = 0;
    for (const Candidate& candidate : candidates) {
      sessions += candidate.sessions;
      if (candidate.available) weight += candidate.weight;
    }
    bounded_ = true;
    numerator_ = load_factor * static_cast<double>(sessions);
    available_weight_ = static_cast<double>(weight);
  }

  bool allows(const Candidate& candidate) const {
    if (!bounded_) return true;
    // A product such as 1.1 × 110 is a hair above the whole number that it means; ceil must not take that for one more.
    constexpr double kHair = 1e-12;
    const double room = numerator_ * candidate.weight / available_weight_;
    return static_cast<double>(candidate.sessions) + 1 <= std::ceil(room * (1 - kHair));
  }

 private:
  bool bounded_ = false;
  double numerator_ = 0;
  double available_weight_ = 1;
};

// One backend's next turn within a period of round robin. The period is as long as the sum of the weights; turn j (from
// 0) of a backend with weight w lies at (2j + 1) / 2w of it, in the middle of the jth of w equal parts.
struct NextTurn {
  std::uint64_t number;
  std::uint64_t weight;
  Index backend;

  bool operator>(const NextTurn& other) const {
    const std::uint64_t mine = (2 * number + 1) * other.weight;
    const std::uint64_t theirs = (2 * other.number + 1) * weight;
    return mine != theirs ? mine > theirs : backend > other.backend;
  }
};

// The backend whose turn is number `turn` in the merged order of all turns.
Index take_turn(std::vector<NextTurn>& members, std::uint64_t turn) {
  std::uint64_t period = 0;
  for (const NextTurn& member : members) period += member.weight;
  turn %= period;
  // Skip the turns before a moment, in units of 1/period, before which no more than `turn` turns lie. A member may have
  // had up to half a turn more than its average by then, hence the margin of a turn per member.
  const std::uint64_t moment = turn - std::min<std::uint64_t>(turn, members.size());
  for (NextTurn& member : members) {
    member.number = (2 * member.weight * moment + period) / (2 * period);
    turn -= member.number;
  }
  std::make_heap(members.begin(), members.end(), std::greater<>());
  for (; turn > 0; --turn) {
    std::pop_heap(members.begin(), members.end(), std::greater<>());
    ++members.back().number;
    std::push_heap(members.begin(), members.end(), std::greater<>());
  }
  return members.front().backend;
}

std::optional<Index> round_robin(std::span<const Candidate> candidates, std::uint64_t turn) {
  std::vector<NextTurn> available;
  std::vector<NextTurn> warm;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i].available) continue;
    available.push_back({0, candidates[i].weight, static_cast<Index>(i)});
    if (candidates[i].ramp >= 1) warm.push_back(available.back());
  }
  if (available.empty()) return std::nullopt;
  const Index taken = take_turn(available, turn);
  // A backend in slow start takes only the fraction `ramp` of its turns; the others go to backends that are not in slow
  // start. Which turns it takes is random, or a pattern could form with those of the clients.
  if (warm.empty() || ramp_hash(turn, taken) < candidates[taken].ramp) return taken;
  return take_turn(warm, mix64(turn));
}

std::optional<Index> least_sessions(std::span<const Candidate> candidates, std::uint64_t turn) {
  constexpr float kLeastRamp = 0.001F;
  thread_local std::vector<Index> tied;
  tied.clear();
  double least = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    if (!candidate.available) continue;
    const double room = candidate.weight * static_cast<double>(std::max(candidate.ramp, kLeastRamp));
    const double cost = (static_cast<double>(candidate.sessions) + 1) / room;
    if (!tied.empty() && cost > least) continue;
    if (tied.empty() || cost < least) {
      tied.clear();
      least = cost;
    }
    tied.push_back(static_cast<Index>(i));
  }
  if (tied.empty()) return std::nullopt;
  return tied[turn % tied.size()];
}

}  // namespace

std::optional<Choice> choose_by_hash(const Ranker& ranker, std::uint64_t key_hash,
                                     std::span<const Candidate> candidates, double load_factor,
                                     std::vector<Index>& scratch) {
  if (candidates.empty()) return std::nullopt;
  const Bound bound(candidates, load_factor);
  const auto is_warm_for_key = [&](Index i) {
    return candidates[i].ramp >= 1 || ramp_hash(key_hash, i) < candidates[i].ramp;
  };

  const Index best = ranker.first(key_hash);
  if (candidates[best].available && is_warm_for_key(best) && bound.allows(candidates[best])) {
    return Choice{best, How::First};
  }

  ranker.rank(key_hash, scratch);
  std::optional<Index> not_warm;
  std::optional<Index> taken;
  for (const Index i : scratch) {
    if (!candidates[i].available || !bound.allows(candidates[i])) continue;
    if (is_warm_for_key(i)) {
      taken = i;
      break;
    }
    if (!not_warm) not_warm = i;
  }
  if (!taken) taken = not_warm;
  if (!taken) return std::nullopt;
  if (*taken == best) return Choice{best, How::First};
  return Choice{*taken, candidates[best].available ? How::PassedOver : How::Fallback};
}

std::optional<Index> choose_by_balance(Balance balance, std::span<const Candidate> candidates, std::uint64_t turn) {
  switch (balance) {
  case Balance::LeastSessions:
    return least_sessions(candidates, turn);
  case Balance::RoundRobin:
    return round_robin(candidates, turn);
  }
  return std::nullopt;
}

std::string draw_value_for(const Ranker& ranker, std::uint64_t seed, Index wanted,
                           const std::function<std::uint64_t()>& random64) {
  constexpr int kDraws = 1'000;
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string value(15, 'A');  // 90 bits; short enough for std::string to hold it without a heap
  for (int draw = 0; draw < kDraws; ++draw) {
    for (const std::size_t begin : {0U, 8U}) {
      std::uint64_t random = random64();
      for (std::size_t i = begin; i < std::min<std::size_t>(begin + 8, value.size()); ++i, random >>= 6) {
        value[i] = kAlphabet[random & 63];
      }
    }
    if (ranker.first(hash_key(value, seed)) == wanted) return value;
  }
  return {};
}

}  // namespace limpet::balancer
