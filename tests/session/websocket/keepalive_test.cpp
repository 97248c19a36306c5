// SPDX-License-Identifier: Apache-2.0
// What time asks of a WebSocket session: Pings and their Pongs (RFC 6455 §5.5.2, §5.5.3), idle and slow peers.
#include "proxy/session/websocket/session.h"
#include "tests/session/websocket/fixture.h"

namespace limpet::session {

namespace {

using namespace frames;
using metrics::By;

struct Fixture : WebSocketFixture {
  Fixture() { route.websocket.ping_interval = seconds(30); }

  // The payloads of the Pings that a peer has got since the last call.
  std::vector<std::string> new_pings(End& peer) {
    std::size_t& seen = &peer == &client ? seen_by_client : seen_by_backend;
    std::vector<std::string> payloads;
    for (const Frame& frame : walk(std::string_view(peer.script.written).substr(seen))) {
      if (frame.opcode == kPing) payloads.push_back(frame.payload);
    }
    seen = peer.script.written.size();
    return payloads;
  }
  // A number of intervals in which the backend answers as it should, and the client by `answer` to each payload.
  void lives(const std::function<void(const std::string&)>& answer) {
    for (int i = 0; i < 8; ++i) {
      pass_over(route.websocket.ping_interval);
      BOOST_TEST_REQUIRE(!over(), "over in interval " << i);
      for (const auto& payload : new_pings(client)) answer(payload);
      for (const auto& payload : new_pings(backend)) backend.sends_bytes(backend.frame(kPong, payload));
    }
  }
  std::size_t seen_by_client = 0, seen_by_backend = 0;
  std::string pinged(End& end) {
    const auto got = end.receives();
    BOOST_TEST_REQUIRE(got.opcode == kPing);
    BOOST_TEST(got.payload.size() == 4U);
    return got.payload;
  }
  std::uint64_t round_trips(std::size_t side) {
    std::uint64_t sum = 0;
    auto& histogram = registry.backend("chat", "chat-1", 0).ping_rtt[side];
    for (std::size_t i = 0; i < histogram.kBuckets; ++i) sum += histogram.count(i);
    return sum;
  }
};

std::string shown(std::string_view stream) {
  std::string text;
  for (const Frame& frame : walk(stream)) text += std::to_string(frame.opcode) + ":" + frame.payload + " ";
  return ends_at_a_frame(stream) ? text : text + "and a part";
}

// After a Ping to one side that answers with `sent`, in two pieces split at each place, the other side gets `expected`.
// The payload "PONG" stands for that of the Ping.
void relays_on_every_split(const std::vector<Frame>& sent, const std::string& expected) {
  for (const bool from_client : {true, false}) {
    for (std::size_t at = 1, size = 2; at < size; ++at) {
      BOOST_TEST_CONTEXT((from_client ? "client" : "backend") << " split at " << at) {
        Fixture f;
        f.route.websocket.ping_interval = seconds(1);
        f.open();
        f.pass_over(f.route.websocket.ping_interval);
        auto& from = from_client ? f.client : f.backend;
        auto& to = from_client ? f.backend : f.client;
        const std::string ours = f.pinged(from);
        const std::size_t before = to.script.written.size();
        std::string stream;
        for (const Frame& frame : sent) {
          stream += from.frame(frame.opcode, frame.payload == "PONG" ? ours : frame.payload);
        }
        size = stream.size();
        from.sends_bytes(std::string_view(stream).substr(0, at));
        from.sends_bytes(std::string_view(stream).substr(at));
        BOOST_TEST(shown(std::string_view(to.script.written).substr(before)) == expected);
        BOOST_TEST(f.round_trips(from_client ? 0 : 1) == 1U);
      }
    }
  }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(websocket_keepalive, Fixture)

BOOST_AUTO_TEST_CASE(a_silent_peer_is_pinged_and_its_pong_swallowed) {
  open();
  pass(route.websocket.ping_interval - milliseconds(100));
  client.receives_no_more();
  backend.receives_no_more();
  pass_over(milliseconds(100));
  const std::string to_client = pinged(client);
  const std::string to_backend = pinged(backend);
  pass(milliseconds(300));
  client.sends_bytes(client.frame(kPong, to_client));
  backend.sends_bytes(backend.frame(kPong, to_backend));
  client.receives_no_more();
  backend.receives_no_more();
  BOOST_TEST(round_trips(0) == 1U);
  BOOST_TEST(round_trips(1) == 1U);
  pass_over(route.websocket.ping_interval);
  BOOST_TEST(pinged(client) != to_client);
}

BOOST_AUTO_TEST_CASE(our_pong_is_swallowed_and_the_rest_passes_however_the_bytes_are_split) {
  relays_on_every_split({{kText, "before"}, {kPong, "PONG"}, {kText, "after"}}, "1:before 1:after ");
}

BOOST_AUTO_TEST_CASE(foreign_pongs_pass_however_the_bytes_are_split) {
  relays_on_every_split({{kPong, "abcd"}, {kPong, ""}, {kPong, "PONG"}, {kPong, "PONG and more"}, {kPing, "p"}},
                        "10:abcd 10: 10:PONG and more 9:p ");
}

BOOST_AUTO_TEST_CASE(our_pong_is_swallowed_between_fragments_and_byte_by_byte) {
  open();
  pass_over(route.websocket.ping_interval);
  const std::string ours = pinged(client);
  pinged(backend);
  client.script.most_per_read = 1;
  client.sends_bytes(client.frame(kText, "one", false) + client.frame(kPong, ours) +
                     client.frame(kContinuation, "two"));
  BOOST_TEST(backend.receives().payload == "one");
  BOOST_TEST(backend.receives().payload == "two");
  backend.receives_no_more();
}

BOOST_AUTO_TEST_CASE(a_second_pong_with_our_payload_is_foreign) {
  open();
  pass_over(route.websocket.ping_interval);
  const std::string ours = pinged(client);
  pinged(backend);
  client.sends_bytes(client.frame(kPong, ours) + client.frame(kPong, ours));
  BOOST_TEST(backend.receives().opcode == kPong);
  backend.receives_no_more();
}

BOOST_AUTO_TEST_CASE(a_farewell_while_half_a_pong_is_held_back_takes_the_boundary_before_it) {
  open();
  pass_over(route.websocket.ping_interval);
  pinged(client);
  const std::string pong = backend.frame(kPong, pinged(backend));
  backend.sends_bytes(pong.substr(0, 3));
  client.receives_no_more();
  farewell();
  client.receives_close(1012);
  backend.sends_bytes(pong.substr(3));
  client.receives_no_more();
}

BOOST_AUTO_TEST_CASE(a_clients_close_that_is_held_back_in_part_is_relayed_whole) {
  open();
  pass_over(route.websocket.ping_interval);
  pinged(client);
  pinged(backend);
  const std::string close = client.frame(kClose, close_payload(1000));
  client.sends_bytes(close.substr(0, 4));
  backend.receives_no_more();
  farewell();
  client.sends_bytes(close.substr(4));
  backend.receives_bytes(close);
  client.receives_close(1012);
  client.receives_fin();
}

BOOST_AUTO_TEST_CASE(a_client_without_pong_is_gone_at_the_next_interval) {
  open();
  pass_over(route.websocket.ping_interval);
  pinged(client);
  backend.sends_bytes(backend.frame(kPong, pinged(backend)));
  pass(route.websocket.ping_interval - milliseconds(100));
  BOOST_TEST(!over());
  pass_over(milliseconds(600));
  BOOST_TEST(closes(0, By::Backend) == 1U);
  ended_as(CloseReason::IdleTimeout);
  backend.receives_close(1001);
}

BOOST_AUTO_TEST_CASE(a_backend_without_pong_is_lost_at_the_next_interval) {
  open();
  pass_over(route.websocket.ping_interval);
  client.sends_bytes(client.frame(kPong, pinged(client)));
  pinged(backend);
  pass_over(route.websocket.ping_interval + milliseconds(600));
  pinged(client);
  client.receives_close(1001);
  client.sends_close(1001);
  client.sends_fin();
  ended_as(CloseReason::IdleTimeout);
}

BOOST_AUTO_TEST_CASE(a_pong_that_comes_behind_much_else_is_swallowed_all_the_same) {
  open();
  pass_over(route.websocket.ping_interval);
  const std::string ours = pinged(backend);
  client.sends_bytes(client.frame(kPong, pinged(client)));
  backend.sends("before it");
  client.receives("before it");
  pass(route.websocket.ping_interval - milliseconds(100));
  client.sends("alive");
  backend.receives("alive");
  pass_over(milliseconds(100));  // the backend is silent again
  backend.receives_no_more();
  pass(milliseconds(200));
  backend.sends_bytes(backend.frame(kPong, ours));
  client.receives_no_more();
  BOOST_TEST(round_trips(1) == 0U);
  BOOST_TEST(!over());
}

BOOST_AUTO_TEST_CASE(a_peer_that_answers_the_latest_ping_alone_is_pinged_again) {
  open();
  pass_over(route.websocket.ping_interval);
  backend.sends_bytes(backend.frame(kPong, pinged(backend)) + backend.frame(kPing, "theirs"));
  pinged(client);
  BOOST_TEST(client.receives().payload == "theirs");
  client.sends_bytes(client.frame(kPong, "theirs"));
  BOOST_TEST(backend.receives().payload == "theirs");
  pass_over(route.websocket.ping_interval);
  BOOST_TEST(pinged(client) != "");
}

BOOST_AUTO_TEST_CASE(any_byte_is_as_good_as_a_pong) {
  open();
  for (int i = 0; i < 5; ++i) {
    pass(route.websocket.ping_interval);
    client.script.brings(client.frame(kText, "busy").substr(0, 10));
    backend.script.brings(backend.frame(kText, "busy").substr(0, 6));
    run();
  }
  BOOST_TEST(!over());
}

BOOST_AUTO_TEST_CASE(no_ping_goes_out_while_the_other_peer_awaits_a_pong) {
  open();
  backend.sends_bytes(backend.frame(kPing, "theirs"));
  BOOST_TEST(client.receives().payload == "theirs");
  pass(route.websocket.ping_interval + seconds(1));
  client.receives_no_more();
  client.sends_bytes(client.frame(kPong, "theirs"));
  BOOST_TEST(pinged(backend) != "");
  BOOST_TEST(backend.receives().payload == "theirs");
  backend.receives_no_more();
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_the_backends_ping_unanswered_is_gone_as_if_it_were_ours) {
  open();
  backend.sends_bytes(backend.frame(kPing, "theirs"));
  pass_over(route.websocket.ping_interval);
  backend.sends_bytes(backend.frame(kPong, pinged(backend)));
  pass(route.websocket.ping_interval - milliseconds(200));
  BOOST_TEST(!over());
  pass_over(milliseconds(800));
  ended_as(CloseReason::IdleTimeout);
  BOOST_TEST(client.receives().payload == "theirs");
  client.receives_no_more();
  backend.receives_close(1001);
}

BOOST_AUTO_TEST_CASE(no_ping_goes_out_into_the_middle_of_a_frame) {
  open();
  const std::string frame = backend.frame(kText, "long");
  backend.sends_bytes(frame.substr(0, 3));
  pass(route.websocket.ping_interval + seconds(1));
  client.receives_bytes(frame.substr(0, 3));
  client.receives_no_more();
  backend.sends_bytes(frame.substr(3));
  client.receives_bytes(frame.substr(3));
  pass_over(milliseconds(600));
  pinged(client);
}

BOOST_AUTO_TEST_CASE(a_session_in_its_farewell_is_not_pinged) {
  route.websocket.close_timeout = seconds(100);
  open();
  farewell();
  pass(seconds(90));
  client.receives_close(1012);
  client.receives_no_more();
  backend.receives_no_more();
}

// --- where no Ping can be sent the kernel asks after the peers ---

BOOST_AUTO_TEST_CASE(without_pings_both_peers_are_probed_by_the_kernel_from_the_first_silence_on) {
  route.websocket.ping_interval = milliseconds(0);
  open();
  for (int i = 0; i < 10; ++i) {
    pass(seconds(4));
    client.sends("busy");
    backend.sends("busy");
  }
  BOOST_TEST((!client.script.probed && !backend.script.probed));
  pass_over(seconds(5));
  BOOST_TEST((client.script.probed && backend.script.probed));
  BOOST_TEST(!over());
}

BOOST_AUTO_TEST_CASE(without_pings_one_silent_peer_is_enough_to_be_probed) {
  route.websocket.ping_interval = milliseconds(0);
  open();
  for (int i = 0; i < 2; ++i) {
    pass(seconds(3));
    backend.sends("busy");
  }
  BOOST_TEST(client.script.probed);
}

BOOST_AUTO_TEST_CASE(a_blind_session_is_probed_by_the_kernel) {
  for (const bool client_is_strange : {true, false}) {
    Fixture f;
    f.open();
    (client_is_strange ? f.client : f.backend).sends_bytes("\xff\xff not a frame");
    f.pass_over(f.route.websocket.ping_interval);
    BOOST_TEST((f.client.script.probed && f.backend.script.probed));
  }
}

BOOST_AUTO_TEST_CASE(a_session_with_pings_needs_no_probes) {
  open();
  pass(seconds(29));
  BOOST_TEST((!client.script.probed && !backend.script.probed));
}

BOOST_AUTO_TEST_CASE(a_peer_that_the_kernel_finds_gone_ends_the_session) {
  route.websocket.ping_interval = milliseconds(0);
  open();
  pass_over(seconds(5));
  client.resets();  // ETIMEDOUT, as it comes from a read
  ended_as(CloseReason::ResetByClient);
}

BOOST_AUTO_TEST_CASE(an_idle_session_ends_with_1001) {
  route.websocket.ping_interval = milliseconds(0);
  route.websocket.idle_timeout = seconds(60);
  open();
  pass(seconds(50));
  client.sends("not yet");
  pass(seconds(59));
  client.receives_no_more();
  pass_over(seconds(1));
  client.receives_close(1001);
  client.sends_close(1001);
  backend.receives("not yet");
  backend.receives_close(1001);
  client.sends_fin();
  backend.sends_fin();
  ended_as(CloseReason::IdleTimeout);
}

BOOST_AUTO_TEST_CASE(a_client_that_takes_nothing_for_the_stall_timeout_is_reset_as_slow) {
  route.websocket.ping_interval = milliseconds(0);
  open();
  client.script.room = 2;
  client.script.unacknowledged = 500;
  backend.sends("too much");
  pass(route.http.stall_timeout - milliseconds(100));
  BOOST_TEST(!over());
  pass_over(milliseconds(100));
  ended_as(CloseReason::SlowClient);
  BOOST_TEST(client.script.closed_with_reset);
  backend.receives_close(1001);
}

BOOST_AUTO_TEST_CASE(a_backend_that_is_not_read_for_a_slow_clients_sake_is_not_taken_for_dead) {
  route.websocket.ping_interval = seconds(30);
  route.http.stall_timeout = seconds(600);
  route.http.high_water = 1000;
  open();
  client.script.room = 0;
  backend.sends(std::string(5000, 'x'));
  BOOST_TEST_REQUIRE(!backend.script.reading());
  for (int i = 0; i < 20; ++i) {
    client.sends("still here");
    pass(seconds(10));
    BOOST_TEST_REQUIRE(!over());
  }
  client.script.room = Script::kAny;
  run();
  client.receives(std::string(5000, 'x'));
  BOOST_TEST(backend.script.reading());
}

BOOST_AUTO_TEST_CASE(a_backend_that_stalls_after_the_farewells_close_adds_no_second_one) {
  route.websocket.ping_interval = milliseconds(0);
  route.websocket.close_timeout = seconds(20);
  route.http.stall_timeout = seconds(60);
  open();
  backend.script.room = 2;
  backend.script.unacknowledged = 500;
  client.sends("too much");
  pass(seconds(57));
  farewell();
  client.receives_close(1012);
  pass(seconds(6));
  client.receives_no_more();
  client.sends_close(1012);
  client.sends_fin();
  client.receives_fin();
  pass_over(seconds(20));
  ended_as(CloseReason::Cut);
}

BOOST_AUTO_TEST_CASE(a_ping_behind_much_is_waited_for_while_the_client_takes_something) {
  open();
  client.script.unacknowledged = 100'000;
  pass_over(seconds(30));
  pinged(client);
  const auto backend_says = [&] {
    const std::size_t before = client.script.written.size();
    backend.sends("y");
    client.receives("y");
    client.script.unacknowledged += static_cast<std::uint32_t>(client.script.written.size() - before);
  };
  for (int i = 0; i < 4; ++i) {  // 20,000 bytes an interval
    client.script.unacknowledged -= 20'000;
    backend_says();
    pass(seconds(29));
    BOOST_TEST_REQUIRE(!over());
  }
  // Now it takes nothing: that more is put behind the Ping is no sign of life.
  backend_says();
  pass_over(seconds(5));
  ended_as(CloseReason::IdleTimeout);
}

BOOST_AUTO_TEST_CASE(a_ping_behind_much_that_nobody_takes_is_not_waited_for_beyond_the_interval) {
  open();
  client.script.unacknowledged = 100'000;
  pass_over(seconds(30));
  pinged(client);
  pinged(backend);
  client.script.unacknowledged += 6;  // the Ping itself waits, too
  backend.sends("y");
  client.script.unacknowledged += 3;
  pass_over(seconds(30));
  backend.receives_close(1001);
  ended_as(CloseReason::IdleTimeout);
}

BOOST_AUTO_TEST_CASE(a_ping_behind_little_is_not_waited_for_beyond_the_interval) {
  open();
  client.script.unacknowledged = 1000;
  pass_over(seconds(30));
  pinged(client);
  pinged(backend);
  client.script.unacknowledged = 0;
  backend.sends("y");
  pass_over(seconds(30));
  backend.receives_close(1001);
  ended_as(CloseReason::IdleTimeout);
}

BOOST_AUTO_TEST_CASE(a_client_whose_side_acknowledges_something_is_not_stalled) {
  route.websocket.ping_interval = milliseconds(0);
  open();
  client.script.room = 2;
  client.script.unacknowledged = 500;
  backend.sends("too much");
  for (int i = 0; i < 3; ++i) {
    pass(route.http.stall_timeout - seconds(1));
    --client.script.unacknowledged;
  }
  BOOST_TEST(!over());
  pass_over(2 * route.http.stall_timeout);
  ended_as(CloseReason::SlowClient);
}

BOOST_AUTO_TEST_CASE(a_backend_that_takes_nothing_for_the_stall_timeout_is_lost) {
  route.websocket.ping_interval = milliseconds(0);
  open();
  backend.script.room = 0;
  client.sends("too much");
  pass_over(route.http.stall_timeout);
  BOOST_TEST(backend.script.closed);
  client.receives_close(1001);
}

BOOST_AUTO_TEST_CASE(a_peer_whose_pongs_are_empty_lives) {
  open();
  lives([&](const std::string&) { client.sends_bytes(client.frame(kPong, "")); });
}

BOOST_AUTO_TEST_CASE(a_peer_that_missed_one_ping_is_asked_again) {
  open();
  bool first = true;
  lives([&](const std::string& payload) {
    if (std::exchange(first, false)) return client.sends("busy");
    client.sends_bytes(client.frame(kPong, payload));
  });
}

BOOST_AUTO_TEST_CASE(a_blind_client_that_answers_lives) {
  open();
  client.sends_bytes(client.frame(0x3, "extension"));  // a reserved opcode: from here on nobody knows its frames
  lives([&](const std::string& payload) { client.sends_bytes(client.frame(kPong, payload)); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
