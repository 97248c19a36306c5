// SPDX-License-Identifier: Apache-2.0
// What happens to a pool's backends when its view is exchanged: who stays, who is new, and when one that has left may
// be freed. The workers are played: a test says when each of them answers.
#include "proxy/session/pool.h"

#include <boost/test/unit_test.hpp>
#include <deque>
#include <functional>

#include "proxy/session/workers.h"
#include "tests/session/affinity_fixture.h"

namespace limpet::session {

namespace {

// Two workers that answer when they are told to, each in order.
class PlayedWorkers final : public Workers {
 public:
  void on_each(std::function<void(Worker&)> work, std::function<void()> done) override {
    if (work) ++works;
    const auto missing = std::make_shared<int>(2);
    for (auto& mail : mails_) {
      mail.push_back([missing, done] {
        if (--*missing == 0) done();
      });
    }
  }

  void answer(std::size_t worker) {
    auto mail = std::exchange(mails_[worker], {});
    for (auto& each : mail) each();
  }
  void answer_all() {
    answer(0);
    answer(1);
  }

  int works = 0;  // that were asked of them

 private:
  std::array<std::deque<std::function<void()>>, 2> mails_;
};

struct Fixture : AffinityFixture {
  // The pool with these backends from now on.
  void change_to(std::initializer_list<const char*> names) {
    PoolSettings next = settings;
    next.backends.clear();
    for (const char* name : names) next.backends.push_back({name, {}, 1});
    change_to(next);
  }
  void change_to(const PoolSettings& next) {
    pool().exchange(pool().prepare(std::make_shared<const PoolSettings>(next)), workers);
  }
  std::vector<std::unique_ptr<Backend>> bury() { return pool().bury(table(), workers, clock.now()); }
  // How many rounds of answers it takes until the one removed backend is free; -1: it never is.
  int rounds_until_free() {
    for (int rounds = 0; rounds < 10; ++rounds) {
      if (!bury().empty()) return rounds;
      workers.answer_all();
    }
    return -1;
  }
  // A session that has gone to `name`, whatever its key.
  Tab& open_at(const std::string& name) { return open(key_of(name)); }

