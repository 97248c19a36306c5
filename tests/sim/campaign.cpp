// SPDX-License-Identifier: Apache-2.0
// See campaign.h.
#include "tests/sim/campaign.h"

#include <thread>

#include "tests/sim/entropy.h"
#include "tests/sim/inhabitants.h"
#include "tests/sim/operator.h"
#include "tests/sim/weather.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kConvalescence = 40s;  // after healing, until everyone has to be well
constexpr Duration kLastWords = 60s;      // until what was begun has to be done, over slow links, too
constexpr Duration kForgetting = 60s;     // until all that is kept for a while has expired

}  // namespace

static void live(World& world) {
  const auto& scenario = world.scenario();
  const Inhabitants all(world);
  Weather weather(world);
  Operator operator_(world);
  weather.start();
  operator_.start();
  if (!world.run_until(world.start() + scenario.takes)) return;
  weather.stop();
  all.heal();
  world.heal();
  if (!scenario.orders.stops) {
    operator_.stop();
    if (!world.run_until(world.now() + kConvalescence)) return;
    all.rest();
    if (!world.run_until(world.now() + kLastWords)) return;
    if (!all.complaint().empty()) {  // a large message over the slowest of links may need longer
      world.count("heard late");
      if (!world.run_until(world.now() + 4 * kLastWords)) return;
    }
    if (const auto complaint = all.complaint(); !complaint.empty()) return world.fail("complaint", complaint);
  } else {
    if (!world.run_until(world.now() + 15s)) return;
    if (!world.has_left()) return world.fail("has_not_left", "the process was stopped and does not leave");
  }
  world.empty();
  if (!world.run_until(world.now() + kForgetting)) return;
  world.checks().nothing_is_left();
}

Outcome run_seed(std::uint64_t seed, Planted planted, std::FILE* trace_to) {
  Outcome outcome;
  std::thread thread([&] {
    seed_entropy(seed);
    stage = {};
    stage.planted = planted;
    Trace trace(trace_to);
    World world(Scenario::of(seed), trace);
    live(world);
    outcome = {world.failed_check(), world.failure(), world.tally()};
  });
  thread.join();
  return outcome;
}

}  // namespace limpet::sim
