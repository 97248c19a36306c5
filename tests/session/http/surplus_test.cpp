// SPDX-License-Identifier: Apache-2.0
// What a backend says beyond its answer reaches nobody, as far as it can be told from an answer.
#include <boost/test/unit_test.hpp>

#include "proxy/session/upstream_pool.h"
#include "tests/session/http/many_clients.h"

namespace limpet::session {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view kPost = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
constexpr std::string_view kLogin = "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Negotiate YII=\r\n\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr std::string_view kStray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";

// The backend stops where its answers end, often enough.
void prove(ManyClients& all, Script& client) {
  for (int i = 0; i < 20; ++i) {
    all.exchange(client, kGet, kOk);
    all.pass(milliseconds(60));
  }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(surplus, ManyClients)

BOOST_AUTO_TEST_CASE(a_client_gets_back_its_own_connection) {
  Script& a = client();
  Script& b = client();
  const int of_a = exchange(a, kGet, kOk);
  const int of_b = exchange(b, kGet, kOk);
  BOOST_TEST(of_a != of_b);
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(exchange(a, kGet, kOk) == of_a);
    BOOST_TEST(exchange(b, kPost, kOk) == of_b);
    pass(seconds(1));
  }
}

BOOST_AUTO_TEST_CASE(anothers_connection_is_lent_after_a_pause_until_the_backend_is_known) {
  Script& a = client();
  const int of_a = exchange(a, kGet, kOk);
  BOOST_TEST(exchange(client(), kGet, kOk) != of_a);
  ends(of_a + 1);
  pass(milliseconds(60));
  BOOST_TEST(exchange(client(), kGet, kOk) == of_a);
}

BOOST_AUTO_TEST_CASE(that_of_a_backend_that_stops_where_its_answers_end_is_lent_at_once) {
  Script& a = client();
  prove(*this, a);
  const int of_a = exchange(a, kGet, kOk);
  BOOST_TEST(exchange(client(), kGet, kOk) == of_a);
}

BOOST_AUTO_TEST_CASE(one_that_has_said_too_much_is_not_trusted_for_a_while) {
  Script& a = client();
  prove(*this, a);
  const int first = exchange(a, kGet, std::string(kOk) + std::string(kStray));
  BOOST_TEST(a.written == kOk);
  BOOST_TEST(!is_open(first));
  const int second = exchange(a, kGet, kOk);
  BOOST_TEST(exchange(a, kGet, kOk) != second);  // not even by its own client
  BOOST_TEST(exchange(client(), kGet, kOk) != second);
}

BOOST_AUTO_TEST_CASE(a_surplus_between_two_requests_ends_the_connection) {
  Script& a = client();
  const int first = exchange(a, kGet, kOk);
  says(first, kStray);
  run_rounds();
  BOOST_TEST(!is_open(first));
  BOOST_TEST(exchange(a, kGet, kOk) != first);
}

BOOST_AUTO_TEST_CASE(what_comes_in_the_round_in_which_the_request_goes_out_is_no_answer_to_it) {
  Script& a = client();
  const int first = exchange(a, kGet, kOk);
  a.written.clear();
  asks_as_it_says(a, kGet, first, kStray);
  BOOST_TEST(!is_open(first));
  BOOST_TEST(a.written == "");
  BOOST_TEST(heard(first + 1).starts_with("GET "));
  says(first + 1, kOk);
  run_rounds();
  BOOST_TEST(a.written == kOk);
}

BOOST_AUTO_TEST_CASE(a_request_that_cannot_be_repeated_is_not_sent_where_something_has_come) {
  Script& a = client();
  const int first = exchange(a, kGet, kOk);
  asks_as_it_says(a, kPost, first, kStray);
  BOOST_TEST(heard(first) == "");
  BOOST_TEST(heard(first + 1).starts_with("POST "));
}

BOOST_AUTO_TEST_CASE(where_a_user_is_logged_in_a_stray_answer_is_a_lost_connection) {
  for (const auto request : {kGet, kPost}) {
    Script& a = client();
    const int hers = exchange(a, kLogin, kOk);
    a.written.clear();
    asks_as_it_says(a, request, hers, kStray);
    BOOST_TEST(a.written.starts_with("HTTP/1.1 502"), a.written);
    BOOST_TEST(a.fin);
    BOOST_TEST(!is_open(hers));
  }
}

BOOST_AUTO_TEST_CASE(a_trusted_proxys_connection_is_not_one_client) {
  Script& proxy = client("127.0.0.8:9");
  const int first = exchange(proxy, kGet, kOk);
  BOOST_TEST(exchange(proxy, kGet, kOk) != first);
}

BOOST_AUTO_TEST_CASE(a_farewell_on_an_idle_connection_raises_no_suspicion) {
  Script& a = client();
  const int first = exchange(a, kGet, kOk);
  pass(seconds(5));
  says(first, "HTTP/1.1 408 Request Timeout\r\n\r\n");
  run_rounds();
  BOOST_TEST(!is_open(first));
  const int second = exchange(a, kGet, kOk);
  BOOST_TEST(exchange(a, kGet, kOk) == second);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
