// SPDX-License-Identifier: Apache-2.0
// A connection on which a backend logs a user in (NTLM, Negotiate) is its client's alone.
#include "proxy/session/bound_upstreams.h"

#include <boost/test/unit_test.hpp>

#include "tests/session/http/many_clients.h"

namespace limpet::session {

namespace {

using std::chrono::seconds;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kLogin = "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: NTLM TlRM\r\n\r\n";
constexpr std::string_view kPost = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view kChallenge =
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x, negotiate\r\nContent-Length: 0\r\n\r\n";

// Logs in over a connection of its own; which.
int log_in(ManyClients& all, Script& client) {
  const int upstream = all.exchange(client, kLogin, kChallenge);
  BOOST_TEST(all.exchange(client, kLogin, kOk) == upstream);
  return upstream;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(bound_upstreams, ManyClients)

BOOST_AUTO_TEST_CASE(a_connection_that_nobody_logs_in_on_serves_anyone) {
  BOOST_TEST(exchange(client(), kGet, kOk) == 0);
  pass(seconds(1));
  BOOST_TEST(exchange(client(), kGet, kOk) == 0);
}

BOOST_AUTO_TEST_CASE(a_login_and_all_that_follows_go_over_one_connection_which_nobody_else_gets) {
  Script& alice = client();
  Script& other = client();
  const int hers = log_in(*this, alice);
  pass(seconds(1));
  const int his = exchange(other, kGet, kOk);
  BOOST_TEST(his != hers);
  BOOST_TEST(exchange(alice, kGet, kOk) == hers);
  BOOST_TEST(exchange(alice, kPost, kOk) == hers);
  pass(seconds(1));
  BOOST_TEST(exchange(client(), kGet, kOk) == his);
}

BOOST_AUTO_TEST_CASE(a_challenge_binds_a_connection_that_has_served_others) {
  BOOST_TEST(exchange(client(), kGet, kOk) == 0);
  pass(seconds(1));
  Script& alice = client();
  BOOST_TEST(exchange(alice, kGet, kChallenge) == 0);
  pass(seconds(1));
  BOOST_TEST(exchange(client(), kGet, kOk) == 1);
  BOOST_TEST(exchange(alice, kLogin, kOk) == 0);
}

BOOST_AUTO_TEST_CASE(it_ends_with_its_clients_connection) {
  Script& alice = client();
  const int hers = log_in(*this, alice);
  alice.brings_eof();
  run_rounds();
  BOOST_TEST(!is_open(hers));
  BOOST_TEST(exchange(client(), kGet, kOk) != hers);
}

BOOST_AUTO_TEST_CASE(it_ends_with_a_client_that_does_not_stay) {
  for (const auto request : {"GET / HTTP/1.0\r\nAuthorization: NTLM TlRM\r\n\r\n",
                             "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: NTLM TlRM\r\n\r\n"}) {
    Script& alice = client();
    const int hers = exchange(alice, request, kOk);
    BOOST_TEST(alice.fin);
    BOOST_TEST(!is_open(hers));
  }
}

BOOST_AUTO_TEST_CASE(a_client_of_http_1_0_that_stays_keeps_it) {
  Script& alice = client();
  const std::string_view login = "GET / HTTP/1.0\r\nConnection: keep-alive\r\nAuthorization: NTLM TlRM\r\n\r\n";
  const int hers = exchange(alice, login, kChallenge);
  BOOST_TEST(exchange(alice, login, kOk) == hers);
}

BOOST_AUTO_TEST_CASE(pipelined_requests_follow_each_other_on_it) {
  Script& alice = client();
  const int hers = asks(alice, std::string(kLogin) + std::string(kGet));
  says(hers, kChallenge);
  run_rounds();
  BOOST_TEST(heard(hers).find("GET", 3) != std::string::npos);
  says(hers, kOk);
  run_rounds();
  BOOST_TEST(alice.written.ends_with("ok"));
}

BOOST_AUTO_TEST_CASE(behind_a_trusted_proxy_it_ends_with_the_exchange) {
  Script& proxy = client("127.0.0.8:9");
  const int first = exchange(proxy, kGet, kChallenge);
  BOOST_TEST(!is_open(first));
  const int second = exchange(proxy, kLogin, kOk);
  BOOST_TEST(second != first);
  BOOST_TEST(!is_open(second));
  BOOST_TEST(!proxy.fin);  // who else is on it need not notice
  BOOST_TEST(proxy.written.find("Connection: close") == std::string::npos);
}

// The client would go on with a login that its backend has never heard of.
BOOST_AUTO_TEST_CASE(where_it_ends_the_clients_connection_ends_too) {
  for (const bool by_time : {false, true}) {
    Script& alice = client();
    const int hers = exchange(alice, kLogin, kChallenge);
    if (by_time) {
      pass(seconds(61));
    } else {
      ends(hers);
    }
    BOOST_TEST(!is_open(hers));
    BOOST_TEST(alice.fin);
  }
}

BOOST_AUTO_TEST_CASE(a_login_never_goes_on_over_another_connection) {
  Script& alice = client();
  const int hers = exchange(alice, kLogin, kChallenge);
  BOOST_TEST(asks(alice, kLogin) == hers);
  alice.written.clear();
  ends(hers);
  BOOST_TEST(alice.written.starts_with("HTTP/1.1 502"));
  BOOST_TEST(alice.written.find("Connection: close") != std::string::npos);
  BOOST_TEST(alice.fin);
}

BOOST_AUTO_TEST_CASE(a_backend_that_does_not_keep_it_is_heard_by_the_client) {
  Script& alice = client();
  exchange(alice, kLogin,
           "HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  BOOST_TEST(alice.written.find("\r\nConnection: close\r\n") != std::string::npos);
  BOOST_TEST(alice.fin);
}

BOOST_AUTO_TEST_CASE(a_request_that_begins_a_login_may_find_a_stale_connection) {
  const int stale = exchange(client(), kGet, kOk);
  pass(seconds(1));
  Script& alice = client();
  BOOST_TEST(asks(alice, kLogin) == stale);
  ends(stale);
  says(stale + 1, kChallenge);
  run_rounds();
  BOOST_TEST(alice.written.starts_with("HTTP/1.1 401"));
  BOOST_TEST(alice.written.find("Connection: close") == std::string::npos);
  BOOST_TEST(exchange(alice, kLogin, kOk) == stale + 1);
}

BOOST_AUTO_TEST_CASE(an_upgrade_goes_over_it) {
  constexpr std::string_view kUpgrade =
      "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  Script& alice = client();
  Script& other = client();
  const int hers = log_in(*this, alice);
  BOOST_TEST(asks(other, kUpgrade) != hers);
  BOOST_TEST(exchange(alice, kUpgrade,
                      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n") == hers);
  BOOST_TEST(alice.written.starts_with("HTTP/1.1 101"));
}

BOOST_AUTO_TEST_CASE(a_backend_that_drains_goes_on_with_whom_it_has_until_it_is_drained) {
  Script& alice = client();
  const int hers = exchange(alice, kLogin, kChallenge);
  asks(client(), kGet);  // their key stays meanwhile
  backend().state = BackendState::Draining;
  worker->upstreams().drop(backend());
  BOOST_TEST(exchange(alice, kLogin, kOk) == hers);
  BOOST_TEST(exchange(alice, kGet, kOk) == hers);
  backend().state = BackendState::Drained;
  worker->bound_upstreams().drop(backend());
  run_rounds();
  BOOST_TEST(!is_open(hers));
  BOOST_TEST(alice.fin);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
