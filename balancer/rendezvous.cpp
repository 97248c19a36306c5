// SPDX-License-Identifier: Apache-2.0
// Rendezvous hashing with weights (Schindelhauer & Schomaker 2005): the backend with the highest -weight / ln(u) wins,
// u uniform in (0, 1) for each pair of key and backend. Floating-point logarithms differ in their last digit between
// machines, and placement may not, so the logarithm is an integer one (base 2: the order is the same). The definition:
//
// clang-format off
//   u         (h | 1) / 2^64, where
//             h = mix64(XXH3-64(key bytes; seed) ^ XXH3-64(name bytes, four zero bytes; seed)), mix64 as in hash.h
//   cost      -log2(u) in units of 2^-40, that is 64 × 2^40 - log2(h | 1), where
//             log2(x) = e × 2^40 + T[i] + floor((T[i + 1] - T[i]) × f / 2^30) for x = 2^e × (1 + m / 2^63),
//             m the 63 bits below the leading one, left-aligned; i the upper 8 bits of m, f the 30 bits below those;
//             T[i] = floor(2^40 × log2(1 + i / 256))
//   ranking   backends by cost / weight (compared exactly, as fractions), smallest first; ties by the byte order of
//             the names
// clang-format on
//
// Linear in the number of backends per key. Even, needs no table, moves only what must move.
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>

#include "balancer/algorithms.h"
#include "balancer/hash.h"

namespace limpet::balancer {
namespace {

constexpr unsigned kFraction = 40;  // bits after the point of a logarithm

// T of the opening comment. A logarithm's next binary digit is 1 where the square of the number reaches 2; the number
// is held with 62 bits after the point, whose error after 40 squarings is far below what could change a digit of these
// 257.
constexpr std::array<std::uint64_t, 257> make_logarithms() {
  std::array<std::uint64_t, 257> table{};
  for (std::uint64_t i = 0; i < 256; ++i) {
    std::uint64_t number = (256 + i) << 54;
    for (unsigned digit = 0; digit < kFraction; ++digit) {
      const auto square = static_cast<unsigned __int128>(number) * number;
      number = static_cast<std::uint64_t>(square >> 62);
      const bool reached = number >= std::uint64_t{1} << 63;
      if (reached) number >>= 1;
      table[i] = table[i] << 1 | (reached ? 1 : 0);
    }
  }
  table[256] = std::uint64_t{1} << kFraction;
  return table;
}
constexpr std::array<std::uint64_t, 257> kLogarithms = make_logarithms();

// cost of the opening comment; at most 2^46, and never 0.
std::uint64_t cost_of(std::uint64_t hash) {
  const std::uint64_t x = hash | 1;
  const auto zeros = static_cast<unsigned>(std::countl_zero(x));
  const std::uint64_t m = x << zeros << 1;  // the leading one is shifted out
  const std::size_t i = m >> 56;
  const std::uint64_t f = m >> 26 & 0x3FFFFFFF;
  const std::uint64_t below_one = kLogarithms[i] + ((kLogarithms[i + 1] - kLogarithms[i]) * f >> 30);
  return (std::uint64_t{zeros + 1} << kFraction) - below_one;
}

class Rendezvous final : public Ranker {
 public:
  Rendezvous(std::span<const Spec> backends, std::uint64_t seed) {
    for (const Index i : by_name(backends)) {
      members_.push_back({hash_backend(backends[i].name, 0, seed), backends[i].weight, i});
    }
  }

  Index first(std::uint64_t key_hash) const override;
  void rank(std::uint64_t key_hash, std::vector<Index>& out) const override;
  std::vector<double> shares() const override;

 private:
  struct Member {
    std::uint64_t hash;
    std::uint64_t weight;
    Index backend;
  };
  struct Bid {
    std::uint64_t cost;
    std::uint64_t weight;
    Index backend;

    bool operator<(const Bid& other) const { return cost * other.weight < other.cost * weight; }
  };

  static Bid bid(const Member& member, std::uint64_t key_hash) {
    return {cost_of(mix64(key_hash ^ member.hash)), member.weight, member.backend};
  }

  std::vector<Member> members_;  // by name
};

Index Rendezvous::first(std::uint64_t key_hash) const {
  assert(!members_.empty());
  Bid best = bid(members_.front(), key_hash);
  for (const Member& member : members_) {
    const Bid other = bid(member, key_hash);
    if (other < best) best = other;
  }
  return best.backend;
}

void Rendezvous::rank(std::uint64_t key_hash, std::vector<Index>& out) const {
  std::vector<Bid> bids;
  bids.reserve(members_.size());
  for (const Member& member : members_) bids.push_back(bid(member, key_hash));
  std::stable_sort(bids.begin(), bids.end());
  out.clear();
  for (const Bid& bid : bids) out.push_back(bid.backend);
}

std::vector<double> Rendezvous::shares() const {
  std::uint64_t total = 0;
  for (const Member& member : members_) total += member.weight;
  std::vector<double> shares(members_.size());
  for (const Member& member : members_) {
    shares[member.backend] = static_cast<double>(member.weight) / static_cast<double>(total);
  }
  return shares;
}

}  // namespace

std::unique_ptr<const Ranker> make_rendezvous(std::span<const Spec> backends, std::uint64_t seed) {
  return std::make_unique<Rendezvous>(backends, seed);
}

}  // namespace limpet::balancer
