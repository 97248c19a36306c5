// SPDX-License-Identifier: Apache-2.0
// The ring: multi-probe consistent hashing. Places are 64-bit numbers on a circle, arithmetic is modulo 2^64. So that
// any other implementation can check itself (tests/balancer/placement_vectors.txt), the definition in full:
//
// clang-format off
//   points    a backend of weight w has 256 × w points; number n, from 0, is XXH3-64(name bytes, n as 4 bytes
//             little-endian; seed)
//   probes    a key has 32; number i, from 1, is mix64(XXH3-64(key bytes; seed) + i × 0x9E3779B97F4A7C15), mix64 as
//             in hash.h
//   distance  of a backend from a key: the smallest (point - probe) over all its points and all the key's probes
//   ranking   backends by distance, nearest first; ties by the byte order of names
// clang-format on
//
// A backend's distance depends on nothing but itself: adding one moves keys only to it, removing one only its own.
// Costs 10 bytes a point and about 4 of search table; first() is 32 look-ups of constant expected time.
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <functional>
#include <utility>

#include "balancer/algorithms.h"
#include "balancer/hash.h"

namespace limpet::balancer {
namespace {

constexpr std::uint32_t kPointsPerWeight = 256;
constexpr std::size_t kProbes = 32;
constexpr double kCircle = 0x1p64;

constexpr std::uint64_t probe(std::uint64_t key_hash, std::size_t number) {
  return mix64(key_hash + (number + 1) * kGoldenStep);
}

class Ring final : public Ranker {
 public:
  Ring(std::span<const Spec> backends, std::uint64_t seed) : by_name_(by_name(backends)) {
    place_points(backends, seed);
    index_points();
  }

  Index first(std::uint64_t key_hash) const override;
  void rank(std::uint64_t key_hash, std::vector<Index>& out) const override;
  std::vector<double> shares() const override;

 private:
  // One probe as it moves clockwise from point to point.
  struct Cursor {
    std::uint64_t distance;
    Index rank;
    std::uint64_t probe;
    std::size_t at;  // in points_

    bool operator>(const Cursor& other) const {
      return std::pair(distance, rank) > std::pair(other.distance, other.rank);
    }
  };

  void place_points(std::span<const Spec> backends, std::uint64_t seed);
  void index_points();

  // The first point at or clockwise after a place. The first two steps are additions instead of branches: where a place
  // falls among the one or two points of its bucket cannot be predicted, and a mispredicted branch costs more than
  // both.
  std::size_t at_or_after(std::uint64_t place) const {
    std::size_t at = bucket_starts_[place >> bucket_shift_];
    at += points_[at] < place ? 1 : 0;
    at += points_[at] < place ? 1 : 0;
    while (points_[at] < place) ++at;
    return at < ranks_.size() ? at : 0;
  }

