// SPDX-License-Identifier: Apache-2.0
// Ids that a backend has handed out: which backend they lead to, for how long, and what ends them.
#include <boost/test/unit_test.hpp>

#include "tests/session/affinity_fixture.h"

namespace limpet::session {

namespace {

using metrics::PickReason;
using Outcome = Affinity::Outcome;
using std::chrono::minutes;

struct Fixture : AffinityFixture {
  // A session of `key` on "a" whose backend hands out an id, and that has ended.
  void learn_and_close(const std::string& key, const std::string& id) {
    Tab& tab = open(key);
    table().learn(tab.member, id, false, clock.now());
    close(tab);
  }
  // A drain of "a" has begun, and a learned session there is between two requests.
  void is_between_two_polls() {
    learn_and_close(key, "sid");
    Tab& tab = open_learned("sid");
    backend("a").state = BackendState::Draining;
    close(tab);
  }
  void forget(const std::string& id, bool as_closed) { table().forget(pool(), id, as_closed, clock.now()); }
  std::string key = key_of("a");
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(affinity_learned, Fixture)

BOOST_AUTO_TEST_CASE(a_learned_id_leads_to_its_backend_under_the_key_that_brought_it) {
  Tab& first = open(key);
  table().learn(first.member, "sid", false, clock.now());
  const Tab& second = open_learned("sid");
  BOOST_TEST(second.pick.reason == PickReason::Learned);
  BOOST_TEST(second.at() == "a");
  BOOST_TEST(Affinity::key_of(second.member) == key);
  BOOST_TEST(backend("a").keys == 1U);
}

BOOST_AUTO_TEST_CASE(a_learned_id_goes_before_the_key_of_the_request) {
  learn_and_close(key, "sid");
  Tab& tab = make_tab();
  tab.request.key = key_of("b");
  tab.request.has_key = true;
  tab.request.learned_id = "sid";
  reserve(tab);
  BOOST_TEST(tab.pick.reason == PickReason::Learned);
  BOOST_TEST(tab.at() == "a");
}

BOOST_AUTO_TEST_CASE(an_unknown_id_counts_for_nothing) {
  Tab& tab = make_tab();
  tab.request.key = key;
  tab.request.has_key = true;
  tab.request.learned_id = "never handed out";
  BOOST_TEST(reserve(tab).pick.reason == PickReason::Hash);
  BOOST_TEST(open_learned("neither").pick.reason == PickReason::Balance);
}

BOOST_AUTO_TEST_CASE(an_id_expires_after_its_last_use) {
  learn_and_close(key, "sid");
  for (int i = 0; i < 3; ++i) {
    clock.advance(settings.learn_ttl - Duration(1));
    BOOST_TEST(open_learned("sid").pick.reason == PickReason::Learned);
    close(*tabs.back());
  }
  clock.advance(settings.learn_ttl);
  BOOST_TEST(open_learned("sid").pick.reason == PickReason::Balance);
}

BOOST_AUTO_TEST_CASE(an_id_is_in_use_as_long_as_the_session_that_carries_it) {
  learn_and_close(key, "sid");
  learn_and_close(key, "other");
  Tab& tab = open_learned("sid");
  const auto held = table().hold_id(pool(), "sid");
  clock.advance(3 * settings.learn_ttl);
  sweep_all();
  BOOST_TEST(backend("a").learned_ids == 1U);
  close(tab);
  table().let_go_id(pool(), "sid", held, clock.now());
  clock.advance(settings.learn_ttl - Duration(1));
  sweep_all();
  BOOST_TEST(open_learned("sid").pick.reason == PickReason::Learned);
  close(*tabs.back());
  clock.advance(settings.learn_ttl);
  sweep_all();
  BOOST_TEST(open_learned("sid").pick.reason == PickReason::Balance);
}

BOOST_AUTO_TEST_CASE(a_key_with_learned_ids_is_kept_as_long_as_these) {
  backend("a").health = BackendHealth::Down;
  learn_and_close(key, "sid");
  backend("a").health = BackendHealth::Up;
  clock.advance(settings.learn_ttl - Duration(1));
  sweep_all();
  BOOST_TEST(open(key).pick.reason == PickReason::Live);
  BOOST_TEST(tabs.back()->at() == ranking(key)[1]);
}

BOOST_FIXTURE_TEST_CASE(a_session_without_a_key_is_kept_for_its_learned_id, AffinityFixture) {
  settings.cookie.enabled = false;
  Tab& tab = open();
  const std::string at = tab.at();
  table().learn(tab.member, "sid", false, clock.now());
  close(tab);
  for (int i = 0; i < 3; ++i) open();  // the balance would go elsewhere now
  clock.advance(minutes(59));
  sweep_all();
  BOOST_TEST(open_learned("sid").pick.reason == PickReason::Learned);
  BOOST_TEST(tabs.back()->at() == at);
  BOOST_TEST(Affinity::key_of(tabs.back()->member) == "");
}

BOOST_AUTO_TEST_CASE(between_two_polls_a_learned_session_waits_for_its_keys_turn) {
  is_between_two_polls();
  clock.advance(std::max<Duration>(settings.linger, seconds(30)) - Duration(1));
  sweep_all();
  BOOST_TEST(backend("a").keys == 1U);
  BOOST_TEST(open_learned("sid").at() == "a");
  close(*tabs.back());
  BOOST_TEST(!turn(key, "a"));
  BOOST_TEST((open_learned("sid").pick.outcome == Affinity::Outcome::Gone));
  BOOST_TEST(backend("a").keys == 0U);
}

BOOST_AUTO_TEST_CASE(a_learned_session_that_does_not_come_back_holds_up_no_drain) {
  is_between_two_polls();
  clock.advance(std::max<Duration>(settings.linger, seconds(30)));
  sweep_all();
  BOOST_TEST(backend("a").keys == 0U);
}

BOOST_AUTO_TEST_CASE(a_key_whose_turn_has_come_is_not_kept_for_its_ids) {
  Tab& tab = open(key);
  table().learn(tab.member, "sid", false, clock.now());
  backend("a").state = BackendState::Draining;
  turn(key, "a");
  close(tab);
  clock.advance(settings.linger);
  sweep_all();
  BOOST_TEST(all_keys() == 0U);
}

BOOST_AUTO_TEST_CASE(after_the_turn_of_its_key_an_id_is_gone) {
  Tab& tab = open(key);
  table().learn(tab.member, "sid", false, clock.now());
  backend("a").state = BackendState::Draining;
  BOOST_TEST(open_learned("sid").pick.outcome == Outcome::Picked);  // until the turn
  turn(key, "a");
  BOOST_TEST(open_learned("sid").pick.outcome == Outcome::Gone);
  BOOST_TEST((tabs.back()->member.entry == nullptr));
  BOOST_TEST(backend("a").sessions == 2U);
}

BOOST_AUTO_TEST_CASE(the_last_words_of_a_learned_session_reach_its_old_backend_while_that_is_up) {
  Tab& tab = open(key);
  table().learn(tab.member, "sid", false, clock.now());
  backend("a").state = BackendState::Draining;
  turn(key, "a");
  Tab& words = open_learned("sid", true);
  BOOST_TEST(words.pick.outcome == Outcome::Picked);
  BOOST_TEST(words.at() == "a");
  BOOST_TEST(words.member.leaving);
  BOOST_TEST(home(key) == ranking(key)[1]);
  departing();
  BOOST_TEST(!turn(key, "a"));
  BOOST_TEST(departing().empty());
  backend("a").state = BackendState::Drained;
  BOOST_TEST(open_learned("sid", true).at() == "a");
  backend("a").health = BackendHealth::Down;
  BOOST_TEST(open_learned("sid", true).pick.outcome == Outcome::Gone);
}

BOOST_AUTO_TEST_CASE(a_post_to_the_old_backend_alone_holds_no_key) {
  learn_and_close(key, "sid");
  backend("a").state = BackendState::Draining;
  table().keys_on(backend("a"), true);
  Tab& words = open_learned("sid", true);
  BOOST_TEST(words.at() == "a");
  BOOST_TEST(all_keys() == 0U);
  const Tab& next = open(key);
  BOOST_TEST(next.at() == ranking(key)[1]);
  BOOST_TEST(departing().empty());
  close(words);
  BOOST_TEST(home(key) == next.at());
}

BOOST_AUTO_TEST_CASE(an_id_whose_backend_is_down_or_has_refused_is_gone) {
  learn_and_close(key, "sid");
  Tab& tab = make_tab();
  tab.request.learned_id = "sid";
  tab.request.tried.push_back(backend("a").id);
  BOOST_TEST(reserve(tab).pick.outcome == Outcome::Gone);
  backend("a").health = BackendHealth::Down;
  BOOST_TEST(open_learned("sid").pick.outcome == Outcome::Gone);
  backend("a").health = BackendHealth::Up;
  BOOST_TEST(open_learned("sid").at() == "a");
}

BOOST_AUTO_TEST_CASE(where_no_other_backend_is_available_an_id_goes_on_leading_to_one_that_is_down) {
  learn_and_close(key, "sid");
  for (const auto& each : pool().view().backends) each->health = BackendHealth::Down;
  BOOST_TEST(open_learned("sid").at() == "a");
  BOOST_TEST(tabs.back()->pick.reason == PickReason::Learned);
  BOOST_TEST(!tabs.back()->member.leaving);
  BOOST_TEST(open(key).pick.outcome == Outcome::NoBackend);
  BOOST_TEST(home(key) == "a");
  backend("b").health = BackendHealth::Up;
  BOOST_TEST(open_learned("sid").pick.outcome == Outcome::Gone);
}

BOOST_AUTO_TEST_CASE(after_the_turn_of_its_key_none_leads_to_one_that_is_down) {
  learn_and_close(key, "sid");
  open(key);
  turn(key, "a");
  for (const auto& each : pool().view().backends) each->health = BackendHealth::Down;
  BOOST_TEST(open_learned("sid", true).pick.outcome == Outcome::Gone);
}

BOOST_AUTO_TEST_CASE(an_id_whose_key_is_not_held_leads_to_a_backend_that_is_ejected) {
  learn_and_close(key, "sid");
  table().keys_on(backend("a"), true);
  BOOST_TEST(home(key) == "");
  backend("a").health = BackendHealth::Ejected;
  BOOST_TEST(open_learned("sid").at() == "a");
}

BOOST_AUTO_TEST_CASE(an_id_outlives_the_entry_of_its_key) {
  backend("a").health = BackendHealth::Down;
  learn_and_close(key, "sid");
  const std::string at = ranking(key)[1];
  backend("a").health = BackendHealth::Up;
  table().keys_on(backend(at), true);
  BOOST_TEST(home(key) == "");
  BOOST_TEST(open_learned("sid").pick.reason == PickReason::Learned);
  BOOST_TEST(tabs.back()->at() == at);
  BOOST_TEST(home(key) == at);
  BOOST_TEST(pool().misplaced_keys == 1);
}

BOOST_AUTO_TEST_CASE(an_id_whose_key_has_moved_meanwhile_is_gone) {
  learn_and_close(key, "sid");
  backend("a").health = BackendHealth::Down;
  open(key);
  backend("a").health = BackendHealth::Up;
  BOOST_TEST(open_learned("sid").pick.outcome == Outcome::Gone);
}

BOOST_AUTO_TEST_CASE(a_closed_id_is_recognised_for_two_minutes) {
  learn_and_close(key, "sid");
  forget("sid", true);
  forget("sid", true);
  clock.advance(minutes(2) - Duration(1));
  BOOST_TEST(open_learned("sid").pick.outcome == Outcome::Gone);
  clock.advance(Duration(1));
  BOOST_TEST(open_learned("sid").pick.reason == PickReason::Balance);
}

BOOST_AUTO_TEST_CASE(a_forgotten_id_is_unknown_at_once) {
  learn_and_close(key, "sid");
  forget("sid", false);
  forget("never", true);
  BOOST_TEST(open_learned("sid").pick.reason == PickReason::Balance);
  BOOST_TEST(open_learned("never").pick.reason == PickReason::Balance);
}

BOOST_AUTO_TEST_CASE(what_a_backend_hands_out_after_the_turn_is_gone_but_for_its_last_messages) {
  Tab& tab = open(key);
  turn(key, "a");
  table().learn(tab.member, "late", true, clock.now());
  BOOST_TEST(open_learned("late").pick.outcome == Outcome::Gone);
  BOOST_TEST(open_learned("late", true).at() == "a");
}

BOOST_AUTO_TEST_CASE(what_counts_as_absent_where_it_is_gone_is_not_learned_after_the_turn) {
  Tab& tab = open(key);
  turn(key, "a");
  table().learn(tab.member, "late", false, clock.now());
  BOOST_TEST(open_learned("late").pick.reason == PickReason::Balance);
}

BOOST_AUTO_TEST_CASE(empty_and_huge_ids_are_not_learned) {
  Tab& tab = open(key);
  table().learn(tab.member, "", false, clock.now());
  table().learn(tab.member, std::string(257, 'x'), false, clock.now());
  table().learn(tab.member, std::string(256, 'y'), false, clock.now());
  BOOST_TEST(open_learned(std::string(257, 'x')).pick.reason == PickReason::Balance);
  BOOST_TEST(open_learned(std::string(256, 'y')).pick.reason == PickReason::Learned);
}

BOOST_AUTO_TEST_CASE(the_table_of_ids_is_bounded) {
  max_keys = 64 * 2;
  Tab& tab = open(key);
  for (int i = 0; i < 2000; ++i) {
    table().learn(tab.member, "sid" + std::to_string(i), false, clock.now());
    clock.advance(milliseconds(1));
  }
  int known = 0;
  for (int i = 0; i < 2000; ++i) {
    Tab& probe = open_learned("sid" + std::to_string(i));
    known += probe.pick.reason == PickReason::Learned ? 1 : 0;
    close(probe);
  }
  BOOST_TEST(known <= 128);
  BOOST_TEST(known > 64);
  BOOST_TEST(open_learned("sid1999").pick.reason == PickReason::Learned);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
