// SPDX-License-Identifier: Apache-2.0
// A WebSocket between two scripted peers: ends that the session did not choose (RFC 6455 §5.5.1, §7), by a peer's Close
// or FIN, a backend that breaks off, a reset, a cut. Farewells are in farewell_test.cpp, slow peers in
// slow_end_test.cpp, what time asks for in keepalive_test.cpp.
#include "proxy/session/websocket/session.h"
#include "tests/session/websocket/fixture.h"

namespace limpet::session {

namespace {

using namespace frames;
using metrics::By;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(websocket_end, WebSocketFixture)

// --- closes of the peers ---

BOOST_AUTO_TEST_CASE(when_both_have_said_close_the_client_is_let_go_and_the_backend_closes_first) {
  open();
  client.sends_close(1000);
  backend.receives_close(1000);
  backend.sends("still allowed to finish");
  backend.sends_close(1000);
  client.receives("still allowed to finish");
  client.receives_close(1000);
  BOOST_TEST(client.script.closed);
  BOOST_TEST(client.script.wrote_end);
  BOOST_TEST((!backend.script.fin && !backend.script.closed));
  backend.sends_fin();
  ended_as(CloseReason::ClientClosed);
  BOOST_TEST(closes(1000, By::Client) == 1U);
}

BOOST_AUTO_TEST_CASE(a_client_that_owes_a_pong_is_let_go_by_fin_only) {
  open();
  client.sends_close(1000);
  backend.sends_bytes(backend.frame(kPing, "?"));
  backend.sends_close(1000);
  backend.receives_close(1000);
  BOOST_TEST(client.receives().opcode == kPing);
  client.receives_close(1000);
  BOOST_TEST(!client.script.closed);
  BOOST_TEST(!client.script.wrote_end);
  backend.sends_fin();
  client.receives_fin();
  client.sends_bytes(client.frame(kPong, "?"));
  BOOST_TEST(!client.script.closed);
  client.sends_fin();
  ended_as(CloseReason::ClientClosed);
}

// What came from it meanwhile would make of the close a reset, behind which its Close might be lost.
BOOST_AUTO_TEST_CASE(a_client_that_said_more_than_its_close_is_let_go_by_fin_only) {
  open();
  client.sends_close(1000);
  backend.receives_close(1000);
  client.script.brings(client.frame(kPong, "unasked"));
  backend.script.brings(backend.frame(frames::kClose, frames::close_payload(1000)));
  in_round([&] { backend.script.step(); });
  client.receives_close(1000);
  BOOST_TEST((!client.script.closed && !client.script.wrote_end));
  backend.sends_fin();
  client.receives_fin();
  client.sends_fin();
  ended_as(CloseReason::ClientClosed);
}

BOOST_AUTO_TEST_CASE(a_backend_that_never_closes_is_left_after_close_timeout) {
  open();
  client.sends_close(1000);
  backend.sends_close(1000);
  client.receives_close(1000);
  client.receives_fin();
  pass(route.websocket.close_timeout - milliseconds(100));
  BOOST_TEST(!over());
  pass_over(milliseconds(100));
  ended_as(CloseReason::ClientClosed);
}

BOOST_AUTO_TEST_CASE(nothing_follows_a_close) {
  open();
  client.sends_bytes(client.frame(kClose, "") + client.frame(kText, "too late"));
  client.sends("far too late");
  BOOST_TEST(backend.receives().opcode == kClose);
  backend.receives_no_more();
  BOOST_TEST(closes(1005, By::Client) == 1U);
}

BOOST_AUTO_TEST_CASE(a_closing_handshake_that_nobody_completes_ends_after_close_timeout) {
  open();
  client.sends_close(1000);
  pass(route.websocket.close_timeout - milliseconds(100));
  BOOST_TEST(!over());
  pass_over(milliseconds(100));
  ended_as(CloseReason::ClientClosed);
}

BOOST_AUTO_TEST_CASE(a_clients_fin_is_passed_on_and_the_session_closed_after_close_timeout) {
  open();
  client.sends("and done");
  client.sends_fin();
  backend.receives("and done");
  backend.receives_fin();
  backend.sends("one more");
  client.receives("one more");
  pass(route.websocket.close_timeout - milliseconds(100));
  BOOST_TEST(!over());
  pass_over(milliseconds(100));
  ended_as(CloseReason::ClientClosed);
}

BOOST_AUTO_TEST_CASE(a_fin_comes_behind_what_waits_for_a_slow_backend) {
  open();
  backend.script.room = 4;
  client.sends("slowly");
  client.sends_fin();
  BOOST_TEST(!backend.script.fin);
  backend.script.room = Script::kAny;
  run();
  backend.receives("slowly");
  backend.receives_fin();
}

// --- a backend that breaks off ---

BOOST_AUTO_TEST_CASE(a_lost_backend_is_a_1001_at_a_frame_boundary) {
  open();
  backend.sends("last");
  backend.sends_fin();
  client.receives("last");
  client.receives_close(1001);
  BOOST_TEST(!client.script.fin);
  client.sends_close(1001);
  client.receives_fin();
  client.sends_fin();
  ended_as(CloseReason::BackendClosed);
  BOOST_TEST(closes(1001, By::Limpet) == 1U);
}

BOOST_AUTO_TEST_CASE(a_lost_backend_is_told_by_the_routes_code) {
  route.websocket.crash_code = 1014;
  open();
  backend.resets();
  client.receives_close(1014);
  client.sends_close(1014);
  client.receives_fin();
  client.sends_fin();
  BOOST_TEST(closes(1014, By::Limpet) == 1U);
}

BOOST_AUTO_TEST_CASE(a_backend_lost_in_mid_frame_is_a_fin) {
  open();
  const std::string half = backend.frame(kText, "half").substr(0, 3);
  backend.sends_bytes(half);
  backend.resets();
  client.receives_bytes(half);
  client.receives_fin();
  client.sends_fin();
  ended_as(CloseReason::ResetByBackend);
}

BOOST_AUTO_TEST_CASE(a_backend_lost_between_fragments_is_a_1001) {
  open();
  backend.sends_bytes(backend.frame(kText, "part", false));
  backend.resets();
  BOOST_TEST(client.receives().payload == "part");
  client.receives_close(1001);
}

BOOST_AUTO_TEST_CASE(a_write_that_fails_is_a_lost_backend_too) {
  open();
  backend.script.refuses_writes = true;
  client.sends("into the void");
  client.receives_close(1001);
  client.sends_close(1001);
  client.sends_fin();
  ended_as(CloseReason::ResetByBackend);
}

BOOST_AUTO_TEST_CASE(a_backend_lost_while_a_farewell_waits_for_it_tears_the_session) {
  open();
  backend.sends_bytes(backend.frame(kText, "part", false));
  farewell();
  backend.resets();
  BOOST_TEST(client.receives().payload == "part");
  client.receives_close(1001);
  client.sends_close(1001);
  client.sends_fin();
  ended_as(CloseReason::Cut);
}

BOOST_AUTO_TEST_CASE(where_many_lose_their_backend_at_once_the_ends_are_spread) {
  crash_spread = seconds(2);
  open();
  in_round([&] {
    for (int i = 0; i < 100; ++i) pool->view().backends[0]->crash_delay(worker->now(), crash_spread, 1.0);
  });
  backend.resets();
  client.receives_no_more();
  client.sends("nobody there");
  pass_over(crash_spread);
  client.receives_close(1001);
}

BOOST_AUTO_TEST_CASE(a_client_that_closes_while_its_end_is_spread_is_answered_at_once) {
  crash_spread = seconds(1000);
  open();
  in_round([&] {
    for (int i = 0; i < 100; ++i) pool->view().backends[0]->crash_delay(worker->now(), crash_spread, 1.0);
  });
  backend.resets();
  client.sends_close(1000);
  client.receives_close(1001);
  client.receives_fin();
  client.sends_fin();
  BOOST_TEST(over());
}

// --- resets ---

BOOST_AUTO_TEST_CASE(a_client_that_resets_leaves_a_1001_for_the_backend) {
  open();
  client.sends("x");
  client.resets();
  backend.receives("x");
  backend.receives_close(1001);
  ended_as(CloseReason::ResetByClient);
  BOOST_TEST(closes(0, By::Client) == 1U);
}

BOOST_AUTO_TEST_CASE(a_client_that_resets_in_mid_frame_leaves_nothing_that_could_be_taken_for_its_frame) {
  open();
  const std::string half = client.frame(kText, "half").substr(0, 8);
  client.sends_bytes(half);
  client.resets();
  backend.receives_bytes(half);
  backend.receives_no_more();
  ended_as(CloseReason::ResetByClient);
}

BOOST_AUTO_TEST_CASE(a_client_that_takes_no_more_writes_is_gone) {
  open();
  client.script.refuses_writes = true;
  backend.sends("into the void");
  backend.receives_close(1001);
  ended_as(CloseReason::ResetByClient);
}

BOOST_AUTO_TEST_CASE(a_farewell_to_a_client_that_is_gone_is_its_end) {
  open();
  client.script.refuses_writes = true;
  farewell();
  backend.receives_close(1001);
  ended_as(CloseReason::Cut);
}

BOOST_AUTO_TEST_CASE(a_reset_on_either_side_in_the_closing_handshake_changes_no_reason) {
  open();
  client.sends_close(1000);
  backend.resets();
  client.receives_fin();
  client.resets();
  ended_as(CloseReason::ClientClosed);
}

BOOST_AUTO_TEST_CASE(a_cut_ends_it_now_once) {
  open();
  in_round([&] {
    Session* open = session();
    open->cut(CloseReason::Cut);
    open->cut(CloseReason::Shutdown);
    open->farewell(CloseReason::Drained);
  });
  ended_as(CloseReason::Cut);
  client.receives_no_more();
  BOOST_TEST(closes(0, By::Limpet) == 1U);
}

BOOST_AUTO_TEST_CASE(a_last_close_that_the_client_takes_in_parts_reaches_it_whole) {
  open();
  client.sends_close(1000);
  backend.receives_close(1000);
  client.script.room = 1;
  backend.sends_close(1000);
  BOOST_TEST(!client.script.closed);
  client.script.room = Script::kAny;
  run();
  client.receives_close(1000);
  backend.sends_fin();
  client.receives_fin();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
