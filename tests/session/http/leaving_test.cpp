// SPDX-License-Identifier: Apache-2.0
// What still arrives on kept connections of a process that leaves: it is answered, and what would begin anew is not
// begun.
#include <boost/test/unit_test.hpp>

#include "tests/session/http/backends.h"

namespace limpet::session {

namespace {

struct Fixture : Backends {
  Fixture() { shared.draining = true; }
  Script& one = client();
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(leaving, Fixture)

BOOST_AUTO_TEST_CASE(an_event_source_is_told_when_to_come_back_and_no_backend_hears_of_it) {
  asks(one, "GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n");
  BOOST_TEST(one.written.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"), one.written);
  BOOST_TEST(one.written.find("\r\nConnection: close\r\n") != std::string::npos);
  BOOST_TEST(one.written.find("\r\n\r\nretry: ") != std::string::npos);
  BOOST_TEST(one.fin);
  BOOST_TEST(heard(a) + heard(b) == "");
}

BOOST_AUTO_TEST_CASE(an_upgrade_is_refused) {
  asks(one,
       "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  BOOST_TEST(one.written.starts_with("HTTP/1.1 503 "), one.written);
  BOOST_TEST(one.written.find("\r\nRetry-After: ") != std::string::npos);
  BOOST_TEST(heard(a) + heard(b) == "");
}

BOOST_AUTO_TEST_CASE(any_other_request_is_still_answered_and_is_the_last) {
  asks(one, "GET / HTTP/1.1\r\nHost: x\r\nX-Key: " + key_of(a) + "\r\n\r\n");
  BOOST_TEST(heard(a).starts_with("GET"));
  says(a, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  BOOST_TEST(one.written.starts_with("HTTP/1.1 200 OK\r\n"));
  BOOST_TEST(one.written.find("\r\nConnection: close\r\n") != std::string::npos);
  BOOST_TEST(one.fin);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
