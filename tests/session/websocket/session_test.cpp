// SPDX-License-Identifier: Apache-2.0
// A WebSocket between two scripted peers: the relay. The ways to end are in farewell_test.cpp,
// what time asks for in keepalive_test.cpp.
#include "proxy/session/websocket/session.h"

#include "tests/session/websocket/fixture.h"

namespace limpet::session {

namespace {

using namespace frames;
using metrics::By;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(websocket_session, WebSocketFixture)

BOOST_AUTO_TEST_CASE(bytes_pass_unchanged_both_ways) {
  open();
  client.sends("hello");
  backend.receives("hello");
  backend.sends("world");
  client.receives("world");
  client.receives_no_more();
  backend.receives_no_more();
  BOOST_TEST(cells().messages[0].value() == 1U);
  BOOST_TEST(cells().messages[1].value() == 1U);
}

BOOST_AUTO_TEST_CASE(what_came_behind_the_handshake_goes_first) {
  open(client.frame(kText, "early"), backend.frame(kText, "bird"));
  client.sends("later");
  backend.receives("early");
  backend.receives("later");
  client.receives("bird");
}

BOOST_AUTO_TEST_CASE(a_message_passes_in_whatever_pieces_it_comes_and_goes) {
  client.script.most_per_read = 3;
  backend.script.most_per_write = 2;
  open();
  const std::string text(1000, 'x');
  client.sends(text);
  backend.receives(text);
  BOOST_TEST(cells().messages[1].value() == 1U);
}

BOOST_AUTO_TEST_CASE(a_wake_up_for_nothing_changes_nothing) {
  open();
  client.script.brings_nothing();
  run();
  client.sends("still here");
  backend.receives("still here");
}

BOOST_AUTO_TEST_CASE(a_slow_peers_other_side_is_no_longer_read_at_the_high_water_mark) {
  route.http.high_water = 1000;
  open();
  client.script.room = 0;
  for (int i = 0; i < 10; ++i) backend.sends(std::string(398, 'x'));
  BOOST_TEST(!backend.script.reading());
  BOOST_TEST(!backend.script.all_read());
  BOOST_TEST(shared->buffered == 3 * 402);
  BOOST_TEST(registry.worker(0).backpressure_pauses.value() == 1U);
  client.sends("the other way goes on");
  backend.receives("the other way goes on");
  client.script.room = Script::kAny;
  run();
  for (int i = 0; i < 10; ++i) client.receives(std::string(398, 'x'));
  BOOST_TEST(backend.script.reading());
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_frames_pass_too_and_the_farewell_is_a_fin) {
  open();
  backend.sends_bytes("no frames at all");
  client.receives_bytes("no frames at all");
  farewell();
  client.receives_fin();
  BOOST_TEST(backend.script.fin);
  client.sends_fin();
  backend.sends_fin();
  ended_as(CloseReason::Drained);
  BOOST_TEST(closes(0, By::Backend) == 1U);
}

BOOST_AUTO_TEST_CASE(what_was_refused_goes_when_it_is_taken_though_nobody_speaks) {
  open();
  for (End* to : {&client, &backend}) {
    End& from = to == &client ? backend : client;
    to->script.room = 3;
    from.sends("hello");
    BOOST_TEST(shared->buffered > 0);
    to->script.room = Script::kAny;
    run();
    to->receives("hello");
    BOOST_TEST(shared->buffered == 0);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
