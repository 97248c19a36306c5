// SPDX-License-Identifier: Apache-2.0
// Sessions whose id a backend has handed out (MCP, Engine.IO): a connection that is lost is not the session's end, what
// a backend says passes, and limpet acknowledges nothing that no backend took.
#include <boost/test/unit_test.hpp>

#include "tests/session/http/backends.h"

namespace limpet::session {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::string answer(std::string_view status, std::string_view body, std::string_view fields = {}) {
  return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

struct Fixture : Backends {
  Fixture()
      : Backends([](PoolSettings& pool, RouteSettings&) {
          pool.learn = {{LearnSource::Kind::EngineIo, ""},
                        {LearnSource::Kind::Header, "Mcp-Session-Id"},
                        {LearnSource::Kind::Cookie, "JSESSIONID"}};
        }) {}

  std::string mcp(std::string_view method, std::string_view id) const {
    return std::string(method) + " /mcp HTTP/1.1\r\nHost: x\r\nX-Key: " + key + "\r\n" +
           (id.empty() ? "" : "Mcp-Session-Id: " + std::string(id) + "\r\n") +
           (method == "POST" ? "Content-Length: 2\r\n\r\n{}" : "\r\n");
  }
  std::string engine_io(std::string_view method, std::string_view sid, std::string_view extra = {}) const {
    return std::string(method) + " /socket.io/?EIO=4&transport=polling" +
           (sid.empty() ? "" : "&sid=" + std::string(sid)) + std::string(extra) +
           " HTTP/1.1\r\nHost: x\r\nX-Key: " + key + "\r\n" +
           (method == "POST" ? "Content-Length: 2\r\n\r\n4m" : "\r\n");
  }
  // Backend a has handed out "id" to an MCP client and "sid" to one of Engine.IO.
  void learn() {
    asks(one, mcp("POST", ""));
    says(a, answer("200 OK", "{}", "Mcp-Session-Id: id\r\n"));
    asks(one, engine_io("GET", ""));
    says(a, answer("200 OK", R"(0{"sid":"sid","upgrades":[]})"));
    BOOST_TEST_REQUIRE(one.written.ends_with("[]}"));
  }
  bool is_gone(std::string_view id) {
    Script& other = client();
    asks(other, mcp("POST", id));
    const bool gone = other.written.starts_with("HTTP/1.1 404");
    if (!gone && heard(a).starts_with("POST")) says(a, answer("200 OK", "{}"));
    return gone;
  }

