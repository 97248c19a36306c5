// SPDX-License-Identifier: Apache-2.0
// The actors against each other: content where nothing goes wrong, and whatever troubles they make themselves.
#include <boost/test/unit_test.hpp>

#include "tests/sim/actors/event_source.h"
#include "tests/sim/actors/http_client.h"
#include "tests/sim/actors/model_client.h"
#include "tests/sim/actors/socket_app.h"
#include "tests/sim/actors/socket_io.h"
#include "tests/sim/pipe_world.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kSeeds = 50;

template <class Kind>
void is_content(const Manner& manner, const Character& character, int clients, Duration time,
                std::uint64_t (Kind::*figure)() const) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    PipeWorld world(seed, character);
    std::vector<Kind*> all;
    for (int i = 0; i < clients; ++i) all.push_back(&world.add<Kind>(manner));
    world.nature.run_for(time);
    world.end();
    BOOST_TEST(world.complaints() == "", "seed " << seed << ": " << world.complaints());
    for (const Kind* client : all) BOOST_TEST((client->*figure)() > 10U, "seed " << seed);
  }
}

Manner troubled_manner() {
  Manner manner;
  manner.leaves = 0.3;
  manner.slow = 0.3;
  manner.key = "k";
  return manner;
}

Character troubled_character() {
  Character character;
  character.slow_answers = character.slow_uploads = character.head_alone = character.ends_streams = 0.2;
  character.closes_kept = 0.1;
  character.dies = 0.1;
  return character;
}

}  // namespace

BOOST_AUTO_TEST_CASE(event_sources_are_content) {
  is_content<EventSource>({}, {}, 1, 20s, &EventSource::seen);
  is_content<EventSource>(troubled_manner(), troubled_character(), 2, 60s, &EventSource::seen);
}

BOOST_AUTO_TEST_CASE(event_sources_resume_at_another_backend) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    PipeWorld world(seed, troubled_character());
    Backend other(world.nature, world.commons, "b2", troubled_character());
    world.nature.backends.push_back(&other);
    const EventSource& client = world.add<EventSource>(troubled_manner());
    world.nature.run_for(60s);
    other.die(false);
    world.nature.run_for(60s);
    other.heal();
    world.end();
    BOOST_TEST(world.complaints() == "", "seed " << seed << ": " << world.complaints());
    BOOST_TEST(client.seen() > 100U, "seed " << seed);
  }
}

BOOST_AUTO_TEST_CASE(model_clients_are_content) {
  is_content<ModelClient>({}, {}, 1, 20s, &ModelClient::answered);
  is_content<ModelClient>(troubled_manner(), troubled_character(), 2, 60s, &ModelClient::answered);
}

BOOST_AUTO_TEST_CASE(http_clients_are_content) {
  is_content<HttpClient>({}, {}, 1, 20s, &HttpClient::answered);
  is_content<HttpClient>(troubled_manner(), troubled_character(), 2, 60s, &HttpClient::answered);
}

BOOST_AUTO_TEST_CASE(socket_applications_are_content) {
  is_content<SocketApp>({}, {}, 1, 20s, &SocketApp::echoed);
  is_content<SocketApp>(troubled_manner(), troubled_character(), 2, 60s, &SocketApp::echoed);
}

BOOST_AUTO_TEST_CASE(socket_io_is_content) {
  is_content<SocketIo>({}, {}, 1, 20s, &SocketIo::echoed);
  is_content<SocketIo>(troubled_manner(), troubled_character(), 2, 60s, &SocketIo::echoed);
}

}  // namespace limpet::sim
