// SPDX-License-Identifier: Apache-2.0
// See campaign.h.
#include "tests/sim/campaign.h"

#include <thread>

#include "tests/sim/entropy.h"
#include "tests/sim/operator.h"
#include "tests/sim/plain_actors.h"
#include "tests/sim/weather.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kConvalescence = 40s;  // after healing, until everyone has to be well
constexpr Duration kForgetting = 60s;     // until all that is kept for a while has expired

struct Inhabitants {
  std::vector<std::unique_ptr<PlainBackend>> backends;
  std::vector<std::unique_ptr<PlainClient>> clients;
};

Inhabitants populate(World& world) {
  const auto& scenario = world.scenario();
  Dice dice(scenario.seed * 7 + 8);
  Inhabitants all;
  PlainBackend::Habits habits;
  habits.says_too_much = dice.chance(0.3);
  habits.dies_in_mid_answer = dice.chance(0.3);
  habits.quiet = scenario.is_pace;
  for (std::size_t b = 0; b < world.hosts().size(); ++b) {
    all.backends.push_back(std::make_unique<PlainBackend>(world, world.hosts()[b].name, habits));
    world.inhabit(b, *all.backends.back());
  }
  for (unsigned i = 0; i < scenario.websockets; ++i) {
    const std::string key = "u" + std::to_string(scenario.is_pace ? i : i / 3);
    all.clients.push_back(
        std::make_unique<WebSocketUser>(world, "ws" + std::to_string(i), key, scenario.is_pace));
    all.clients.back()->start(dice.between(0ns, 2s));
  }
  for (unsigned i = 0; i < scenario.requests; ++i) {
    const std::string key = dice.chance(0.5) ? "u" + std::to_string(i / 3) : "";
    all.clients.push_back(std::make_unique<RequestUser>(world, "http" + std::to_string(i), key));
    all.clients.back()->start(dice.between(0ns, 2s));
  }
  return all;
}

void live(World& world) {
  const auto& scenario = world.scenario();
  const Inhabitants all = populate(world);
  Weather weather(world);
  Operator operator_(world);
  weather.start();
  operator_.start();
  if (!world.run_until(world.start() + scenario.takes)) return;
  weather.stop();
  world.heal();
  if (!scenario.orders.stops) {
    operator_.stop();
    if (!world.run_until(world.now() + kConvalescence)) return;
    for (const auto& client : all.clients) {
      if (const auto complaint = client->complaint(); !complaint.empty()) {
        return world.fail("complaint", client->name() + ": " + complaint);
      }
    }
  } else {
    if (!world.run_until(world.now() + 15s)) return;
    if (!world.has_left()) return world.fail("has_not_left", "the process was stopped and does not leave");
  }
  world.empty();
  if (!world.run_until(world.now() + kForgetting)) return;
  world.checks().nothing_is_left();
}

}  // namespace

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
