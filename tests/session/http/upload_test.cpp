// SPDX-License-Identifier: Apache-2.0
// The time that a request has: while its backend takes it, once it has all of it, and where the answer begins first.
#include <boost/test/unit_test.hpp>

#include "tests/session/http/backends.h"

namespace limpet::session {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Fixture : Backends {
  Fixture()
      : Backends([](PoolSettings&, RouteSettings& route) {
          route.http.response_timeout = seconds(20);
          route.http.stall_timeout = seconds(10);
          route.long_poll.after = seconds(60);
        }) {
    small_buffers(a);
    reads(a, false);
  }
  std::string head(std::size_t size) const {
    return "POST / HTTP/1.1\r\nHost: x\r\nX-Key: " + key_of(a) + "\r\nContent-Length: " + std::to_string(size) +
           "\r\n\r\n";
  }
  // As much of a request as does not fit between limpet and a backend that does not read.
  void asks_all() { asks(one, head(size) + std::string(size, 'x')); }

  // What the backend hears of it: the head has some lines more, which the first byte has told of.
  std::size_t size_sent() const {
    const auto end = heard(a).find("\r\n\r\n");
    BOOST_TEST_REQUIRE(end != std::string::npos);
    return end + 4 + size;
  }

  std::size_t size = 20'000'000;
  Script& one = client();
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(upload, Fixture)

BOOST_AUTO_TEST_CASE(a_backend_that_takes_a_request_steadily_is_let) {
  asks_all();
  for (int i = 0; i < 60; ++i) {
    takes(a, 100'000);
    pass(seconds(1));
  }
  BOOST_TEST(one.written == "");
  BOOST_TEST(failures[a] == 0);
}

BOOST_AUTO_TEST_CASE(one_that_takes_nothing_for_stall_timeout_is_not) {
  asks_all();
  for (int i = 0; i < 8; ++i) pass(seconds(1));
  BOOST_TEST(one.written == "");
  for (int i = 0; i < 8; ++i) pass(seconds(1));
  BOOST_TEST(one.written.starts_with("HTTP/1.1 504"), one.written);
  BOOST_TEST(failures[a] == 1);
}

BOOST_AUTO_TEST_CASE(the_clock_of_the_answer_starts_when_all_has_been_acknowledged) {
  size = 1'000'000;  // all of it is in limpet's socket before the backend has read any
  asks_all();
  for (int i = 0; i < 30; ++i) {
    takes(a, 20'000);
    pass(seconds(1));
  }
  BOOST_TEST(one.written == "");
  takes_all(a, size_sent());
  for (int i = 0; i < 18; ++i) pass(seconds(1));
  BOOST_TEST(one.written == "");
  for (int i = 0; i < 4; ++i) pass(seconds(1));
  BOOST_TEST(one.written.starts_with("HTTP/1.1 504"), one.written);
}

// While it was connecting.
BOOST_AUTO_TEST_CASE(a_request_that_came_before_its_connection_is_let_likewise) {
  size = 120'000;  // as much as waits while a backend is not there yet
  fills(a);
  asks_all();
  BOOST_TEST(connections(a) == 0U);
  makes_room(a);
  BOOST_TEST_REQUIRE(connections(a) == 1U);
  for (int i = 0; i < 12; ++i) {
    takes(a, 20'000);
    pass(seconds(1));
  }
  BOOST_TEST(heard(a).size() < size);
  takes_all(a, size_sent());
  for (int i = 0; i < 18; ++i) pass(seconds(1));
  BOOST_TEST(one.written == "");
}

BOOST_AUTO_TEST_CASE(a_request_that_is_taken_at_once_has_response_timeout) {
  reads(a, true);
  asks(one, head(2) + "{}");
  pass(seconds(19));
  BOOST_TEST(one.written == "");
  pass(seconds(1) + milliseconds(40));
  BOOST_TEST(one.written.starts_with("HTTP/1.1 504"), one.written);
  BOOST_TEST(failures[a] == 1);
}

BOOST_AUTO_TEST_CASE(a_client_that_does_not_send_the_rest_gets_408) {
  reads(a, true);
  asks(one, head(100) + "{}");
  pass(seconds(9));
  BOOST_TEST(one.written == "");
  one.brings("x");
  run_rounds();
  pass(seconds(9));
  BOOST_TEST(one.written == "");
  pass(seconds(1) + milliseconds(40));
  BOOST_TEST(one.written.starts_with("HTTP/1.1 408"), one.written);
  BOOST_TEST(failures[a] == 0);
}

BOOST_AUTO_TEST_CASE(a_client_has_stall_timeout_from_when_its_backend_has_caught_up) {
  size = 1'000'000;
  asks(one, head(size + 1) + std::string(size, 'x'));
  for (int i = 0; i < 20; ++i) {
    takes(a, 20'000);
    pass(seconds(1));
  }
  takes_all(a, size_sent());
  for (int i = 0; i < 8; ++i) pass(seconds(1));
  BOOST_TEST(one.written == "");
  for (int i = 0; i < 4; ++i) pass(seconds(1));
  BOOST_TEST(one.written.starts_with("HTTP/1.1 408"), one.written);
}

// --- the answer begins first ---

constexpr std::string_view kBegun = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";

BOOST_AUTO_TEST_CASE(a_request_that_stands_still_behind_its_answers_beginning_ends_by_stall_timeout) {
  asks(one, head(size) + std::string(size / 2, 'x'));
  says(a, kBegun);
  for (int i = 0; i < 9; ++i) pass(seconds(1));
  BOOST_TEST(!one.closed);
  for (int i = 0; i < 14; ++i) pass(seconds(1));
  BOOST_TEST(one.closed);
  BOOST_TEST(one.closed_with_reset);
}

BOOST_AUTO_TEST_CASE(an_answer_that_flows_is_not_cut_for_a_request_that_stands_still) {
  asks(one, head(size) + std::string(size / 2, 'x'));
  says(a, kBegun);
  for (int i = 0; i < 60; ++i) {
    says(a, "y");
    pass(seconds(1));
  }
  BOOST_TEST(!one.closed);
}

BOOST_AUTO_TEST_CASE(a_client_that_takes_its_answer_slowly_is_not_cut_for_a_request_that_stands_still) {
  asks(one, head(size) + std::string(size / 2, 'x'));
  one.room = 100;
  one.unacknowledged = 1'000'000;
  says(a, std::string(kBegun) + std::string(900, 'y'));
  for (int i = 0; i < 60; ++i) {
    one.unacknowledged -= 1000;
    pass(seconds(1));
  }
  BOOST_TEST(!one.closed);
  one.room = Script::kAny;
  run_rounds();
}

BOOST_AUTO_TEST_CASE(a_backend_that_takes_a_request_behind_its_answers_beginning_is_let) {
  asks(one, head(size) + std::string(size / 2, 'x'));
  says(a, kBegun);
  for (int i = 0; i < 60; ++i) {
    takes(a, 100'000);
    pass(seconds(1));
  }
  BOOST_TEST(!one.closed);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
