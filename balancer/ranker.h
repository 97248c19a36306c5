// SPDX-License-Identifier: Apache-2.0
// Placement: which backends a key goes to, best first. A public fact: the same key, names, weights, algorithm and seed
// give the same ranking in every worker, process and machine; tests/balancer pins it with vectors.
//
// clang-format off
//   key hash      XXH3-64(key bytes; seed)
//   ring          256 points per unit of weight and 32 probes per key; the backend wins whose point follows a probe
//                 most closely (multi-probe consistent hashing, Appleton & O'Reilly 2015): even shares without many
//                 thousand points
//   maglev        a table of 65,537 slots, filled in rounds in which a backend's weight is its number of turns
//                 (Eisenbud et al., NSDI 2016)
//   rendezvous    the highest weight / -ln(hash of backend and key) (Schindelhauer & Schomaker 2005)
// clang-format on
//
// The exact definitions open ring.cpp, maglev.cpp and rendezvous.cpp, and that of the digest ranker.cpp.
//
// Immutable after construction, safe to share between threads. Knows nothing of health, drains or load: see choice.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace limpet::balancer {

enum class Algorithm : std::uint8_t { Ring, Maglev, Rendezvous };

// A backend as placement sees it. Its name is its identity.
struct Spec {
  std::string name;
  unsigned weight = 1;  // 1 to 256
};

// Position of a backend in the list given to make_ranker.
using Index = std::uint16_t;

std::uint64_t hash_key(std::string_view key, std::uint64_t seed);

class Ranker {
 public:
  virtual ~Ranker() = default;

  // The best backend for a key. Requires: at least one backend.
  virtual Index first(std::uint64_t key_hash) const = 0;

  // Every backend, best first. `out` is overwritten; its first element equals first(key_hash).
  virtual void rank(std::uint64_t key_hash, std::vector<Index>& out) const = 0;

  // The share of the key space that has each backend first; sums to 1. Estimated where no closed form exists, to within
  // 1%.
  virtual std::vector<double> shares() const = 0;
};

// Placement does not depend on the order of `backends`. Requires: names are distinct, at most 65,535 of them.
std::unique_ptr<const Ranker> make_ranker(Algorithm algorithm, std::span<const Spec> backends, std::uint64_t seed);

// 16 hex digits over algorithm, seed, names and weights (in name order): equal where placement is equal.
std::string digest(Algorithm algorithm, std::span<const Spec> backends, std::uint64_t seed);

}  // namespace limpet::balancer
