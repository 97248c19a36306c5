// SPDX-License-Identifier: Apache-2.0
// Maglev hashing (Eisenbud et al., NSDI 2016, §3.4): a table of 65,537 slots, each owned by a backend. The definition:
//
// clang-format off
//   wishes    a backend wants the slots (offset + j × skip) mod 65537 for j = 0, 1, …, in this order, where
//             offset = h(0) mod 65537, skip = 1 + h(1) mod 65536,
//             h(n) = XXH3-64(name bytes, n as 4 bytes little-endian; seed)
//   turns     in rounds, until no slot is free: in byte order of the names, each backend adds its weight to its credit
//             (from 0); where that reaches the largest weight of all it pays as much and takes the first free slot it
//             wants. Equal weights have one turn a round; weight w has w turns in as many rounds as the largest weight
//   ranking   owners in the order in which they first own a slot at or after slot
//             XXH3-64(key bytes; seed) mod 65537, cyclic; backends without any slot (possible with thousands of
//             unequal ones) come last, by name
// clang-format on
//
// Shares are even to one slot; in return a change of the list also moves a few keys between backends that did not
// change.
#include <algorithm>
#include <cassert>

#include "balancer/algorithms.h"
#include "balancer/hash.h"

namespace limpet::balancer {
namespace {

constexpr std::uint32_t kSlots = 65537;  // a prime, so that every skip visits every slot

class Maglev final : public Ranker {
 public:
  Maglev(std::span<const Spec> backends, std::uint64_t seed);

  Index first(std::uint64_t key_hash) const override {
    assert(!owners_.empty());
    return owners_[key_hash % kSlots];
  }
  void rank(std::uint64_t key_hash, std::vector<Index>& out) const override;
  std::vector<double> shares() const override;

 private:
  std::vector<Index> owners_;  // by slot: position of the backend; empty where there is no backend
  std::vector<Index> slotless_;
  std::size_t backends_;
};

// A backend while the table is filled.
struct Filler {
  Index backend;
  unsigned weight;
  std::uint32_t wish;
  std::uint32_t skip;
  unsigned credit = 0;
  bool owns_a_slot = false;
};

Maglev::Maglev(std::span<const Spec> backends, std::uint64_t seed) : backends_(backends.size()) {
  if (backends.empty()) return;
  std::vector<Filler> fillers;
  unsigned largest = 0;
  for (const Index i : by_name(backends)) {
    const auto offset = static_cast<std::uint32_t>(hash_backend(backends[i].name, 0, seed) % kSlots);
    const auto skip = static_cast<std::uint32_t>(1 + hash_backend(backends[i].name, 1, seed) % (kSlots - 1));
    fillers.push_back({.backend = i, .weight = backends[i].weight, .wish = offset, .skip = skip});
    largest = std::max(largest, backends[i].weight);
  }
  owners_.resize(kSlots);
  std::vector<bool> taken(kSlots);
  for (std::uint32_t filled = 0; filled < kSlots;) {
    for (Filler& filler : fillers) {
      filler.credit += filler.weight;
      if (filler.credit < largest) continue;
      filler.credit -= largest;
      while (taken[filler.wish]) filler.wish = (filler.wish + filler.skip) % kSlots;
      taken[filler.wish] = true;
      owners_[filler.wish] = filler.backend;
      filler.owns_a_slot = true;
      if (++filled == kSlots) break;
    }
  }
  for (const Filler& filler : fillers) {
    if (!filler.owns_a_slot) slotless_.push_back(filler.backend);
  }
}

void Maglev::rank(std::uint64_t key_hash, std::vector<Index>& out) const {
  out.clear();
  Seen seen(backends_);
  for (std::size_t slot = key_hash % kSlots; out.size() + slotless_.size() < backends_; slot = (slot + 1) % kSlots) {
    if (seen.add(owners_[slot])) out.push_back(owners_[slot]);
  }
  out.insert(out.end(), slotless_.begin(), slotless_.end());
}

std::vector<double> Maglev::shares() const {
  std::vector<double> shares(backends_);
  for (const Index owner : owners_) shares[owner] += 1.0 / kSlots;
  return shares;
}

}  // namespace

std::unique_ptr<const Ranker> make_maglev(std::span<const Spec> backends, std::uint64_t seed) {
  return std::make_unique<Maglev>(backends, seed);
}

}  // namespace limpet::balancer
