// SPDX-License-Identifier: Apache-2.0
// A WebSocket between two scripted peers: the farewell (RFC 6455 §5.5.1, §7). Other ends are in end_test.cpp, slow
// peers in slow_end_test.cpp, what time asks for in keepalive_test.cpp.
#include "proxy/session/websocket/session.h"
#include "tests/session/websocket/fixture.h"

namespace limpet::session {

namespace {

using namespace frames;
using metrics::By;

constexpr Duration kMessageBoundaryWait = seconds(1);
constexpr Duration kLinger = seconds(3);

}  // namespace

BOOST_FIXTURE_TEST_SUITE(websocket_farewell, WebSocketFixture)

BOOST_AUTO_TEST_CASE(a_farewell_between_messages_is_a_close_at_once) {
  open();
  backend.sends("last");
  farewell();
  client.receives("last");
  client.receives_close(1012);
  client.receives_no_more();
  BOOST_TEST(!client.script.fin);
  backend.receives_no_more();
}

BOOST_AUTO_TEST_CASE(the_farewell_has_the_routes_code) {
  route.websocket.drain_code = 4001;
  open();
  farewell();
  client.receives_close(4001);
  BOOST_TEST(closes(4001, By::Limpet) == 1U);
}

BOOST_AUTO_TEST_CASE(after_the_farewell_the_clients_messages_still_reach_the_backend_and_its_close_is_relayed) {
  open();
  farewell();
  client.sends("last words");
  backend.receives("last words");
  backend.sends("nobody hears this");
  const std::string close = client.frame(kClose, close_payload(1012, "bye"));
  client.sends_bytes(close);
  backend.receives_bytes(close);
  backend.receives_no_more();
  BOOST_TEST(!backend.script.fin);
  client.receives_close(1012);
  client.receives_fin();  // the server's side closes first
  client.sends_fin();
  BOOST_TEST(backend.script.fin);
  backend.sends_close(1012);
  backend.sends_fin();
  client.receives_no_more();
  ended_as(CloseReason::Drained);
  BOOST_TEST(!client.script.closed_with_reset);
  BOOST_TEST(closes(1012, By::Limpet) == 1U);
}

BOOST_AUTO_TEST_CASE(a_farewell_in_mid_message_waits_for_its_end) {
  open();
  const std::string frame = backend.frame(kText, "a long message");
  backend.sends_bytes(frame.substr(0, 5));
  farewell();
  client.receives_bytes(frame.substr(0, 5));
  client.receives_no_more();
  BOOST_TEST(session()->state_name() == std::string("farewell"));
  backend.sends_bytes(frame.substr(5) + backend.frame(kText, "one too many"));
  client.receives_bytes(frame.substr(5));
  client.receives_close(1012);
  client.receives_no_more();
}

BOOST_AUTO_TEST_CASE(a_farewell_between_fragments_waits_for_the_message_to_end) {
  open();
  backend.sends_bytes(backend.frame(kText, "one", false));
  farewell();
  pass(kMessageBoundaryWait - milliseconds(100));
  backend.sends_bytes(backend.frame(kContinuation, "two", false));
  backend.sends_bytes(backend.frame(kPing, "p"));
  BOOST_TEST(client.receives().payload == "one");
  BOOST_TEST(client.receives().payload == "two");
  BOOST_TEST(client.receives().opcode == kPing);
  client.receives_no_more();
  backend.sends_bytes(backend.frame(kContinuation, "three"));
  BOOST_TEST(client.receives().payload == "three");
  client.receives_close(1012);
}

BOOST_AUTO_TEST_CASE(after_a_second_a_farewell_takes_the_boundary_between_two_fragments) {
  open();
  backend.sends_bytes(backend.frame(kText, "one", false));
  farewell();
  pass(kMessageBoundaryWait - milliseconds(100));
  BOOST_TEST(client.receives().payload == "one");
  client.receives_no_more();
  pass_over(milliseconds(100));
  client.receives_close(1012);
}

BOOST_AUTO_TEST_CASE(after_a_second_in_mid_frame_a_farewell_takes_the_next_frame_boundary) {
  open();
  const std::string fragment = backend.frame(kBinary, std::string(100, 'x'), false);
  backend.sends_bytes(fragment.substr(0, 50));
  farewell();
  pass_over(kMessageBoundaryWait);
  client.receives_bytes(fragment.substr(0, 50));
  client.receives_no_more();
  backend.sends_bytes(fragment.substr(50) + backend.frame(kContinuation, "never sent on"));
  client.receives_bytes(fragment.substr(50));
  client.receives_close(1012);
  client.receives_no_more();
}

BOOST_AUTO_TEST_CASE(a_backend_that_stands_in_mid_frame_until_close_timeout_is_cut) {
  route.websocket.close_timeout = milliseconds(500);
  open();
  backend.sends_bytes(backend.frame(kText, "stuck").substr(0, 4));
  farewell();
  pass(kMessageBoundaryWait + milliseconds(400));
  BOOST_TEST(!over());
  pass_over(milliseconds(100) + TimerWheel::kTick);
  ended_as(CloseReason::Cut);
  client.receives_bytes(backend.frame(kText, "stuck").substr(0, 4));
  client.receives_no_more();
}

BOOST_AUTO_TEST_CASE(the_farewells_close_stands_behind_what_waits_for_a_slow_client) {
  open();
  client.script.room = 3;
  backend.sends("first");
  backend.sends("second");
  farewell();
  client.script.room = Script::kAny;
  run();
  client.receives("first");
  client.receives("second");
  client.receives_close(1012);
}

BOOST_AUTO_TEST_CASE(without_the_clients_close_the_backend_hears_a_masked_1001) {
  open();
  farewell();
  client.sends("unfinished business");
  pass(route.websocket.close_timeout - milliseconds(100));
  backend.receives("unfinished business");
  backend.receives_no_more();
  pass_over(milliseconds(100));
  backend.receives_close(1001);
  backend.receives_fin();
  client.receives_close(1012);
  client.receives_fin();
  backend.sends_close(1001);
  backend.sends_fin();
  BOOST_TEST(!over());
  pass_over(kLinger);
  ended_as(CloseReason::Drained);
}

BOOST_AUTO_TEST_CASE(without_the_clients_close_in_mid_frame_the_backend_gets_a_fin_alone) {
  open();
  farewell();
  const std::string half = client.frame(kText, "half").substr(0, 7);
  client.sends_bytes(half);
  pass_over(route.websocket.close_timeout);
  backend.receives_bytes(half);
  backend.receives_fin();
}

BOOST_AUTO_TEST_CASE(a_client_that_hangs_up_after_the_farewell_leaves_a_1001_for_the_backend) {
  open();
  farewell();
  client.sends_fin();
  backend.receives_close(1001);
  backend.receives_fin();
  client.receives_close(1012);
  client.receives_fin();
  backend.sends_fin();
  ended_as(CloseReason::Drained);
}

BOOST_AUTO_TEST_CASE(the_backends_own_close_ends_the_farewell_and_nothing_is_added) {
  open();
  const std::string message = backend.frame(kText, "part", false);
  backend.sends_bytes(message);
  farewell();
  backend.sends_close(1000);
  BOOST_TEST(client.receives().payload == "part");
  client.receives_close(1000);
  client.sends_close(1000);
  backend.receives_close(1000);
  backend.sends_fin();
  client.receives_fin();
  ended_as(CloseReason::BackendClosed);
  backend.receives_fin();
  BOOST_TEST(closes(1000, By::Backend) == 1U);
  BOOST_TEST(closes(1012, By::Limpet) == 0U);
}

BOOST_AUTO_TEST_CASE(a_session_that_closes_by_itself_gets_no_farewell) {
  open();
  client.sends_close(1000);
  farewell();
  backend.receives_close(1000);
  client.receives_no_more();
  backend.sends_close(1000);
  farewell();
  client.receives_close(1000);
  client.receives_no_more();
  backend.sends_fin();
  client.sends_fin();
  ended_as(CloseReason::ClientClosed);
}

BOOST_AUTO_TEST_CASE(a_second_farewell_adds_nothing) {
  open();
  farewell();
  farewell(CloseReason::Rebalanced);
  client.receives_close(1012);
  client.receives_no_more();
}

BOOST_AUTO_TEST_CASE(while_its_close_is_awaited_the_client_is_read_past_the_high_water_mark) {
  route.http.high_water = 1000;
  open();
  backend.script.room = 0;
  farewell();
  for (int i = 0; i < 20; ++i) client.sends(std::string(500, 'x'));
  client.sends_close(1012);
  BOOST_TEST(client.script.all_read());
  client.receives_close(1012);
  client.receives_fin();
  backend.script.room = Script::kAny;
  run();
  for (int i = 0; i < 20; ++i) backend.receives(std::string(500, 'x'));
  backend.receives_close(1012);
}

BOOST_AUTO_TEST_CASE(a_client_that_never_hangs_up_after_the_goodbyes_is_left_after_the_linger_time) {
  open();
  farewell();
  client.sends_close(1012);
  pass(kLinger - milliseconds(100));
  BOOST_TEST(!over());
  pass_over(milliseconds(100));
  ended_as(CloseReason::Drained);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
