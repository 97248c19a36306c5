// SPDX-License-Identifier: Apache-2.0
// What the three algorithms and make_ranker share, private to this folder: the constructors, and the two small things
// that keep rankings free of the order in which backends were listed and free of repetitions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "balancer/ranker.h"

namespace limpet::balancer {

std::unique_ptr<const Ranker> make_ring(std::span<const Spec> backends, std::uint64_t seed);
std::unique_ptr<const Ranker> make_maglev(std::span<const Spec> backends, std::uint64_t seed);
std::unique_ptr<const Ranker> make_rendezvous(std::span<const Spec> backends, std::uint64_t seed);

// The positions of `backends` in ascending byte order of their names. An algorithm works on places in this order
// ("ranks"), so that a smaller rank is also how a tie ends, and translates to positions at the very end.
std::vector<Index> by_name(std::span<const Spec> backends);

// Which of up to 65,536 backends a ranking has already; on the stack, since rank() is called for single sessions.
class Seen {
 public:
  explicit Seen(std::size_t backends) {
    for (std::size_t i = 0; i < (backends + 63) / 64; ++i) words_[i] = 0;
  }

  // True the first time that it is called for a backend.
  bool add(Index backend) {
    const std::uint64_t bit = std::uint64_t{1} << (backend % 64);
    if ((words_[backend / 64] & bit) != 0) return false;
    words_[backend / 64] |= bit;
    return true;
  }

 private:
  std::array<std::uint64_t, 1024> words_;
};

}  // namespace limpet::balancer
