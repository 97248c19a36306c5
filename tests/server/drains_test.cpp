// SPDX-License-Identifier: Apache-2.0
// What a drain would do, told before it begins; and when it is over.
#include "proxy/server/drains.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tests/session/affinity_fixture.h"

namespace limpet::server {

namespace {

struct Fixture : session::AffinityFixture {
  void open_in_shared(const std::string& key) {
    session::Tab& tab = make_tab();
    tab.request.key = key;
    tab.request.has_key = true;
    shared.affinity.reserve(tab.member, tab.request, chance, clock.now(), told);
  }
  void leave_shared() {
    for (auto& tab : tabs) shared.affinity.release(tab->member, clock.now());
  }
  void begin_drain(const std::string& name, const admin::DrainOrder& order) {
    drains.start(pool(), backend(name), order, false, clock.now());
  }
  ~Fixture() {
    for (auto& tab : tabs) shared.affinity.release(tab->member, clock.now());
  }

  metrics::Registry registry{1, "test"};
  session::Shared shared{1000, registry, 1};
  Drains drains{shared, chance};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(drains, Fixture)

BOOST_AUTO_TEST_CASE(heavy_keys_are_named_with_the_largest_first_and_equal_ones_by_name) {
  std::vector<std::string> keys;
  for (int i = 0; i < 6; ++i) keys.push_back(key_of("a", i));
  for (const std::string& key : {keys[3], keys[0], keys[5], keys[2]}) {
    open_in_shared(key);
    open_in_shared(key);
  }
  for (int i = 0; i < 3; ++i) open_in_shared(keys[4]);
  const auto plan = drains.plan(pool(), backend("a"), {});
  BOOST_TEST(plan.sessions == 11U);
  std::vector<std::string> named;
  for (const auto& [key, sessions] : plan.heavy) named.push_back(key);
  std::vector<std::string> expected{keys[0], keys[2], keys[3], keys[5]};
  std::ranges::sort(expected);
  expected.insert(expected.begin(), keys[4]);
  BOOST_TEST(named == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_plan_says_where_the_sessions_go_and_leaves_all_as_it_is) {
  const std::string key = key_of("a");
  open_in_shared(key);
  const auto plan = drains.plan(pool(), backend("a"), {});
  BOOST_TEST(plan.keys == 1U);
  BOOST_TEST(plan.goes_to.at(ranking(key)[1]) == 1U);
  BOOST_TEST(plan.load_after.at(ranking(key)[1]) == 1U);
  BOOST_TEST(!plan.load_after.contains("a"));
  BOOST_TEST(backend("a").sessions == 1U);
}

BOOST_AUTO_TEST_CASE(a_drain_is_over_when_the_backend_is_empty_though_turns_are_left) {
  for (int i = 0; i < 3; ++i) open_in_shared(key_of("a", i));
  admin::DrainOrder order;
  order.over = std::chrono::minutes(1);
  order.deadline = std::chrono::minutes(2);
  begin_drain("a", order);
  BOOST_TEST(drains.status(backend("a"), clock.now()).has_value());
  clock.advance(std::chrono::seconds(1));
  leave_shared();
  drains.step(clock.now());
  BOOST_TEST((backend("a").state == session::BackendState::Drained));
  BOOST_TEST(!drains.status(backend("a"), clock.now()).has_value());
}

BOOST_AUTO_TEST_CASE(a_paused_drain_is_over_when_the_backend_is_empty) {
  for (int i = 0; i < 3; ++i) open_in_shared(key_of("a", i));
  begin_drain("a", {});
  BOOST_TEST(!drains.act(backend("a"), admin::DrainAction::Pause, clock.now()).has_value());
  drains.step(clock.now());
  BOOST_TEST(drains.status(backend("a"), clock.now()).has_value());
  leave_shared();
  drains.step(clock.now());
  BOOST_TEST((backend("a").state == session::BackendState::Drained));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::server