  PlayedWorkers workers;
};

std::vector<std::string> names_of(const PoolView& view) {
  std::vector<std::string> names;
  for (const Backend* backend : view.backends) names.push_back(backend->name);
  return names;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(pool_exchange, Fixture)

BOOST_AUTO_TEST_CASE(a_view_lists_the_backends_in_the_order_of_its_settings) {
  BOOST_TEST(names_of(pool().view()) == (std::vector<std::string>{"a", "b", "c", "d"}),
             boost::test_tools::per_element());
  BOOST_TEST(pool().view().number == 0U);
  change_to({"d", "x", "b"});
  BOOST_TEST(names_of(pool().view()) == (std::vector<std::string>{"d", "x", "b"}), boost::test_tools::per_element());
  BOOST_TEST(pool().view().number == 1U);
  BOOST_TEST(pool().settings().backends.size() == 3U);
}

BOOST_AUTO_TEST_CASE(a_backend_of_the_same_name_and_address_stays_with_all_that_it_holds) {
  Backend& b = backend("b");
  b.state = BackendState::Draining;
  Tab& tab = open_at("a");
  change_to({"b", "a"});
  BOOST_TEST((&backend("b") == &b));
  BOOST_TEST((b.state == BackendState::Draining));
  BOOST_TEST((&backend("a") == tab.member.backend));
  BOOST_TEST(backend("a").sessions == 1U);
  BOOST_TEST(!b.removed);
}

BOOST_AUTO_TEST_CASE(another_address_under_the_same_name_is_another_backend) {
  const Backend* const before = &backend("a");
  const BackendId id = before->id;
  PoolSettings next = settings;
  next.backends[0].address = net::Address::parse("127.0.0.1:9").value();
  change_to(next);
  BOOST_TEST((&backend("a") != before));
  BOOST_TEST(backend("a").id != id);
  BOOST_TEST(before->removed);
}

BOOST_AUTO_TEST_CASE(a_changed_weight_is_the_views_alone) {
  const Backend* const before = &backend("a");
  PoolSettings next = settings;
  next.backends[0].weight = 7;
  change_to(next);
  BOOST_TEST((&backend("a") == before));
  BOOST_TEST(weight_of(*before) == 7U);
}

BOOST_AUTO_TEST_CASE(a_new_backend_is_prepared_before_any_pick_can_see_it) {
  PoolSettings next = settings;
  next.backends.push_back({"new", {}, 1});
  Pool::Change change = pool().prepare(std::make_shared<const PoolSettings>(next));
  BOOST_TEST_REQUIRE(change.added.size() == 1U);
  BOOST_TEST(change.added[0]->name == "new");
  BOOST_TEST((pool().find("new") == nullptr));
  pool().exchange(std::move(change), workers);
  BOOST_TEST((pool().find("new") != nullptr));
}

BOOST_AUTO_TEST_CASE(the_old_view_is_freed_when_each_worker_has_ended_the_round_that_it_was_in) {
  auto first = std::make_shared<const PoolSettings>(settings);
  const std::weak_ptr<const PoolSettings> old_settings = first;
  Pool other(std::move(first));
  const auto next = std::make_shared<const PoolSettings>(settings);
  other.exchange(other.prepare(next), workers);
  workers.answer(0);
  BOOST_TEST(!old_settings.expired());
  BOOST_TEST((&other.settings() == next.get()));
  workers.answer(1);
  BOOST_TEST(old_settings.expired());
}

BOOST_AUTO_TEST_CASE(a_removed_backend_gets_nothing_new_and_keeps_what_it_holds) {
  const std::string key = key_of("a");
  open(key);
  const Backend& a = backend("a");
  change_to({"b", "c", "d"});
  BOOST_TEST(open(key).at() == "a");  // until the key's turn
  BOOST_TEST(!a.is_available());
  for (int i = 0; i < 50; ++i) BOOST_TEST(open("new" + std::to_string(i)).at() != "a");
  BOOST_TEST((pool().find("a") == nullptr));
}

BOOST_AUTO_TEST_CASE(the_turn_of_a_key_on_a_removed_backend_moves_it_into_the_present_view) {
  const std::string key = key_of("a");
  open(key);
  Backend& a = backend("a");
  change_to({"b", "c", "d"});
  BOOST_TEST(table().take_turn(pool(), key, a, 9, true, told));
  BOOST_TEST(departing().size() == 1U);
  BOOST_TEST(home(key) != "a");
  BOOST_TEST(home(key) != "");
}

BOOST_AUTO_TEST_CASE(who_failed_to_connect_to_a_backend_still_knows_it_in_another_view) {
  Tab& tab = open_at("a");
  const std::string key(Affinity::key_of(tab.member));
  tab.request.tried.push_back(tab.member.backend->id);
  change_to({"d", "c", "b", "a"});  // other places, the same backends
  tab.pick = table().reserve_next(tab.member, tab.request, clock.now(), told);
  BOOST_TEST(tab.at() == ranking(key)[1]);
}

BOOST_AUTO_TEST_CASE(an_unused_backend_is_free_after_three_rounds_of_answers) {
  change_to({"b", "c", "d"});
  BOOST_TEST(pool().removed() == 1U);
  // The old view; what was looked up before its ids were closed; its idle connections.
  BOOST_TEST(rounds_until_free() == 3);
  BOOST_TEST(workers.works == 1);
  BOOST_TEST(pool().removed() == 0U);
}

BOOST_AUTO_TEST_CASE(a_worker_that_has_not_answered_keeps_a_removed_backend) {
  change_to({"b", "c", "d"});
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST(bury().empty());
    workers.answer(0);
  }
  BOOST_TEST(pool().removed() == 1U);
  workers.answer(1);
  BOOST_TEST(rounds_until_free() == 2);
}

BOOST_AUTO_TEST_CASE(a_session_keeps_its_removed_backend_and_so_does_a_key) {
  settings.linger = seconds(30);
  Tab& tab = open_at("a");
  change_to({"b", "c", "d"});
  BOOST_TEST(rounds_until_free() == -1);
  close(tab);
  BOOST_TEST(rounds_until_free() == -1);  // the key lingers
  clock.advance(seconds(31));
  sweep_all();
  BOOST_TEST(rounds_until_free() == 2);
}

BOOST_AUTO_TEST_CASE(the_learned_ids_of_a_buried_backend_are_known_as_closed) {
  Tab& tab = open_at("a");
  table().learn(tab.member, "sid", false, clock.now());
  close(tab);
  BOOST_TEST(backend("a").learned_ids == 1U);
  Backend& a = backend("a");
  change_to({"b", "c", "d"});
  table().keys_on(a, true);
  BOOST_TEST(rounds_until_free() == 3);
  BOOST_TEST(open_learned("sid").pick.outcome == Affinity::Outcome::Gone);
}

// A worker had looked the id up, and uses it before it answers.
BOOST_AUTO_TEST_CASE(a_session_that_comes_while_the_ids_are_closed_is_waited_for) {
  Backend& a = backend("a");
  change_to({"b", "c", "d"});
  workers.answer_all();
  BOOST_TEST(bury().empty());  // closes the ids and asks the workers
  ++a.sessions;
  workers.answer_all();
  BOOST_TEST(workers.works == 0);
  BOOST_TEST(rounds_until_free() == -1);
  --a.sessions;
  BOOST_TEST(rounds_until_free() == 2);
}

BOOST_AUTO_TEST_CASE(a_learned_id_brings_no_new_key_to_a_removed_backend) {
  Tab& tab = open_at("a");
  table().learn(tab.member, "sid", false, clock.now());
  close(tab);
  Backend& a = backend("a");
  table().keys_on(a, true);
  change_to({"b", "c", "d"});
  BOOST_TEST(open_learned("sid").pick.outcome == Affinity::Outcome::Gone);
  BOOST_TEST(a.keys == 0U);
}

BOOST_AUTO_TEST_CASE(a_removed_backend_that_comes_back_is_the_same) {
  Tab& tab = open_at("a");
  change_to({"b", "c", "d"});
  workers.answer_all();
  change_to({"a", "b"});
  BOOST_TEST((&backend("a") == tab.member.backend));
  BOOST_TEST(backend("a").is_available());
  BOOST_TEST(pool().removed() == 2U);  // c and d
  close(tab);
}

BOOST_AUTO_TEST_CASE(a_backend_that_comes_back_while_it_is_buried_is_not_freed) {
  const auto answer = [&] { workers.answer_all(); };
  const auto bury_none = [&] { BOOST_TEST(bury().empty()); };
  const std::vector<std::function<void()>> steps{answer, bury_none, answer, answer};
  for (std::size_t taken = 0; taken <= steps.size(); ++taken) {
    change_to({"b", "c", "d"});
    for (std::size_t i = 0; i < taken; ++i) steps[i]();
    change_to({"a", "b", "c", "d"});
    for (int i = 0; i < 5; ++i) {
      BOOST_TEST(bury().empty());
      workers.answer_all();
    }
    BOOST_TEST(backend("a").is_available());
    BOOST_TEST(open_at("a").at() == "a");
    close(*tabs.back());
    table().keys_on(backend("a"), true);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
