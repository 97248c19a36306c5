// SPDX-License-Identifier: Apache-2.0
// A WebSocket between two scripted peers: the end of a session whose peer takes its bytes slowly. Until nothing of ours
// is unacknowledged any more stall_timeout decides, and ten times close_timeout at most; what ends torn in a drain
// counts as cut.
#include "proxy/session/websocket/session.h"
#include "tests/session/websocket/fixture.h"

namespace limpet::session {

namespace {

using namespace frames;

constexpr Duration kLinger = seconds(3);
const std::string kLong(2000, 'x');

struct Fixture : WebSocketFixture {
  // It takes `bytes` every second for so long.
  void takes_steadily(End& end, std::size_t bytes, Duration time) {
    for (Duration passed{}; passed < time; passed += seconds(1)) {
      if (end.script.room != Script::kAny) end.script.room += bytes;
      pass(seconds(1));
    }
  }
  // Its side of the connection has so many bytes that it has not acknowledged, and acknowledges some each second.
  void acknowledges_steadily(End& end, std::uint32_t bytes, Duration time) {
    for (Duration passed{}; passed < time; passed += seconds(1)) {
      end.script.unacknowledged -= std::min(bytes, end.script.unacknowledged);
      pass(seconds(1));
    }
  }
  Duration cap() const { return 10 * Duration(route.websocket.close_timeout); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(websocket_slow_end, Fixture)

// --- the ordinary end ---

BOOST_AUTO_TEST_CASE(a_slow_but_steady_client_gets_all_up_to_the_backends_close) {
  open();
  client.script.room = 100;
  backend.sends(kLong);
  backend.sends_close(1000);
  takes_steadily(client, 100, seconds(15));
  BOOST_TEST_REQUIRE(!over());
  client.takes_all();
  client.receives(kLong);
  client.receives_close(1000);
  client.sends_close(1000);
  backend.receives_close(1000);
  backend.sends_fin();
  client.sends_fin();
  ended_as(CloseReason::BackendClosed);
}

BOOST_AUTO_TEST_CASE(a_slow_but_steady_backend_gets_all_up_to_the_clients_close) {
  open();
  backend.script.room = 100;
  client.sends(kLong);
  client.sends_close(1000);
  takes_steadily(backend, 100, seconds(15));
  BOOST_TEST_REQUIRE(!over());
  backend.takes_all();
  backend.receives(kLong);
  backend.receives_close(1000);
}

BOOST_AUTO_TEST_CASE(a_slow_but_steady_backend_gets_all_up_to_the_clients_fin) {
  open();
  backend.script.room = 100;
  client.sends(kLong);
  client.sends_fin();
  takes_steadily(backend, 100, seconds(15));
  BOOST_TEST_REQUIRE(!over());
  backend.takes_all();
  backend.receives(kLong);
  backend.receives_fin();
}

BOOST_AUTO_TEST_CASE(what_the_kernel_holds_for_a_slow_peer_counts_as_what_is_queued) {
  open();
  client.script.unacknowledged = 20'000;
  backend.sends(kLong);
  backend.sends_close(1000);
  acknowledges_steadily(client, 1000, seconds(15));
  BOOST_TEST_REQUIRE(!over());
  client.script.unacknowledged = 0;
  pass(route.websocket.close_timeout - milliseconds(600));
  BOOST_TEST(!over());
  pass_over(milliseconds(600));
  ended_as(CloseReason::BackendClosed);
}

BOOST_AUTO_TEST_CASE(close_timeout_begins_when_all_is_acknowledged) {
  open();
  client.script.unacknowledged = 500;
  client.sends_close(1000);
  pass(seconds(4));
  client.script.unacknowledged = 0;
  pass(route.websocket.close_timeout - milliseconds(600));
  BOOST_TEST(!over());
  pass_over(milliseconds(600));
  ended_as(CloseReason::ClientClosed);
}

BOOST_AUTO_TEST_CASE(an_end_is_held_for_ten_times_close_timeout_at_most) {
  open();
  client.script.room = 0;
  backend.sends(kLong);
  backend.sends_close(1000);
  takes_steadily(client, 1, cap() - seconds(1));
  BOOST_TEST(!over());
  pass_over(seconds(1));
  ended_as(CloseReason::BackendClosed);
  BOOST_TEST(cuts() == 0U);
}

BOOST_AUTO_TEST_CASE(a_client_that_acknowledges_nothing_of_the_end_is_slow_after_the_stall_timeout) {
  route.http.stall_timeout = seconds(10);
  open();
  client.script.unacknowledged = 500;
  backend.sends_close(1000);
  pass(route.http.stall_timeout - milliseconds(100));
  BOOST_TEST(!over());
  pass_over(milliseconds(600));
  ended_as(CloseReason::SlowClient);
}

BOOST_AUTO_TEST_CASE(a_client_that_lost_its_backend_gets_the_close_however_slowly) {
  open();
  client.script.room = 100;
  backend.sends(kLong);
  backend.resets();
  takes_steadily(client, 100, seconds(15));
  BOOST_TEST_REQUIRE(!over());
  client.takes_all();
  client.receives(kLong);
  client.receives_close(1001);
  client.sends_close(1001);
  client.receives_fin();
  client.sends_fin();
  ended_as(CloseReason::ResetByBackend);
}

BOOST_AUTO_TEST_CASE(a_slow_client_that_hangs_up_while_its_end_is_spread_gets_all_that_waits_for_it) {
  crash_spread = seconds(1000);
  open();
  in_round([&] {
    for (int i = 0; i < 100; ++i) pool->view().backends[0]->crash_delay(worker->now(), crash_spread, 1.0);
  });
  client.script.room = 100;
  backend.sends(kLong);
  backend.resets();
  client.sends_fin();
  BOOST_TEST_REQUIRE(!over());
  client.takes_all();
  client.receives(kLong);
  client.receives_close(1001);
  client.receives_fin();
  ended_as(CloseReason::ResetByBackend);
}

BOOST_AUTO_TEST_CASE(what_a_lost_client_sent_reaches_a_slow_backend_whole) {
  open();
  backend.script.room = 100;
  client.sends(kLong);
  client.resets();
  BOOST_TEST(client.script.closed);
  BOOST_TEST_REQUIRE(!over());
  takes_steadily(backend, 100, seconds(15));
  BOOST_TEST_REQUIRE(!over());
  backend.takes_all();
  backend.receives(kLong);
  backend.receives_close(1001);
  ended_as(CloseReason::ResetByClient);
}

// --- the farewell ---

BOOST_AUTO_TEST_CASE(a_slow_but_steady_client_gets_a_huge_frame_to_its_end_and_the_farewell) {
  route.http.high_water = 500;
  open();
  const std::string frame = backend.frame(kText, std::string(20'000, 'x'));
  client.script.room = 100;
  backend.script.most_per_read = 500;
  backend.sends_bytes(frame);
  farewell();
  takes_steadily(client, 500, seconds(30));
  BOOST_TEST_REQUIRE(!over());
  client.takes_all();
  client.receives_bytes(frame);
  client.receives_close(1012);
  client.sends_close(1012);
  client.sends_fin();
  backend.sends_fin();
  ended_as(CloseReason::Drained);
  BOOST_TEST(cuts() == 0U);
}

BOOST_AUTO_TEST_CASE(a_huge_frame_that_comes_slowly_but_steadily_is_waited_for) {
  open();
  const std::string frame = backend.frame(kText, std::string(20, 'x'));
  backend.sends_bytes(frame.substr(0, 2));
  farewell();
  for (std::size_t at = 2; at < frame.size(); ++at) {
    pass(seconds(1));
    backend.sends_bytes(frame.substr(at, 1));
  }
  client.receives_bytes(frame);
  client.receives_close(1012);
}

BOOST_AUTO_TEST_CASE(a_frame_that_the_client_sends_slowly_but_steadily_is_waited_for) {
  open();
  farewell();
  const std::string frame = client.frame(kText, std::string(20, 'x'));
  for (std::size_t at = 0; at < frame.size(); ++at) {
    client.sends_bytes(frame.substr(at, 1));
    pass(seconds(1));
  }
  client.sends_close(1012);
  backend.receives(std::string(20, 'x'));
  backend.receives_close(1012);
  client.sends_fin();
  backend.sends_fin();
  ended_as(CloseReason::Drained);
}

BOOST_AUTO_TEST_CASE(the_farewell_waits_until_a_slow_client_has_it) {
  open();
  client.script.room = 100;
  backend.sends(kLong);
  farewell();
  takes_steadily(client, 100, seconds(18));
  BOOST_TEST_REQUIRE(!over());
  BOOST_TEST(!client.script.fin);
  client.takes_all();
  client.receives(kLong);
  client.receives_close(1012);
  client.sends_close(1012);
  client.receives_fin();
  client.sends_fin();
  backend.sends_fin();
  ended_as(CloseReason::Drained);
}

BOOST_AUTO_TEST_CASE(what_the_client_still_said_reaches_a_slow_backend) {
  open();
  backend.script.room = 100;
  farewell();
  client.sends(kLong);
  client.sends_close(1012);
  client.sends_fin();
  takes_steadily(backend, 100, seconds(18));
  BOOST_TEST_REQUIRE(!over());
  backend.takes_all();
  backend.receives(kLong);
  backend.receives_close(1012);
  backend.sends_fin();
  ended_as(CloseReason::Drained);
  BOOST_TEST(cuts() == 0U);
}

BOOST_AUTO_TEST_CASE(a_client_that_takes_a_byte_a_second_is_cut_in_the_end) {
  open();
  client.script.room = 0;
  backend.sends(kLong);
  farewell();
  takes_steadily(client, 1, cap() - seconds(1));
  BOOST_TEST(!over());
  pass_over(seconds(2));
  ended_as(CloseReason::Cut);
  BOOST_TEST(cuts() == 1U);
  backend.receives_close(1001);
}

BOOST_AUTO_TEST_CASE(a_client_that_never_acknowledges_the_farewell_was_cut) {
  open();
  client.script.unacknowledged = 10;
  farewell();
  pass(cap() - seconds(1));
  BOOST_TEST(!over());
  pass_over(seconds(2));
  ended_as(CloseReason::Cut);
  BOOST_TEST(cuts() == 1U);
}

BOOST_AUTO_TEST_CASE(a_client_that_stalls_in_its_farewell_was_cut) {
  route.http.stall_timeout = seconds(10);
  open();
  client.script.room = 10;
  backend.sends(kLong);
  farewell();
  pass_over(route.http.stall_timeout);
  ended_as(CloseReason::Cut);
  BOOST_TEST(client.script.closed_with_reset);
  BOOST_TEST(cuts() == 1U);
  backend.receives_close(1001);
}

BOOST_AUTO_TEST_CASE(a_backend_that_stalls_on_what_the_client_said_last_makes_it_a_cut) {
  route.http.stall_timeout = seconds(10);
  open();
  backend.script.room = 10;
  farewell();
  client.sends(kLong);
  client.sends_close(1012);
  client.sends_fin();
  pass_over(route.http.stall_timeout + seconds(1));
  ended_as(CloseReason::Cut);
  BOOST_TEST(cuts() == 1U);
}

BOOST_AUTO_TEST_CASE(a_client_that_stands_in_mid_frame_when_its_time_is_over_was_cut) {
  open();
  farewell();
  client.sends_bytes(client.frame(kText, "half").substr(0, 7));
  pass_over(route.websocket.close_timeout + kLinger);
  ended_as(CloseReason::Cut);
  BOOST_TEST(cuts() == 1U);
}

BOOST_AUTO_TEST_CASE(a_client_that_resets_instead_of_saying_close_was_cut) {
  open();
  farewell();
  client.resets();
  ended_as(CloseReason::Cut);
  BOOST_TEST(cuts() == 1U);
}

BOOST_AUTO_TEST_CASE(a_client_that_resets_when_it_has_said_close_left_in_peace) {
  open();
  farewell();
  client.sends_close(1012);
  client.resets();
  ended_as(CloseReason::Drained);
}

BOOST_AUTO_TEST_CASE(a_process_that_leaves_counts_what_ended_torn_too) {
  open();
  client.script.room = 0;
  backend.sends(kLong);
  farewell(CloseReason::Shutdown);
  pass_over(cap() + seconds(1));
  ended_as(CloseReason::Cut);
  BOOST_TEST(cuts() == 1U);
}

BOOST_AUTO_TEST_CASE(an_idle_session_that_ends_torn_is_no_cut_of_a_drain) {
  route.websocket.idle_timeout = seconds(60);
  open();
  client.script.unacknowledged = 10;
  pass_over(route.websocket.idle_timeout + cap() + seconds(1));
  ended_as(CloseReason::IdleTimeout);
  BOOST_TEST(cuts() == 0U);
}

BOOST_AUTO_TEST_CASE(a_backends_own_close_that_a_dismissed_client_does_not_take_is_a_cut) {
  open();
  backend.sends_bytes(backend.frame(kText, "part", false));
  farewell();
  client.script.room = 1;
  backend.sends_close(1000);
  pass_over(cap() + seconds(1));
  ended_as(CloseReason::Cut);
}

// The client's last message and its FIN come in one round, and the backend, which has said its own, turns out to be
// gone.
BOOST_AUTO_TEST_CASE(a_drain_counts_a_session_as_cut_whose_last_message_is_refused) {
  open();
  farewell();
  backend.sends_fin();
  backend.script.refuses_writes = true;
  client.script.brings(client.frame(kText, "lost"));
  client.script.brings_eof();
  in_round([&] {
    while (client.script.step()) {
    }
  });
  run();
  ended_as(CloseReason::Cut);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
