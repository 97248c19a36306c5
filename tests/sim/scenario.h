// SPDX-License-Identifier: Apache-2.0
// Scenario: what a seed makes of the world: the proxy's settings, the nature of its links, who lives there and what
// kinds of bad luck there are. Each seed has some kinds only ("swarm testing"), so that one does not hide another.
#pragma once

#include <cstdint>

#include "proxy/base/planted_fault.h"
#include "proxy/session/settings.h"
#include "tests/sim/dice.h"
#include "tests/sim/link.h"

namespace limpet::sim {

struct Scenario {
  static Scenario of(std::uint64_t seed);

  std::uint64_t seed = 0;
  Planted planted = Planted::None;

  // --- the proxy ---
  session::Settings settings;
  unsigned workers = 2;
  std::uint64_t max_connections = 10'000;
  std::size_t most_queued = 0;  // bytes that may wait per connection
  std::size_t outbox = 0;       // bytes; 0: as the product has it

  // --- who comes first ---
  double interleaves = 0;  // how often another round comes before a call into what workers share
  double events_first = 0.7;
  double dials_at_once = 0;

  // --- links ---
  LinkNature draw_link(Dice& dice) const;
  Duration latency{};
  Duration grain{1};
  bool tiny_splits = false;
  bool last_byte_late = false;
  bool small_buffers = false;
  bool resets_destroy = false;
  bool short_writes = false;
  std::uint32_t addresses = 8;

  // --- bad luck ---
  struct Weather {
    bool clogs = false;
    bool dark_links = false;
    bool breaks = false;
    bool hosts_refuse = false;
    bool hosts_dark = false;
    bool full_queues = false;
    bool few_descriptors = false;
    bool any() const {
      return clogs || dark_links || breaks || hosts_refuse || hosts_dark || full_queues || few_descriptors;
    }
  } weather;

  // --- the operator ---
  struct Orders {
    bool drains = false;
    bool acts = false;  // pauses, resumes, hurries
    bool closes = false;
    bool scrapes = false;
    bool stops = false;  // the process, at last
  } orders;

  // --- the clients ---
  bool is_plain = false;  // of plain_actors.h alone
  bool backends_say_too_much = false;
  bool backends_die = false;
  bool backends_lie = false;
  unsigned websockets = 0;
  unsigned requests = 0;
  bool is_pace = false;  // a drain of many sessions that nobody disturbs

  Duration takes{};  // until all is healed
};

}  // namespace limpet::sim
