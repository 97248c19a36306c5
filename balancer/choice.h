// SPDX-License-Identifier: Apache-2.0
// Choosing one backend out of a pool at one moment: the ranking combined with who is available and how loaded each is.
// Pure functions; the caller holds whatever lock makes the candidates' numbers true.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "balancer/ranker.h"

namespace limpet::balancer {

// A backend at the moment of a choice.
struct Candidate {
  bool available = true;  // ready, up, not ejected, and not already tried by this session
  std::uint32_t sessions = 0;
  unsigned weight = 1;
  float ramp = 1.0F;  // slow start: the fraction of its keys that it already takes, 0 to 1
};

enum class How : std::uint8_t {
  First,       // the first of the ranking took it
  PassedOver,  // load_factor or slow start passed over a better one, which was available: still a `hash` pick
  Fallback,    // a better one was not available
};

struct Choice {
  Index backend = 0;
  How how = How::First;
};

// Walks the ranking. load_factor 0: no bound; otherwise >= 1: a backend is passed over where its sessions, the new one
// counted, would exceed ceil(load_factor × all sessions, the new one counted × its share of the available weight).
// Slow start: a backend with ramp < 1 is passed over by the keys whose own hash (of key and backend) lies above its
// ramp, unless no other is available. `scratch` avoids an allocation per call. nullopt: none is available.
std::optional<Choice> choose_by_hash(const Ranker& ranker, std::uint64_t key_hash,
                                     std::span<const Candidate> candidates, double load_factor,
                                     std::vector<Index>& scratch);

enum class Balance : std::uint8_t { LeastSessions, RoundRobin };

// Without a key. LeastSessions: fewest (sessions + 1) / (weight × ramp), ties broken by `turn`; RoundRobin: smooth in
// proportion to weight, by `turn`, a number that the caller increments with each call.
std::optional<Index> choose_by_balance(Balance balance, std::span<const Candidate> candidates, std::uint64_t turn);

// Draws random values (through `random64`) until the value, written as 15 characters of base64url, ranks `wanted`
// first. Gives up after 100,000 draws and returns an empty string (a backend with a vanishing share).
std::string draw_value_for(const Ranker& ranker, std::uint64_t seed, Index wanted,
                           const std::function<std::uint64_t()>& random64);

}  // namespace limpet::balancer
