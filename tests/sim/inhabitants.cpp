// SPDX-License-Identifier: Apache-2.0
// See inhabitants.h.
#include "tests/sim/inhabitants.h"

#include "tests/sim/actors/backend.h"
#include "tests/sim/actors/event_source.h"
#include "tests/sim/actors/http_client.h"
#include "tests/sim/actors/model_client.h"
#include "tests/sim/actors/socket_app.h"
#include "tests/sim/actors/socket_io.h"
#include "tests/sim/plain_actors.h"
#include "tests/sim/world.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

Character draw_character(const Scenario& scenario, Dice& dice) {
  Character character;
  for (double* habit : {&character.slow_answers, &character.slow_uploads, &character.head_alone, &character.closes_kept,
                        &character.ends_streams}) {
    if (dice.chance(0.4)) *habit = 0.2;
  }
  if (scenario.backends_lie) character.lies = 0.05;
  if (scenario.backends_die) character.dies = 0.1;
  return character;
}

Manner draw_manner(unsigned client, Dice& dice) {
  Manner manner;
  if (dice.chance(0.7)) manner.key = "k" + std::to_string(client / 3);
  if (dice.chance(0.3)) manner.leaves = 0.3;
  if (dice.chance(0.3)) manner.slow = 0.3;
  if (dice.chance(0.1)) manner.slow_rate = 1;
  return manner;
}

}  // namespace

Inhabitants::Inhabitants(World& world) {
  const auto& scenario = world.scenario();
  Dice dice(scenario.seed * 7 + 8);
  for (std::size_t b = 0; b < world.hosts().size(); ++b) {
    const std::string& name = world.hosts()[b].name;
    if (scenario.is_plain) {
      PlainBackend::Habits habits;
      habits.says_too_much = scenario.backends_say_too_much;
      habits.dies_in_mid_answer = scenario.backends_die;
      habits.quiet = scenario.is_pace;
      backends.push_back(std::make_unique<PlainBackend>(world, name, habits));
    } else {
      backends.push_back(std::make_unique<Backend>(world, world.commons(), name, draw_character(scenario, dice)));
    }
    world.inhabit(b, *backends.back());
  }
  if (scenario.is_plain) {
    for (unsigned i = 0; i < scenario.websockets; ++i) {
      const std::string key = "u" + std::to_string(scenario.is_pace ? i : i / 3);
      clients.push_back(std::make_unique<WebSocketUser>(world, "ws" + std::to_string(i), key, scenario.is_pace));
    }
    for (unsigned i = 0; i < scenario.requests; ++i) {
      const std::string key = dice.chance(0.5) ? "u" + std::to_string(i / 3) : "";
      clients.push_back(
          std::make_unique<RequestUser>(world, "http" + std::to_string(i), key, scenario.backends_say_too_much));
    }
  } else {
    // Any of four: as long as limpet adds to the streamed answer of a POST, whoever reads it complains.
    const unsigned kinds = 1 + static_cast<unsigned>(dice.below(15));
    for (unsigned i = 0; i < scenario.websockets + scenario.requests; ++i) {
      const Manner manner = draw_manner(i, dice);
      const std::string number = std::to_string(i);
      unsigned kind = i % 5;
      while ((kinds >> kind & 1) == 0) kind = (kind + 1) % 5;
      switch (kind) {
      case 0:
        clients.push_back(std::make_unique<SocketApp>(world, world.commons(), "app" + number, manner));
        break;
      case 1:
        clients.push_back(std::make_unique<EventSource>(world, world.commons(), "events" + number, manner));
        break;
      case 2:
        clients.push_back(std::make_unique<HttpClient>(world, world.commons(), "http" + number, manner));
        break;
      case 3:
        clients.push_back(std::make_unique<SocketIo>(world, world.commons(), "io" + number, manner));
        break;
      default:
        clients.push_back(std::make_unique<ModelClient>(world, world.commons(), "llm" + number, manner));
        break;
      }
    }
  }
  for (const auto& client : clients) {
    Actor* const actor = client.get();
    world.after(dice.between(0ns, 2s), [actor] { actor->start(); });
  }
}

void Inhabitants::rest() const {
  for (const auto& client : clients) client->rest();
}

std::string Inhabitants::complaint() const {
  for (const auto& client : clients) {
    if (const auto complaint = client->complaint(); !complaint.empty()) return client->name() + ": " + complaint;
  }
  return {};
}

void Inhabitants::heal() const {
  for (const auto& backend : backends) backend->heal();
  for (const auto& client : clients) client->heal();
}

}  // namespace limpet::sim
