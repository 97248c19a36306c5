// SPDX-License-Identifier: Apache-2.0
// When memory is given back: after a fall from many that lasts, down to nothing, and seldom.
#include "proxy/server/shrinkage.h"

#include <boost/test/unit_test.hpp>

namespace limpet::server {

namespace {

struct Watched {
  // Looks once a second while the count goes from its last value to `to` in equal steps; how often memory was given
  // back.
  int move(std::uint64_t to, int seconds) {
    int given = 0;
    const auto from = held;
    for (int i = 1; i <= seconds; ++i) {
      held = from + (static_cast<std::int64_t>(to) - static_cast<std::int64_t>(from)) * i / seconds;
      clock.advance(std::chrono::seconds(1));
      if (!shrinkage.is_due(held, clock.now())) continue;
      ++given;
      left = held;
    }
    return given;
  }

  ManualClock clock;
  Shrinkage shrinkage;
  std::uint64_t held = 0;
  std::uint64_t left = 0;  // when memory was last given back
};

}  // namespace

BOOST_AUTO_TEST_SUITE(shrinkage)

BOOST_AUTO_TEST_CASE(a_fall_from_many_gives_back_once_it_has_lasted) {
  Watched watched;
  BOOST_TEST(watched.move(9000, 10) == 0);
  BOOST_TEST(watched.move(0, 2) == 0);
  BOOST_TEST(watched.move(0, 1) == 1);
  BOOST_TEST(watched.move(0, 100) == 0);
}

BOOST_AUTO_TEST_CASE(sessions_that_go_and_leave_their_keys_are_such_a_fall) {
  Watched watched;
  watched.move(18'010, 10);
  BOOST_TEST(watched.move(9'010, 1) == 0);
  BOOST_TEST(watched.move(9'010, 2) == 1);
}

// Wherever in the fall the looks come, and however long it takes.
BOOST_AUTO_TEST_CASE(a_slow_fall_is_followed_down_to_nothing) {
  for (std::uint64_t most = 1000; most < 20'000; most += 37) {
    for (const int seconds : {1, 7, 16, 40, 100}) {
      Watched watched;
      watched.move(most, 3);
      int given = watched.move(0, seconds);
      given += watched.move(0, 4);
      BOOST_TEST_INFO_SCOPE(most << " within " << seconds << " s");
      BOOST_TEST(watched.left == 0);
      BOOST_TEST(given >= 1);
      BOOST_TEST(given <= seconds / 3 + 2);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_stays_ends_the_fall) {
  Watched watched;
  watched.move(9000, 3);
  BOOST_TEST(watched.move(100, 16) >= 1);
  watched.move(100, 30);
  BOOST_TEST(watched.left == 100);
  BOOST_TEST(watched.move(400, 10) == 0);  // it has risen: what follows is a small proxy's coming and going
  BOOST_TEST(watched.move(0, 10) == 0);
}

BOOST_AUTO_TEST_CASE(few_are_not_worth_it) {
  Watched watched;
  for (int i = 0; i < 20; ++i) {
    BOOST_TEST(watched.move(999, 5) == 0);
    BOOST_TEST(watched.move(0, 5) == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_short_dip_gives_nothing_back) {
  Watched watched;
  watched.move(9000, 3);
  for (int i = 0; i < 20; ++i) {
    BOOST_TEST(watched.move(0, 2) == 0);
    BOOST_TEST(watched.move(9000, 1) == 0);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::server
