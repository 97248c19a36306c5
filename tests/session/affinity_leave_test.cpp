// SPDX-License-Identifier: Apache-2.0
// How a key leaves a backend: at its turn in a drain, when its sessions end there, and when a connect fails.
#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/session/affinity_fixture.h"

namespace limpet::session {

namespace {

using metrics::PickReason;
using Outcome = Affinity::Outcome;

// Chance is drawn between the choice of a backend and the taking of its place: the moment at which a drain hurts most.
class DrainBegins final : public Random {
 public:
  DrainBegins(Affinity& table, Backend& backend) : table_(table), backend_(backend) {}
  void fill(void* to, std::size_t size) override {
    if (backend_.state.exchange(BackendState::Draining) == BackendState::Ready) table_.keys_on(backend_, true);
    random_.fill(to, size);
  }

 private:
  Affinity& table_;
  Backend& backend_;
  SeededRandom random_{1};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(affinity_leave, AffinityFixture)

BOOST_AUTO_TEST_CASE(a_turn_moves_the_key_and_tells_each_of_its_sessions_once) {
  const std::string key = key_of("a");
  Tab& one = open(key);
  Tab& two = open(key);
  backend("a").state = BackendState::Draining;
  BOOST_TEST(turn(key, "a"));
  BOOST_TEST(departing().size() == 2U);
  BOOST_TEST(home(key) == ranking(key)[1]);
  BOOST_TEST(backend("a").keys == 0U);
  BOOST_TEST(backend(ranking(key)[1]).keys == 1U);
  BOOST_TEST(pool().misplaced_keys == 1);
  BOOST_TEST(!table().is_still_placed(one.member));
  BOOST_TEST(!turn(key, "a"));
  BOOST_TEST(departing().empty());
  const Tab& next = open(key);
  BOOST_TEST(next.pick.reason == PickReason::Live);
  BOOST_TEST(next.at() == ranking(key)[1]);
  BOOST_TEST(table().is_still_placed(next.member));
  close(one);
  close(two);
  BOOST_TEST(home(key) == next.at());
}

BOOST_AUTO_TEST_CASE(a_big_key_may_leave_in_parts_but_its_new_sessions_go_to_the_new_home_at_once) {
  const std::string key = key_of("a");
  for (int i = 0; i < 5; ++i) open(key);
  backend("a").state = BackendState::Draining;
  std::set<std::uint32_t> told_once;
  for (const std::size_t expected : {2U, 2U, 1U}) {
    BOOST_TEST(turn(key, "a", 2));
    const auto now_told = departing();
    BOOST_TEST(now_told.size() == expected);
    for (const auto& ref : now_told) BOOST_TEST(told_once.insert(ref.slot).second);
    BOOST_TEST(open(key).at() == ranking(key)[1]);
  }
  BOOST_TEST(!turn(key, "a", 2));
}

BOOST_AUTO_TEST_CASE(a_turn_leaves_a_backend_even_where_that_is_ready_and_the_best) {
  const std::string key = key_of("a");
  open(key);
  BOOST_TEST(turn(key, "a"));
  BOOST_TEST(home(key) == ranking(key)[1]);
}

BOOST_AUTO_TEST_CASE(a_turn_back_home_ends_the_misplacement) {
  const std::string key = key_of("a");
  backend("a").health = BackendHealth::Down;
  const std::string away = open(key).at();
  backend("a").health = BackendHealth::Up;
  BOOST_TEST(pool().misplaced_keys == 1);
  BOOST_TEST(turn(key, away));
  BOOST_TEST(home(key) == "a");
  BOOST_TEST(pool().misplaced_keys == 0);
}

BOOST_AUTO_TEST_CASE(with_nowhere_to_go_the_sessions_still_leave_and_the_key_is_free) {
  const std::string key = key_of("a");
  Tab& tab = open(key);
  for (const auto& each : pool().view().backends) each->state = BackendState::Draining;
  BOOST_TEST(turn(key, "a"));
  BOOST_TEST(departing().size() == 1U);
  BOOST_TEST(home(key) == "");
  BOOST_TEST(all_keys() == 0U);
  BOOST_TEST(open(key).pick.outcome == Outcome::NoBackend);
  backend("c").state = BackendState::Ready;
  BOOST_TEST(open(key).at() == "c");
  BOOST_TEST(departing().empty());  // the first has been told already
  close(tab);
  BOOST_TEST(home(key) == "c");
}

BOOST_AUTO_TEST_CASE(where_the_process_leaves_the_sessions_are_told_and_the_key_stays) {
  const std::string key = key_of("a");
  open(key);
  BOOST_TEST(turn(key, "a", 1000, false));
  BOOST_TEST(departing().size() == 1U);
  BOOST_TEST(home(key) == "a");
  BOOST_TEST(backend("a").keys == 1U);
  BOOST_TEST(!turn(key, "a", 1000, false));
}

BOOST_AUTO_TEST_CASE(a_turn_of_a_key_that_is_not_there_does_nothing) {
  const std::string key = key_of("a");
  BOOST_TEST(!turn(key, "a"));
  open(key);
  BOOST_TEST(!turn(key, "b"));
  BOOST_TEST(home(key) == "a");
  BOOST_TEST(departing().empty());
}

BOOST_AUTO_TEST_CASE(a_drain_sees_the_keys_with_sessions_and_releases_the_others_at_once) {
  const std::string busy = key_of("a", 0);
  const std::string idle = key_of("a", 1);
  const std::string elsewhere = key_of("b");
  open(busy);
  open(busy);
  close(open(idle));
  open(elsewhere);
  backend("a").state = BackendState::Draining;
  auto keys = table().keys_on(backend("a"), false);
  BOOST_TEST_REQUIRE(keys.size() == 1U);
  BOOST_TEST(keys[0].key == busy);
  BOOST_TEST(keys[0].sessions == 2U);
  BOOST_TEST(home(idle) == "a");
  table().keys_on(backend("a"), true);
  BOOST_TEST(home(idle) == "");
  BOOST_TEST(home(busy) == "a");
  turn(busy, "a", 1);
  BOOST_TEST(table().keys_on(backend("a"), true).empty());
}

// As where two backends are redeployed one right after the other.
BOOST_AUTO_TEST_CASE(a_drain_releases_a_key_that_has_come_but_whose_sessions_are_still_leaving_another) {
  const std::string key = key_of("a");
  open(key);
  backend("a").state = BackendState::Draining;
  BOOST_TEST_REQUIRE(table().take_turn(pool(), key, backend("a"), SIZE_MAX, true, told));
  Backend& next = *table().find(pool(), key, clock.now()).backend;
  next.state = BackendState::Draining;
  BOOST_TEST(table().keys_on(next, false).empty());
  BOOST_TEST(table().find(pool(), key, clock.now()).backend == &next);
  BOOST_TEST(table().keys_on(next, true).empty());
  BOOST_TEST(next.keys == 0U);
  const Tab& back = open(key);
  BOOST_TEST((back.at() != "a" && back.at() != next.name));
}

BOOST_AUTO_TEST_CASE(the_last_session_of_a_key_takes_it_off_a_backend_that_drains) {
  const std::string key = key_of("a");
  Tab& tab = open(key);
  backend("a").state = BackendState::Draining;
  close(tab);
  BOOST_TEST(all_keys() == 0U);
  BOOST_TEST(open(key).pick.reason == PickReason::Fallback);
}

BOOST_AUTO_TEST_CASE(a_failed_connect_moves_the_key_once_and_its_other_sessions_follow) {
  const std::string key = key_of("a");
  Tab& one = open(key);
  Tab& two = open(key);
  Tab& three = open(key);
  refused(one);
  BOOST_TEST(one.pick.outcome == Outcome::Picked);
  BOOST_TEST(one.pick.reason == PickReason::Fallback);
  BOOST_TEST(one.at() == ranking(key)[1]);
  BOOST_TEST(departing().size() == 2U);
  BOOST_TEST(!table().is_still_placed(two.member));
  refused(two);
  BOOST_TEST(two.pick.reason == PickReason::Live);
  refused(three);
  BOOST_TEST(two.at() == one.at());
  BOOST_TEST(three.at() == one.at());
  BOOST_TEST(departing().empty());
  BOOST_TEST(table().is_still_placed(two.member));
  BOOST_TEST(backend("a").sessions == 0U);
  BOOST_TEST(backend(one.at()).sessions == 3U);
  BOOST_TEST(backend(one.at()).keys == 1U);
  BOOST_TEST(open(key).at() == one.at());
}

BOOST_AUTO_TEST_CASE(a_session_tries_each_backend_once_and_is_held_until_it_gives_up) {
  const std::string key = key_of("a");
  Tab& tab = open(key);
  for (std::size_t i = 1; i < 4; ++i) {
    refused(tab);
    BOOST_TEST(tab.at() == ranking(key)[i]);
  }
  const std::string last = tab.at();
  refused(tab);
  BOOST_TEST(tab.pick.outcome == Outcome::NoBackend);
  BOOST_TEST(tab.at() == last);
  BOOST_TEST(all_sessions() == 1U);
  close(tab);
  BOOST_TEST(all_sessions() == 0U);
}

BOOST_AUTO_TEST_CASE(a_session_without_a_key_falls_back_too) {
  settings.cookie.enabled = false;
  Tab& tab = open();
  const std::string first = tab.at();
  refused(tab);
  BOOST_TEST(tab.pick.reason == PickReason::Fallback);
  BOOST_TEST(tab.at() != first);
  BOOST_TEST(backend(first).sessions == 0U);
}

BOOST_AUTO_TEST_CASE(a_session_without_a_key_does_not_join_a_backend_whose_drain_began_while_it_picked) {
  for (const bool cookie : {true, false}) {
    settings.cookie.enabled = cookie;
    AffinityFixture fixture;
    fixture.settings = settings;
    DrainBegins random(fixture.table(), fixture.backend("a"));  // the first of those without a session
    Tab& tab = fixture.make_tab();
    tab.pick = fixture.table().reserve(tab.member, tab.request, random, fixture.clock.now(), fixture.told);
    BOOST_TEST(tab.pick.outcome == Outcome::Picked);
    BOOST_TEST(tab.at() != "a");
    BOOST_TEST(fixture.backend("a").sessions == 0U);
    BOOST_TEST(fixture.backend("a").keys == 0U);
    if (cookie) BOOST_TEST(fixture.ranking(tab.pick.new_cookie).front() == tab.at());
  }
}

BOOST_AUTO_TEST_CASE(two_workers_that_fail_at_different_backends_end_up_together) {
  const std::string key = key_of("a");
  Tab& one = open(key);
  Tab& two = open(key);
  refused(one);
  refused(one);  // the second of the ranking does not answer either
  departing();
  refused(two);
  BOOST_TEST(two.at() == one.at());
  BOOST_TEST(two.at() == ranking(key)[2]);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