  const std::string key = key_of(a);
  Script& one = client();
};

// Nothing but learn_ttl ends anything.
struct LongLived : Backends {
  LongLived()
      : Backends([](PoolSettings& pool, RouteSettings& route) {
          pool.learn = {{LearnSource::Kind::Cookie, "JSESSIONID"}};
          pool.learn_ttl = seconds(60);
          route.websocket.ping_interval = milliseconds(0);
          route.websocket.idle_timeout = milliseconds(0);
          route.sse.heartbeat = milliseconds(0);
        }) {}
  std::string get(Name key, std::string_view extra) const {
    return "GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + key_of(key) + "\r\n" + std::string(extra) + "\r\n";
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(learned, Fixture)

// --- a connection that is lost ---

BOOST_AUTO_TEST_CASE(a_post_whose_kept_connection_is_lost_is_no_end_of_its_session) {
  learn();
  for (const std::string& post : {mcp("POST", "id"), engine_io("POST", "sid")}) {
    Script& other = client();
    asks(other, post);
    BOOST_TEST_REQUIRE(heard(a).starts_with("POST"));
    loses_its_connections(a);
    BOOST_TEST(other.written.starts_with("HTTP/1.1 502"), other.written);
    asks(one, post);
    BOOST_TEST(heard(a).starts_with("POST"));
    says(a, answer("200 OK", "ok"));
    BOOST_TEST(one.written.ends_with("\r\n\r\nok"));
  }
}

BOOST_AUTO_TEST_CASE(what_can_be_asked_again_is_asked_of_the_same_backend) {
  learn();
  loses_its_connections(a);
  Script& other = client();
  asks(other, mcp("GET", "id"));
  BOOST_TEST_REQUIRE(heard(a).starts_with("GET"));  // over a new connection
  const std::size_t connections_before = connections(a);
  loses_its_connections(a);
  BOOST_TEST(other.written == "");
  BOOST_TEST(connections(a) == connections_before + 1);
  says(a, answer("200 OK", "hello"));
  BOOST_TEST(other.written.ends_with("hello"));
}

// The backend may have put into it what it says once.
BOOST_AUTO_TEST_CASE(a_poll_whose_answer_may_be_lost_is_not_asked_again) {
  learn();
  for (const bool kept : {true, false}) {
    BOOST_TEST_CONTEXT(kept) {
      Script& other = client();
      asks(other, engine_io("GET", "sid"));
      const std::string asked_once = heard(a);
      BOOST_TEST_REQUIRE(asked_once.starts_with("GET"));
      loses_its_connections(a);  // so that the second one goes over a new connection
      BOOST_TEST(heard(a) == asked_once);
      BOOST_TEST(other.written.starts_with("HTTP/1.1 502"), other.written);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_poll_on_a_connection_that_the_backend_had_ended_already_is_asked_again) {
  learn();
  for (const bool by_reset : {false, true}) {
    BOOST_TEST_CONTEXT((by_reset ? "reset" : "closed")) {
      by_reset ? resets_unseen(a) : closes_unseen(a);
      asks(one, engine_io("GET", "sid"));
      BOOST_TEST(heard(a).starts_with("GET"));
      says(a, answer("200 OK", "hello"));
      BOOST_TEST(one.written.ends_with("hello"));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_poll_that_had_waited_when_its_backend_died_is_gone) {
  learn();
  asks(one, engine_io("GET", "sid"));
  pass(seconds(5));
  dies(a);
  BOOST_TEST(one.written.starts_with("HTTP/1.1 200"), one.written);
  BOOST_TEST(one.written.ends_with("\r\n\r\n1"));
}

BOOST_AUTO_TEST_CASE(it_is_asked_again_once) {
  learn();
  loses_its_connections(a);
  asks(one, mcp("GET", "id"));
  loses_its_connections(a);
  BOOST_TEST(one.written == "");
  loses_its_connections(a);
  BOOST_TEST(one.written.starts_with("HTTP/1.1 502"));
  BOOST_TEST(!is_gone("id"));
}

BOOST_AUTO_TEST_CASE(a_request_of_no_learned_session_is_not_asked_again_over_a_new_connection) {
  asks(one, "GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + key + "\r\n\r\n");
  loses_its_connections(a);
  BOOST_TEST(one.written.starts_with("HTTP/1.1 502"));
}

// --- a backend that is not there ---

BOOST_AUTO_TEST_CASE(where_the_backend_refuses_the_session_is_gone) {
  learn();
  dies(a);
  asks(one, engine_io("POST", "sid"));
  BOOST_TEST(one.written.starts_with("HTTP/1.1 503"), one.written);
  BOOST_TEST(one.written.find("Retry-After: ") != std::string::npos);
  Script& two = client();  // a body that is not read ends the connection
  asks(two, engine_io("GET", "sid"));
  BOOST_TEST(two.written.starts_with("HTTP/1.1 200"));
  BOOST_TEST(two.written.ends_with("\r\n\r\n1"));
  BOOST_TEST(is_gone("id"));
  BOOST_TEST(heard(b) == "");
}

BOOST_AUTO_TEST_CASE(a_learned_cookie_counts_as_absent_where_its_backend_is_gone) {
  const std::string first = "GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + key + "\r\n";
  asks(one, first + "\r\n");
  says(a, answer("200 OK", "a", "Set-Cookie: JSESSIONID=one\r\n"));
  dies(a);
  Script& two = client();
  asks(two, first + "Cookie: JSESSIONID=one\r\n\r\n");
  BOOST_TEST(heard(b).starts_with("GET / "));
  says(b, answer("200 OK", "b"));
  BOOST_TEST(two.written.ends_with("\r\n\r\nb"), two.written);
}

BOOST_AUTO_TEST_CASE(who_brings_a_learned_cookie_that_counts_as_absent_goes_by_his_own_key) {
  asks(one, "GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + key + "\r\n\r\n");
  says(a, answer("200 OK", "a", "Set-Cookie: JSESSIONID=one\r\n"));
  dies(a);
  const std::string own = key_of(b);
  Script& two = client();
  asks(two, "GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + own + "\r\nCookie: JSESSIONID=one\r\n\r\n");
  BOOST_TEST(heard(b).starts_with("GET / "));
  const auto at = shared.affinity.find(backend(b).pool, own, clock.now());
  BOOST_TEST((at.backend == &backend(b)));
  BOOST_TEST(at.sessions.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_poll_that_was_under_way_when_its_backend_died_is_gone) {
  learn();
  asks(one, engine_io("GET", "sid"));
  dies(a);
  BOOST_TEST(one.written.starts_with("HTTP/1.1 200"), one.written);
  BOOST_TEST(one.written.ends_with("\r\n\r\n1"));
}

BOOST_AUTO_TEST_CASE(a_connect_that_takes_too_long_is_no_end_of_a_session) {
  learn();
  loses_its_connections(a);
  fills(a);
  asks(one, mcp("POST", "id"));
  pass(seconds(2));
  BOOST_TEST(one.written == "");
  pass(seconds(2));
  BOOST_TEST(one.written.starts_with("HTTP/1.1 504"), one.written);
  BOOST_TEST(heard(b) == "");
  asks(one, mcp("POST", "id"));
  pass(seconds(2));
  BOOST_TEST(one.written == "");  // it is on its way to its backend again
  BOOST_TEST((shared.affinity.find(backend(a).pool, key, clock.now()).backend == &backend(a)));
}

BOOST_AUTO_TEST_CASE(what_its_checks_call_down_goes_on_serving_where_no_other_backend_is_available) {
  learn();
  backend(a).health = BackendHealth::Down;
  backend(b).health = BackendHealth::Down;
  BOOST_TEST(!is_gone("id"));
  asks(one, mcp("POST", "id"));
  BOOST_TEST(heard(a).starts_with("POST"));
  says(a, answer("200 OK", "{}"));
  backend(b).health = BackendHealth::Up;
  BOOST_TEST(is_gone("id"));
}

// --- what a backend says ---

BOOST_AUTO_TEST_CASE(a_400_of_the_backends_passes) {
  learn();
  const std::string upgrade = "GET /socket.io/?EIO=4&transport=websocket&sid=sid HTTP/1.1\r\nHost: x\r\nX-Key: " + key +
                              "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  for (const std::string& request : {engine_io("POST", "sid"), engine_io("GET", "sid"), engine_io("GET", "unknown"),
                                     engine_io("POST", "unknown"), engine_io("GET", "sid", "&j=0"), upgrade}) {
    asks(one, request);
    BOOST_TEST_REQUIRE(!heard(a).empty(), request);
    says(a, answer("400 Bad Request", R"({"code":1,"message":"Session ID unknown"})"));
    BOOST_TEST(one.written.starts_with("HTTP/1.1 400"), one.written);
    BOOST_TEST(one.written.ends_with("unknown\"}"));
  }
}

// --- after its key's turn ---

BOOST_AUTO_TEST_CASE(after_its_keys_turn_a_poll_is_closed_an_mcp_request_gets_404_and_a_post_reaches_the_old_backend) {
  learn();
  turn_of(key, a);
  asks(one, engine_io("POST", "sid"));
  BOOST_TEST(heard(a).starts_with("POST"));
  says(a, answer("200 OK", "ok"));
  BOOST_TEST(is_gone("id"));
  dies(a);
  for (int i = 0; i < 2; ++i) {
    Script& other = client();
    asks(other, engine_io("POST", "sid"));
    BOOST_TEST(other.written.starts_with("HTTP/1.1 503"), other.written);
    Script& polling = client();
    asks(polling, engine_io("GET", "sid"));
    BOOST_TEST(polling.written.ends_with("\r\n\r\n1"));
  }
  BOOST_TEST(heard(b) == "");
}

BOOST_AUTO_TEST_CASE(after_its_keys_turn_a_learned_cookie_counts_as_absent) {
  const std::string first = "GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + key + "\r\n";
  asks(one, first + "\r\n");
  says(a, answer("200 OK", "a", "Set-Cookie: JSESSIONID=one\r\n"));
  turn_of(key, a);
  asks(one, first + "Cookie: JSESSIONID=one\r\n\r\n");
  BOOST_TEST(heard(b).starts_with("GET / "));
  BOOST_TEST(heard(a) == "");
}

BOOST_AUTO_TEST_CASE(a_websocket_holds_the_id_that_it_carries) {
  for (const bool ws : {false, true}) BOOST_TEST_CONTEXT((ws ? "WebSocket" : "event stream")) {
      LongLived f;
      Script& one = f.client();
      f.asks(one, f.get(Backends::a, ""));
      f.says(Backends::a, answer("200 OK", "a", "Set-Cookie: JSESSIONID=one\r\n"));
      Script& open = f.client();
      if (ws) {
        f.asks(open,
               f.get(Backends::b,
                     "Cookie: JSESSIONID=one\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
                     "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
        BOOST_TEST_REQUIRE(f.heard(Backends::a).starts_with("GET"));
        f.says(Backends::a,
               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
               "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
        BOOST_TEST_REQUIRE(open.written.starts_with("HTTP/1.1 101"));
      } else {
        f.asks(open, f.get(Backends::b, "Cookie: JSESSIONID=one\r\nAccept: text/event-stream\r\n"));
        BOOST_TEST_REQUIRE(f.heard(Backends::a).starts_with("GET"));
        f.says(Backends::a, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        BOOST_TEST_REQUIRE(open.written.starts_with("HTTP/1.1 200"));
      }
      for (int i = 0; i < 70; ++i) f.pass(seconds(1));
      BOOST_TEST(!open.closed);
      BOOST_TEST(f.backend(Backends::a).sessions == 1U);
      Script& again = f.client();
      f.asks(again, f.get(Backends::b, "Cookie: JSESSIONID=one\r\n"));
      BOOST_TEST(f.heard(Backends::a).starts_with("GET"));
      BOOST_TEST(f.heard(Backends::b) == "");
    }
}

// A session that came with the id before limpet knew it lets go what another holds.
BOOST_AUTO_TEST_CASE(who_brought_an_id_before_it_was_known_lets_go_of_no_others_hold) {
  LongLived f;
  Script& slow = f.client();
  f.asks(slow, f.get(Backends::a, "Cookie: JSESSIONID=one\r\nAccept: text/event-stream\r\n"));  // unknown yet
  BOOST_TEST_REQUIRE(f.heard(Backends::a).starts_with("GET"));
  f.says(Backends::a, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nSet-Cookie: JSESSIONID=one\r\n\r\n");
  Script& open = f.client();
  f.asks(open, f.get(Backends::b, "Cookie: JSESSIONID=one\r\nAccept: text/event-stream\r\n"));
  BOOST_TEST_REQUIRE(f.heard(Backends::a).starts_with("GET"));
  f.says(Backends::a, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
  slow.brings_eof();
  f.run_rounds();
  BOOST_TEST(f.backend(Backends::a).sessions == 1U);
  for (int i = 0; i < 70; ++i) f.pass(seconds(1));
  BOOST_TEST(f.backend(Backends::a).sessions == 1U);
  Script& again = f.client();
  f.asks(again, f.get(Backends::b, "Cookie: JSESSIONID=one\r\n"));
  BOOST_TEST(f.heard(Backends::a).starts_with("GET"));
  BOOST_TEST(f.heard(Backends::b) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
