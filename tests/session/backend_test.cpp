// SPDX-License-Identifier: Apache-2.0
// How long the clients of a backend that died stay connected: the first few leave one after the other, at a pace that
// any other backend can serve, and only what would take longer than that is spread at random.
#include "proxy/session/backend.h"

#include <boost/test/unit_test.hpp>

#include "proxy/session/pool.h"

namespace limpet::session {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::shared_ptr<const PoolSettings> pool_of_one() {
  auto settings = std::make_shared<PoolSettings>();
  settings->backends.push_back({"one", {}, 1});
  return settings;
}

struct Fixture {
  ManualClock clock;
  Duration spread = seconds(5);
  Pool pool{pool_of_one()};

  // In ms, of one more session that has lost the backend.
  long delay(double random_fraction = 1.0) {
    return std::chrono::duration_cast<milliseconds>(
               pool.view().backends[0]->crash_delay(clock.now(), spread, random_fraction))
        .count();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(backend, Fixture)

BOOST_AUTO_TEST_CASE(the_first_ends_of_a_crash_come_at_twenty_a_second_and_later_ones_at_random) {
  for (int i = 0; i <= 100; ++i) BOOST_TEST(delay() == 50 * i);
  for (const double fraction : {0.0, 0.25, 1.0}) {
    for (int i = 0; i < 100; ++i) BOOST_TEST(delay(fraction) == static_cast<long>(5000 * fraction));
  }
}

BOOST_AUTO_TEST_CASE(a_single_session_that_loses_its_backend_ends_at_once) {
  BOOST_TEST(delay() == 0);
}

BOOST_AUTO_TEST_CASE(ends_that_are_noticed_later_take_their_place_behind_the_earlier_ones) {
  for (int i = 0; i < 30; ++i) delay();
  clock.advance(milliseconds(500));
  BOOST_TEST(delay() == 1000);  // 1.5 s after the crash began
  clock.advance(milliseconds(900));
  BOOST_TEST(delay() == 150);
}

BOOST_AUTO_TEST_CASE(sessions_that_lose_their_backend_one_by_one_do_not_wait) {
  for (int i = 0; i < 1000; ++i, clock.advance(milliseconds(100))) BOOST_TEST_REQUIRE(delay() == 0);
}

BOOST_AUTO_TEST_CASE(another_crash_is_counted_anew) {
  for (int i = 0; i < 200; ++i) delay();
  clock.advance(milliseconds(1001));
  BOOST_TEST(delay() == 0);
  BOOST_TEST(delay() == 50);
}

BOOST_AUTO_TEST_CASE(without_a_spread_all_end_at_once) {
  spread = {};
  for (int i = 0; i < 100; ++i) BOOST_TEST(delay() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
