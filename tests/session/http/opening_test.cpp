// SPDX-License-Identifier: Apache-2.0
// Sessions that are still connecting hear when their key's turn comes and when their backend goes down.
#include <boost/test/unit_test.hpp>

#include "tests/session/http/backends.h"

namespace limpet::session {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Fixture : Backends {
  Fixture() : key(key_of(a)) { fills(a); }
  std::string get() const { return "GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + key + "\r\n\r\n"; }
  // The checks say so.
  void goes_down(Name name) {
    backend(name).health = BackendHealth::Down;
    shared.backend_down(backend(name));
    run_rounds();
  }
  Time began = clock.now();
  std::string key;
  Script& one = client();
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(opening, Fixture)

BOOST_AUTO_TEST_CASE(at_its_keys_turn_a_session_that_is_connecting_picks_again) {
  asks(one, get());
  BOOST_TEST(heard(b) == "");
  turn_of(key, a);
  BOOST_TEST(heard(b).starts_with("GET"));
  BOOST_TEST((clock.now() == began));
  says(b, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  BOOST_TEST(one.written.ends_with("ok"));
  BOOST_TEST(backend(a).sessions == 0U);
  BOOST_TEST(failures[a] == 0);
}

// It was told to leave backend a, where it never came: b is not left for that.
BOOST_AUTO_TEST_CASE(who_has_picked_again_at_a_turn_stays_where_it_comes_to) {
  asks(one, get());
  turn_of(key, a);
  says(b, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n");
  says(b, "data: y\n\n");
  BOOST_TEST(one.written.find("data: y\n\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_backend_that_goes_down_is_left_where_another_is_available) {
  asks(one, get());
  goes_down(b);
  BOOST_TEST(heard(b) == "");  // it concerns nobody who connects to a
  backend(b).health = BackendHealth::Up;
  goes_down(a);
  BOOST_TEST(heard(b).starts_with("GET"));
  BOOST_TEST((clock.now() == began));
}

BOOST_AUTO_TEST_CASE(where_no_other_is_available_it_waits_on) {
  backend(b).health = BackendHealth::Down;
  asks(one, get());
  goes_down(a);
  BOOST_TEST(one.written == "");
  pass(seconds(2));
  BOOST_TEST(one.written == "");
  pass(seconds(2));
  BOOST_TEST(one.written.starts_with("HTTP/1.1 504"), one.written);
}

BOOST_AUTO_TEST_CASE(who_leaves_while_connecting_is_not_told_any_more) {
  asks(one, get());
  one.brings_reset();
  run_rounds();
  BOOST_TEST(one.closed);
  goes_down(a);
  turn_of(key, a);
  BOOST_TEST(heard(b) == "");
  BOOST_TEST(backend(a).sessions == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
