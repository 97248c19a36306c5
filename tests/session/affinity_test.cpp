// SPDX-License-Identifier: Apache-2.0
// How a backend is picked, what is remembered, and how a key leaves; the learned ids are in affinity_learned_test.cpp.
#include "proxy/session/affinity.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <set>

#include "tests/session/affinity_fixture.h"

namespace limpet::session {

namespace {

using metrics::PickReason;
using Outcome = Affinity::Outcome;
using std::chrono::hours;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(affinity, AffinityFixture)

BOOST_AUTO_TEST_CASE(a_new_key_goes_to_the_first_of_its_ranking) {
  for (int i = 0; i < 200; ++i) {
    const std::string key = "user" + std::to_string(i);
    const Tab& tab = open(key);
    BOOST_TEST(tab.pick.outcome == Outcome::Picked);
    BOOST_TEST(tab.pick.reason == PickReason::Hash);
    BOOST_TEST(tab.at() == ranking(key)[0]);
    BOOST_TEST(Affinity::key_of(tab.member) == key);
  }
  BOOST_TEST(all_sessions() == 200U);
  BOOST_TEST(all_keys() == 200U);
  BOOST_TEST(pool().misplaced_keys == 0);
}

BOOST_AUTO_TEST_CASE(the_sessions_of_a_key_meet_wherever_the_first_is) {
  const std::string key = key_of("a");
  backend("a").health = BackendHealth::Down;
  const Tab& first = open(key);
  BOOST_TEST(first.pick.reason == PickReason::Fallback);
  backend("a").health = BackendHealth::Up;
  const Tab& second = open(key);
  BOOST_TEST(second.pick.reason == PickReason::Live);
  BOOST_TEST(second.at() == first.at());
  BOOST_TEST(backend(first.at()).sessions == 2U);
  BOOST_TEST(backend(first.at()).keys == 1U);
  BOOST_TEST(pool().misplaced_keys == 1);
}

BOOST_AUTO_TEST_CASE(a_key_is_remembered_for_the_linger_time_and_not_longer) {
  const std::string key = key_of("a");
  backend("a").health = BackendHealth::Down;
  const std::string away = open(key).at();
  backend("a").health = BackendHealth::Up;
  close(*tabs[0]);
  clock.advance(settings.linger - Duration(1));
  BOOST_TEST(open(key).pick.reason == PickReason::Live);
  BOOST_TEST(tabs.back()->at() == away);
  close(*tabs.back());
  clock.advance(settings.linger);
  BOOST_TEST(home(key) == "");
  BOOST_TEST(open(key).pick.reason == PickReason::Hash);
  BOOST_TEST(tabs.back()->at() == "a");
  BOOST_TEST(pool().misplaced_keys == 0);
  BOOST_TEST(all_keys() == 1U);
}

BOOST_AUTO_TEST_CASE(a_key_lingers_from_the_end_of_its_last_session) {
  Tab& first = open("k");
  Tab& second = open("k");
  clock.advance(hours(1));
  close(first);
  clock.advance(hours(1));
  BOOST_TEST(home("k") == second.at());
  const std::string at = second.at();
  close(second);
  BOOST_TEST(home("k") == at);
}

BOOST_AUTO_TEST_CASE(without_linger_nothing_is_kept) {
  settings.linger = milliseconds(0);
  close(open("k"));
  BOOST_TEST(home("k") == "");
  BOOST_TEST(all_keys() == 0U);
}

BOOST_AUTO_TEST_CASE(a_backend_that_is_not_available_is_passed_by_in_the_ranking) {
  int n = 0;
  const auto lands = [&](auto&& set, auto value, auto usual) {
    const std::string key = key_of("b", n++);
    set(value);
    const Tab& tab = open(key);
    set(usual);
    BOOST_TEST(tab.pick.reason == PickReason::Fallback);
    BOOST_TEST(tab.at() == ranking(key)[1]);
  };
  const auto state = [&](BackendState s) { backend("b").state = s; };
  const auto health = [&](BackendHealth h) { backend("b").health = h; };
  lands(state, BackendState::Draining, BackendState::Ready);
  lands(state, BackendState::Drained, BackendState::Ready);
  lands(health, BackendHealth::Down, BackendHealth::Up);
  lands(health, BackendHealth::Ejected, BackendHealth::Up);
}

BOOST_AUTO_TEST_CASE(with_no_backend_available_there_is_no_pick_and_nothing_is_left) {
  for (const auto& each : pool().view().backends) each->health = BackendHealth::Down;
  BOOST_TEST(open("k").pick.outcome == Outcome::NoBackend);
  BOOST_TEST(open().pick.outcome == Outcome::NoBackend);
  BOOST_TEST((tabs[0]->member.entry == nullptr && tabs[1]->member.entry == nullptr));
  BOOST_TEST(all_keys() == 0U);
  BOOST_TEST(all_sessions() == 0U);
}

BOOST_AUTO_TEST_CASE(a_draining_or_ejected_backend_goes_on_serving_the_keys_that_it_holds) {
  const std::string key = key_of("a");
  open(key);
  backend("a").state = BackendState::Draining;
  BOOST_TEST(open(key).pick.reason == PickReason::Live);
  BOOST_TEST(tabs.back()->at() == "a");
  backend("a").state = BackendState::Ready;
  backend("a").health = BackendHealth::Ejected;
  BOOST_TEST(open(key).at() == "a");
  BOOST_TEST(departing().empty());
}

BOOST_AUTO_TEST_CASE(a_key_moves_with_all_its_sessions_when_its_backend_is_down_and_stays_there) {
  const std::string key = key_of("a");
  Tab& first = open(key);
  Tab& second = open(key);
  backend("a").health = BackendHealth::Down;
  Tab& third = open(key);
  BOOST_TEST(third.pick.reason == PickReason::Fallback);
  BOOST_TEST(third.at() == ranking(key)[1]);
  const std::set<std::uint32_t> expected{first.member.ref.slot, second.member.ref.slot};
  std::set<std::uint32_t> got;
  for (const auto& ref : departing()) got.insert(ref.slot);
  BOOST_TEST((got == expected));
  BOOST_TEST(!table().is_still_placed(first.member));
  BOOST_TEST(table().is_still_placed(third.member));
  BOOST_TEST(backend("a").keys == 0U);
  BOOST_TEST(backend("a").sessions == 2U);  // until they have left
  backend("a").health = BackendHealth::Up;
  BOOST_TEST(open(key).at() == third.at());
  BOOST_TEST(departing().empty());
  close(first);
  close(second);
  BOOST_TEST(home(key) == third.at());
  BOOST_TEST(backend("a").sessions == 0U);
}

BOOST_AUTO_TEST_CASE(without_a_key_the_backend_with_the_fewest_sessions_per_weight_is_picked) {
  settings.backends = {{"a", {}, 1}, {"b", {}, 3}};
  for (int i = 0; i < 40; ++i) BOOST_TEST(open().pick.reason == PickReason::Balance);
  BOOST_TEST(backend("a").sessions == 10U);
  BOOST_TEST(backend("b").sessions == 30U);
}

BOOST_AUTO_TEST_CASE(without_a_key_round_robin_takes_turns_whatever_is_open) {
  settings.balance = balancer::Balance::RoundRobin;
  for (int i = 0; i < 8; ++i) close(open());
  std::set<std::string> seen;
  for (int i = 0; i < 4; ++i) {
    Tab& tab = open();
    seen.insert(tab.at());
    close(tab);
  }
  BOOST_TEST(seen.size() == 4U);
}

BOOST_AUTO_TEST_CASE(the_session_cookie_ranks_the_picked_backend_first_here_and_at_every_other_proxy) {
  for (int i = 0; i < 20; ++i) {
    Tab& tab = open();
    BOOST_TEST_REQUIRE(tab.pick.new_cookie.size() == 15U);
    BOOST_TEST(Affinity::key_of(tab.member) == tab.pick.new_cookie);
    BOOST_TEST(ranking(tab.pick.new_cookie)[0] == tab.at());
    BOOST_TEST(open(tab.pick.new_cookie).pick.reason == PickReason::Live);
  }
  const std::string at = tabs[0]->at();
  close(*tabs[0]);
  close(*tabs[1]);
  clock.advance(settings.linger);
  BOOST_TEST(open(tabs[0]->pick.new_cookie).pick.reason == PickReason::Hash);
  BOOST_TEST(tabs.back()->at() == at);
}

BOOST_AUTO_TEST_CASE(a_session_without_any_key_is_its_own_key_and_leaves_nothing_behind) {
  settings.cookie.enabled = false;
  Tab& one = open();
  Tab& two = open();
  BOOST_TEST(one.pick.new_cookie == "");
  BOOST_TEST(Affinity::key_of(one.member) == "");
  BOOST_TEST(one.at() != two.at());
  BOOST_TEST(all_keys() == 2U);
  BOOST_TEST(pool().misplaced_keys == 0);
  close(one);
  BOOST_TEST(all_keys() == 1U);
  close(two);
  BOOST_TEST(all_keys() == 0U);
}

BOOST_AUTO_TEST_CASE(a_session_without_any_key_leaves_at_its_turn_too) {
  settings.cookie.enabled = false;
  Tab& tab = open();
  Backend& from = *tab.member.backend;
  from.state = BackendState::Draining;
  const auto keys = table().keys_on(from, true);
  BOOST_TEST_REQUIRE(keys.size() == 1U);
  BOOST_TEST(turn(keys[0].key, from.name));
  BOOST_TEST_REQUIRE(departing().size() == 1U);
  BOOST_TEST(from.keys == 0U);
  close(tab);
  BOOST_TEST(all_keys() == 0U);
}

BOOST_AUTO_TEST_CASE(a_hash_pick_never_exceeds_the_load_bound) {
  settings.load_factor = 1.25;
  settings.backends = {{"a", {}, 1}, {"b", {}, 2}, {"c", {}, 3}, {"d", {}, 2}};
  std::mt19937 random(7);
  std::vector<Tab*> open_tabs;
  for (int i = 0; i < 5000; ++i) {
    if (!open_tabs.empty() && random() % 5 < 2) {
      const std::size_t n = random() % open_tabs.size();
      close(*open_tabs[n]);
      open_tabs.erase(open_tabs.begin() + static_cast<std::ptrdiff_t>(n));
      continue;
    }
    Tab& tab = open("k" + std::to_string(i));
    open_tabs.push_back(&tab);
    BOOST_TEST_REQUIRE(tab.pick.reason == PickReason::Hash);  // passed over is not fallen back
    const double bound = std::ceil(1.25 * all_sessions() * weight_of(*tab.member.backend) / 8.0);
    BOOST_TEST_REQUIRE(tab.member.backend->sessions <= bound);
  }
}

BOOST_AUTO_TEST_CASE(a_choice_under_a_load_bound_is_remembered_for_the_linger_time_and_then_made_anew) {
  settings.load_factor = 1.0;
  const std::string first = key_of("a", 0);
  const std::string second = key_of("a", 1);
  Tab& busy = open(first);
  Tab& moved = open(second);
  BOOST_TEST(busy.at() == "a");
  BOOST_TEST(moved.at() == ranking(second)[1]);
  BOOST_TEST(pool().misplaced_keys == 1);
  const std::string at = moved.at();
  close(busy);
  close(moved);
  clock.advance(settings.linger - milliseconds(1));
  sweep_all();
  Tab& back = open(second);
  BOOST_TEST(back.pick.reason == PickReason::Live);
  BOOST_TEST(back.at() == at);
  close(back);
  clock.advance(settings.linger);
  BOOST_TEST(home(second) == "");
  BOOST_TEST(open(second).pick.reason == PickReason::Hash);
  BOOST_TEST(tabs.back()->at() == "a");
  BOOST_TEST(pool().misplaced_keys == 0);
}

BOOST_AUTO_TEST_CASE(a_key_under_a_load_bound_leaves_no_entry_behind) {
  settings.load_factor = 1.25;
  for (int i = 0; i < 100; ++i) close(open("k" + std::to_string(i)));
  clock.advance(settings.linger);
  sweep_all();
  BOOST_TEST(all_keys() == 0U);
}

BOOST_AUTO_TEST_CASE(without_linger_a_key_under_a_load_bound_goes_with_its_last_session) {
  settings.load_factor = 1.25;
  settings.linger = milliseconds(0);
  close(open("key"));
  BOOST_TEST(all_keys() == 0U);
}

BOOST_AUTO_TEST_CASE(more_sessions_of_a_key_may_exceed_the_load_bound) {
  settings.load_factor = 1.0;
  const std::string key = key_of("c");
  for (int i = 0; i < 50; ++i) BOOST_TEST(open(key).at() == "c");
}

BOOST_AUTO_TEST_CASE(the_table_is_bounded_and_the_oldest_idle_keys_go_first) {
  max_keys = 64 * 4;
  settings.linger = hours(1000);
  const std::string evergreen = "evergreen";
  close(open(evergreen));
  for (int i = 0; i < 3000; ++i) {
    close(open("k" + std::to_string(i)));
    close(open(evergreen));
    BOOST_TEST_REQUIRE(tabs.back()->pick.reason == PickReason::Live);
    BOOST_TEST_REQUIRE(all_keys() <= max_keys);
  }
  BOOST_TEST(home("k2999") != "");
  BOOST_TEST(home("k0") == "");
  BOOST_TEST(all_keys() > max_keys / 2);
}

BOOST_AUTO_TEST_CASE(long_keys_leave_room_for_fewer) {
  max_keys = 64 * 20;
  settings.linger = hours(1000);
  const auto long_key = [](int i) { return std::string(2500, 'k') + std::to_string(i); };  // as 10 others
  for (int i = 0; i < 3000; ++i) {
    close(open(long_key(i)));
    BOOST_TEST_REQUIRE(all_keys() <= max_keys / 10);
  }
  BOOST_TEST(home(long_key(2999)) != "");
  BOOST_TEST(all_keys() > max_keys / 20);
  for (int i = 0; i < 20'000; ++i) close(open("k" + std::to_string(i)));  // all of the weight comes back
  BOOST_TEST(all_keys() > max_keys * 9 / 10);
  BOOST_TEST(all_keys() <= max_keys);
}

BOOST_AUTO_TEST_CASE(a_key_of_256_bytes_counts_as_one) {
  max_keys = 64;
  settings.linger = hours(1000);
  for (int i = 0; i < 1000; ++i) close(open(std::string(250, 'k') + std::to_string(100000 + i)));
  BOOST_TEST(all_keys() > 60U);
}

BOOST_AUTO_TEST_CASE(a_key_with_an_open_session_is_never_evicted) {
  max_keys = 64;
  for (int i = 0; i < 500; ++i) open("k" + std::to_string(i));
  for (int i = 0; i < 500; ++i) BOOST_TEST(home("k" + std::to_string(i)) == tabs[static_cast<std::size_t>(i)]->at());
  BOOST_TEST(all_keys() == 500U);
}

BOOST_AUTO_TEST_CASE(sweeping_drops_what_has_expired_and_nothing_else) {
  close(open("old"));
  clock.advance(settings.linger - Duration(1));
  close(open("young"));
  open("busy");
  sweep_all();
  BOOST_TEST(all_keys() == 3U);
  clock.advance(Duration(1));
  sweep_all();
  BOOST_TEST(all_keys() == 2U);
  BOOST_TEST(home("old") == "");
  BOOST_TEST(home("young") != "");
}

BOOST_AUTO_TEST_CASE(two_pools_do_not_share_keys) {
  Pool other(std::make_shared<const PoolSettings>(settings));
  open("k");
  BOOST_TEST(table().find(other, "k", clock.now()).backend == nullptr);
  BOOST_TEST(!table().take_turn(other, "k", *other.view().backends[0], 9, true, told));
  Tab& tab = make_tab();
  tab.request = {};
  tab.request.pool = &other;
  tab.request.key = "k";
  tab.request.has_key = true;
  BOOST_TEST(reserve(tab).pick.reason == PickReason::Hash);
  BOOST_TEST((tab.member.backend == other.find(ranking("k")[0])));
  close(tab);
  clock.advance(settings.linger);
  sweep_all();
}

BOOST_AUTO_TEST_CASE(find_names_the_home_and_the_open_sessions) {
  Tab& one = open("k");
  Tab& two = open("k");
  const auto found = table().find(pool(), "k", clock.now());
  BOOST_TEST(found.backend->name == one.at());
  BOOST_TEST_REQUIRE(found.sessions.size() == 2U);
  BOOST_TEST(
      (std::set{found.sessions[0].slot, found.sessions[1].slot} == std::set{one.member.ref.slot, two.member.ref.slot}));
}

BOOST_AUTO_TEST_CASE(releasing_what_is_not_held_does_nothing) {
  Tab& tab = open("k");
  close(tab);
  close(tab);
  BOOST_TEST(all_sessions() == 0U);
  BOOST_TEST(all_keys() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