  std::vector<Index> by_name_;
  std::vector<std::uint64_t> points_;         // ascending; on one place in the order of their ranks; and a last one
  std::vector<Index> ranks_;                  // whose they are; the last point, which ends each search, is nobody's
  std::vector<std::uint32_t> bucket_starts_;  // by a place's leading bits: how many points have smaller leading bits
  unsigned bucket_shift_ = 0;
};

void Ring::place_points(std::span<const Spec> backends, std::uint64_t seed) {
  std::vector<std::pair<std::uint64_t, Index>> placed;
  for (std::size_t rank = 0; rank < by_name_.size(); ++rank) {
    const Spec& backend = backends[by_name_[rank]];
    for (std::uint32_t n = 0; n < kPointsPerWeight * backend.weight; ++n) {
      placed.emplace_back(hash_backend(backend.name, n, seed), static_cast<Index>(rank));
    }
  }
  std::sort(placed.begin(), placed.end());
  points_.reserve(placed.size() + 1);
  ranks_.reserve(placed.size());
  for (const auto& [point, rank] : placed) {
    points_.push_back(point);
    ranks_.push_back(rank);
  }
  points_.push_back(UINT64_MAX);
}

// About one bucket a point, so that at_or_after() looks at one or two of them.
void Ring::index_points() {
  const auto bits = static_cast<unsigned>(std::bit_width(std::max<std::size_t>(ranks_.size(), kPointsPerWeight))) - 1;
  bucket_shift_ = 64 - bits;
  bucket_starts_.resize(std::size_t{1} << bits);
  std::size_t at = 0;
  for (std::size_t bucket = 0; bucket < bucket_starts_.size(); ++bucket) {
    while (at < ranks_.size() && points_[at] >> bucket_shift_ < bucket) ++at;
    bucket_starts_[bucket] = static_cast<std::uint32_t>(at);
  }
}

Index Ring::first(std::uint64_t key_hash) const {
  assert(!ranks_.empty());
  std::uint64_t best_distance = UINT64_MAX;
  Index best_rank = 0xFFFF;
  for (std::size_t i = 0; i < kProbes; ++i) {
    const std::uint64_t place = probe(key_hash, i);
    const std::size_t at = at_or_after(place);
    const std::uint64_t distance = points_[at] - place;
    if (distance < best_distance || (distance == best_distance && ranks_[at] < best_rank)) {
      best_distance = distance;
      best_rank = ranks_[at];
    }
  }
  return by_name_[best_rank];
}

// Each probe meets points in the order of their distance; merging the 32 sequences meets all of them in that order, and
// the first meeting with a backend is its distance. A probe that came full circle has met every backend, so none goes
// further.
void Ring::rank(std::uint64_t key_hash, std::vector<Index>& out) const {
  out.clear();
  if (ranks_.empty()) return;
  std::array<Cursor, kProbes> heap;
  for (std::size_t i = 0; i < kProbes; ++i) {
    const std::uint64_t place = probe(key_hash, i);
    const std::size_t at = at_or_after(place);
    heap[i] = {points_[at] - place, ranks_[at], place, at};
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  Seen seen(by_name_.size());
  while (true) {
    if (seen.add(heap.front().rank)) {
      out.push_back(by_name_[heap.front().rank]);
      if (out.size() == by_name_.size()) return;
    }
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    Cursor& cursor = heap.back();
    cursor.at = cursor.at + 1 < ranks_.size() ? cursor.at + 1 : 0;
    cursor.distance = points_[cursor.at] - cursor.probe;
    cursor.rank = ranks_[cursor.at];
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  }
}

// Exact for probes that are independent and uniform. A point wins at distance d where one probe is that far from it,
// which needs a gap before it longer than d, and the 31 others are farther from theirs. With S(d) the chance that one
// probe is farther than d from its next point, the integral over d between two gap lengths is the fall of S^32, in
// equal parts to all points whose gap is longer.
std::vector<double> Ring::shares() const {
  std::vector<std::pair<double, Index>> gaps;
  gaps.reserve(ranks_.size());
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    const std::uint64_t before = points_[i == 0 ? ranks_.size() - 1 : i - 1];
    gaps.emplace_back(static_cast<double>(points_[i] - before), ranks_[i]);
  }
  std::sort(gaps.begin(), gaps.end());
  std::vector<double> shares(by_name_.size());
  double gap_before = 0;
  double farther = 1;  // S
  double won = 0;      // by each of the points whose gap is at least as long as the present one
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const auto left = static_cast<double>(gaps.size() - i);
    const double then = std::max(0.0, farther - (gaps[i].first - gap_before) * left / kCircle);
    won += (std::pow(farther, kProbes) - std::pow(then, kProbes)) / left;
    shares[by_name_[gaps[i].second]] += won;
    farther = then;
    gap_before = gaps[i].first;
  }
  return shares;
}

}  // namespace

std::unique_ptr<const Ranker> make_ring(std::span<const Spec> backends, std::uint64_t seed) {
  return std::make_unique<Ring>(backends, seed);
}

}  // namespace limpet::balancer
