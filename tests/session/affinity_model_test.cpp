// SPDX-License-Identifier: Apache-2.0
// Random operations on the affinity table against a plain model of it, and the same keys raced by several threads.
// A failing run names its seed; LIMPET_TEST_SEED repeats it.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "tests/seed.h"
#include "tests/session/affinity_fixture.h"

namespace limpet::session {

namespace {

using metrics::PickReason;
using Outcome = Affinity::Outcome;

// One table, a handful of keys, and what must be true of them.
class Model : public AffinityFixture {
 public:
  Model(std::uint32_t seed, double load_factor) : random_(seed) {
    settings.load_factor = load_factor;
    settings.linger = seconds(random_() % 3);
    settings.learn_ttl = seconds(5);
  }

  void step() {
    switch (random_() % 12) {
    case 0:
    case 1:
    case 2:
      return open_one();
    case 3:
    case 4:
      return with_open([this](Tab& tab) { close_one(tab); });
    case 5:
      return with_open([this](Tab& tab) { refuse(tab); });
    case 6:
      return turn_one();
    case 7:
      return change_health();
    case 8:
      clock.advance(milliseconds(random_() % 1500));
      return;
    case 9:
      return with_open([this](Tab& tab) {
        ids_.push_back("id" + std::to_string(random_() % 20));
        table().learn(tab.member, ids_.back(), false, clock.now());
      });
    case 10:
      return open_learned_one();
    case 11:
      if (!ids_.empty()) table().forget(pool(), ids_[random_() % ids_.size()], random_() % 2 == 0, clock.now());
      return;
    }
  }

  void check() {
    sweep_all();
    std::map<const Backend*, std::uint32_t> sessions;
    std::map<const Backend*, std::uint32_t> keys;
    std::map<std::string, std::set<const Backend*>> staying;
    for (const Tab* tab : open_) {
      ++sessions[tab->member.backend];
      if (!tab->member.leaving) staying[std::string(Affinity::key_of(tab->member))].insert(tab->member.backend);
    }
    std::int64_t misplaced = 0;
    for (const std::string& key : known_keys_) {
      const auto found = table().find(pool(), key, clock.now());
      for (const Backend* backend : staying[key]) {
        // Its turn may be under way: sessions that have not been told yet stay where they are.
        if (partly_turned_.contains(key)) continue;
        BOOST_TEST_REQUIRE(backend == found.backend);
      }
      if (found.backend == nullptr) continue;
      ++keys[found.backend];
      if (found.backend->name != ranking(key)[0]) ++misplaced;
    }
    for (const auto& each : pool().view().backends) {
      BOOST_TEST_REQUIRE(each->sessions == sessions[each]);
      BOOST_TEST_REQUIRE(each->keys == keys[each]);
    }
    BOOST_TEST_REQUIRE(pool().misplaced_keys == misplaced);
  }

  void end_all() {
    while (!open_.empty()) close_one(*open_.back());
    for (const auto& each : pool().view().backends) table().keys_on(*each, true);
    clock.advance(seconds(10));
    sweep_all();
    BOOST_TEST_REQUIRE(all_keys() == 0U);
    BOOST_TEST_REQUIRE(all_sessions() == 0U);
    BOOST_TEST_REQUIRE(pool().misplaced_keys == 0);
  }

 private:
  template <typename F>
  void with_open(F&& f) {
    if (!open_.empty()) f(*open_[random_() % open_.size()]);
  }

  static bool tried(const Tab& tab, const Backend& backend) {
    return std::ranges::count(tab.request.tried, backend.id) > 0;
  }

  // What a plain reading of the rules says of a key that the table holds at `held` (null: not at all).
  void expect(const Tab& tab, const std::string& key, const Backend* held, bool again) {
    if (held != nullptr && held->serves() && !tried(tab, *held)) {
      BOOST_TEST_REQUIRE(tab.pick.outcome == Outcome::Picked);
      BOOST_TEST_REQUIRE(tab.pick.reason == PickReason::Live);
      BOOST_TEST_REQUIRE(tab.member.backend == held);
      return;
    }
    const auto order = ranking(key);
    const auto first = std::find_if(order.begin(), order.end(), [&](const std::string& name) {
      return backend(name).is_available() && !tried(tab, backend(name));
    });
    if (first == order.end()) {
      BOOST_TEST_REQUIRE(tab.pick.outcome == Outcome::NoBackend);
      return;
    }
    BOOST_TEST_REQUIRE(tab.pick.outcome == Outcome::Picked);
    BOOST_TEST_REQUIRE(tab.member.backend->is_available());
    if (settings.load_factor > 0) return;
    BOOST_TEST_REQUIRE(tab.member.backend->name == *first);
    BOOST_TEST_REQUIRE(tab.pick.reason == (first == order.begin() && !again ? PickReason::Hash : PickReason::Fallback));
  }

  // Who had to leave, because the key moved, is exactly who was told.
  void expect_told(const std::string& key) {
    for (const Tab* tab : open_) {
      if (Affinity::key_of(tab->member) != key || tab->member.backend == moved_to(key)) continue;
      BOOST_TEST_REQUIRE(tab->member.leaving);
    }
    partly_turned_.erase(key);
  }
  const Backend* moved_to(const std::string& key) { return table().find(pool(), key, clock.now()).backend; }

  void open_one() {
    if (random_() % 6 == 0) {
      Tab& tab = open();
      if (tab.pick.outcome != Outcome::Picked) return;
      BOOST_TEST_REQUIRE(tab.member.backend->is_available());
      known_keys_.insert(tab.pick.new_cookie);
      open_.push_back(&tab);
      return;
    }
    const std::string key = "key" + std::to_string(random_() % 12);
    known_keys_.insert(key);
    const Backend* held = moved_to(key);
    Tab& tab = open(key);
    expect(tab, key, held, false);
    if (tab.pick.outcome != Outcome::Picked) return;
    open_.push_back(&tab);
    if (tab.member.backend != held) expect_told(key);
    told_uniquely();
  }

  void open_learned_one() {
    if (ids_.empty()) return;
    Tab& tab = open_learned(ids_[random_() % ids_.size()], random_() % 2 == 0);
    if (tab.pick.outcome != Outcome::Picked) return;
    if (tab.pick.reason == PickReason::Balance) {
      known_keys_.insert(tab.pick.new_cookie);
    } else {
      const Backend& backend = *tab.member.backend;
      BOOST_TEST_REQUIRE((backend.is_up() || !pool().view().has_available_besides(backend, tab.request.tried)));
    }
    open_.push_back(&tab);
  }

  void close_one(Tab& tab) {
    std::erase(open_, &tab);
    close(tab);
  }

  void refuse(Tab& tab) {
    const std::string key(Affinity::key_of(tab.member));
    tab.request.tried.push_back(tab.member.backend->id);
    const Backend* held = moved_to(key);
    tab.pick = table().reserve_next(tab.member, tab.request, clock.now(), told);
    expect(tab, key, held, true);
    if (tab.pick.outcome != Outcome::Picked) return close_one(tab);
    if (tab.member.backend != held) expect_told(key);
    told_uniquely();
  }

  void turn_one() {
    if (known_keys_.empty()) return;
    auto it = known_keys_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(random_() % known_keys_.size()));
    Backend& from = *pool().view().backends[random_() % pool().view().backends.size()];
    const bool was_there = moved_to(*it) == &from;
    const std::size_t most = random_() % 2 == 0 ? 1 : 1000;
    turn(*it, from.name, most);
    BOOST_TEST_REQUIRE(moved_to(*it) != &from);
    if (was_there || most == 1) partly_turned_.insert(*it);
    if (most == 1000) {
      for (const Tab* tab : open_) {
        if (Affinity::key_of(tab->member) == *it && tab->member.backend == &from) {
          BOOST_TEST_REQUIRE(tab->member.leaving);
        }
      }
    }
    told_uniquely();
  }

  // A session is told to leave once, until it has moved.
  void told_uniquely() {
    std::set<std::uint32_t> slots;
    for (const auto& ref : departing()) BOOST_TEST_REQUIRE(slots.insert(ref.slot).second);
  }

  void change_health() {
    Backend& backend = *pool().view().backends[random_() % pool().view().backends.size()];
    switch (random_() % 6) {
    case 0:
      backend.health = BackendHealth::Down;
      return;
    case 1:
      backend.health = BackendHealth::Ejected;
      return;
    case 2:
      backend.state = BackendState::Draining;
      table().keys_on(backend, true);
      return;
    default:
      backend.health = BackendHealth::Up;
      backend.state = BackendState::Ready;
      return;
    }
  }

  std::mt19937 random_;
  std::vector<Tab*> open_;
  std::set<std::string> known_keys_;
  std::set<std::string> partly_turned_;
  std::vector<std::string> ids_;
};

// Four threads and more at one table. The clock stands still.
struct Race : AffinityFixture {
  // Runs `work(thread, round)` in every thread, all starting each round together; `after(round)` runs alone.
  template <typename Work, typename After>
  void rounds(int threads, int count, Work&& work, After&& after) {
    pool();
    table();
    int round = 0;
    std::barrier gate(threads, [&]() noexcept {});
    std::barrier done(threads, [&]() noexcept { after(round++); });
    std::vector<std::thread> running;
    for (int t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        for (int i = 0; i < count; ++i) {
          gate.arrive_and_wait();
          work(t, i);
          done.arrive_and_wait();
        }
      });
    }
    for (auto& thread : running) thread.join();
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(affinity_model)

BOOST_AUTO_TEST_CASE(whatever_happens_the_table_agrees_with_a_plain_model) {
  const std::uint32_t first = chosen_seed();
  for (std::uint32_t seed = first; seed != first + 18; ++seed) {
    BOOST_TEST_CONTEXT("LIMPET_TEST_SEED=" << seed) {
      Model model(seed, seed % 3 == 0 ? 1.25 : 0);
      for (int i = 0; i < 400; ++i) {
        model.step();
        model.check();
      }
      model.end_all();
    }
  }
}

BOOST_FIXTURE_TEST_CASE(workers_that_pick_the_same_new_key_at_once_meet_on_one_backend, Race) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  pool();
  std::vector<Tab*> mine;
  for (int i = 0; i < kThreads; ++i) mine.push_back(&make_tab());
  std::vector<SessionRefs> told_to(kThreads);
  rounds(
      kThreads, kRounds,
      [&](int t, int round) {
        Tab& tab = *mine[static_cast<std::size_t>(t)];
        tab.request.key = "round " + std::to_string(round);
        tab.request.has_key = true;
        tab.pick = table().reserve(tab.member, tab.request, chance, clock.now(), told_to[static_cast<std::size_t>(t)]);
      },
      [&](int) {
        int by_hash = 0;
        for (Tab* tab : mine) {
          BOOST_TEST(tab->member.backend == mine[0]->member.backend);
          by_hash += tab->pick.reason == PickReason::Hash ? 1 : 0;
        }
        BOOST_TEST(by_hash == 1);
        for (Tab* tab : mine) close(*tab);
      });
  for (const auto& each : told_to) BOOST_TEST(each.empty());
  BOOST_TEST(all_sessions() == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_pick_that_races_its_keys_turn_is_elsewhere_or_told, Race) {
  constexpr int kRounds = 1000;
  pool();
  Tab& racing = make_tab();
  std::vector<std::string> keys;
  for (int i = 0; i < kRounds; ++i) keys.push_back("round " + std::to_string(i));
  SessionRefs unused;
  int told_rounds = 0;
  rounds(
      2, kRounds,
      [&](int t, int round) {
        const std::string& key = keys[static_cast<std::size_t>(round)];
        Backend& from = backend(ranking(key)[0]);
        if (t == 0) {
          racing.request.key = key;
          racing.request.has_key = true;
          table().reserve(racing.member, racing.request, chance, clock.now(), unused);
        } else {
          table().take_turn(pool(), key, from, 1000, true, told);
        }
      },
      [&](int round) {
        const std::string& key = keys[static_cast<std::size_t>(round)];
        Backend& from = backend(ranking(key)[0]);
        // The turn came first and found nothing, or the pick came first and was told.
        const bool was_told = std::count(told.begin(), told.end(), racing.member.ref) == 1;
        BOOST_TEST((was_told ? home(key) != from.name : racing.member.backend->name == home(key)));
        BOOST_TEST(table().is_still_placed(racing.member) == !was_told);
        told_rounds += was_told ? 1 : 0;
        told.clear();
        close(racing);
      });
  BOOST_TEST_MESSAGE(told_rounds << " of " << kRounds << " picks were told to leave");
}

BOOST_FIXTURE_TEST_CASE(a_held_key_that_is_picked_in_its_turn_never_stays_behind, Race) {
  constexpr int kRounds = 1000;
  const std::string key = key_of("a");
  Tab& racing = make_tab();
  racing.request.key = key;
  racing.request.has_key = true;
  Tab& settled = open(key);
  SessionRefs unused;
  backend("a").state = BackendState::Draining;
  rounds(
      2, kRounds,
      [&](int t, int) {
        if (t == 0) {
          table().reserve(racing.member, racing.request, chance, clock.now(), unused);
        } else {
          table().take_turn(pool(), key, backend("a"), 1000, true, told);
        }
      },
      [&](int) {
        BOOST_TEST(home(key) != "a");
        BOOST_TEST(std::count(told.begin(), told.end(), settled.member.ref) == 1);
        const bool was_told = std::count(told.begin(), told.end(), racing.member.ref) == 1;
        BOOST_TEST((racing.member.backend == &backend("a")) == was_told);
        told.clear();
        close(racing);
        close(settled);
        backend("a").state = BackendState::Ready;
        clock.advance(settings.linger);
        reserve(settled);
        backend("a").state = BackendState::Draining;
      });
  BOOST_TEST(unused.empty());
}

BOOST_FIXTURE_TEST_CASE(four_threads_and_a_control_loop_leave_nothing_behind, Race) {
  settings.linger = milliseconds(0);
  settings.load_factor = 1.25;
  max_keys = 64 * 8;
  pool();
  table();
  std::atomic<int> working{4};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([this, t, &working] {
      std::mt19937 random(t);
      SeededRandom chance_here(t);
      std::vector<std::unique_ptr<Tab>> mine;
      SessionRefs told_here;
      for (int i = 0; i < 5000; ++i) {
        if (mine.size() < 10) {
          mine.push_back(std::make_unique<Tab>());
          Tab& tab = *mine.back();
          tab.member.ref = {static_cast<std::uint16_t>(t), static_cast<std::uint32_t>(i), 0};
          tab.request.pool = &pool();
          if (random() % 4 != 0) tab.request.key = "key" + std::to_string(random() % 10);
          tab.request.has_key = !tab.request.key.empty();
          if (random() % 4 == 0) tab.request.learned_id = "id" + std::to_string(random() % 10);
          if (table().reserve(tab.member, tab.request, chance_here, clock.now(), told_here).outcome != Outcome::Picked)
            mine.pop_back();
        }
        if (mine.empty()) continue;
        Tab& some = *mine[random() % mine.size()];
        switch (random() % 5) {
        case 0:
          table().is_still_placed(some.member);
          break;
        case 1:
          some.request.tried.push_back(some.member.backend->id);
          table().reserve_next(some.member, some.request, clock.now(), told_here);
          break;
        case 2:
          table().learn(some.member, "id" + std::to_string(random() % 10), false, clock.now());
          break;
        default:
          table().release(some.member, clock.now());
          std::erase_if(mine, [&](const auto& tab) { return tab.get() == &some; });
          break;
        }
      }
      for (auto& tab : mine) table().release(tab->member, clock.now());
      --working;
    });
  }
  std::mt19937 random(99);
  while (working > 0) {
    Backend& backend = *pool().view().backends[random() % 4];
    backend.state = BackendState::Draining;
    for (const auto& [key, sessions] : table().keys_on(backend, true)) {
      table().take_turn(pool(), key, backend, 2, true, told);
    }
    table().forget(pool(), "id" + std::to_string(random() % 10), random() % 2 == 0, clock.now());
    table().find(pool(), "key1", clock.now());
    backend.state = BackendState::Ready;
    backend.health = random() % 4 == 0 ? BackendHealth::Down : BackendHealth::Up;
    table().sweep(clock.now());
  }
  for (auto& thread : threads) thread.join();
  for (const auto& each : pool().view().backends) BOOST_TEST(table().keys_on(*each, true).empty());
  BOOST_TEST(all_sessions() == 0U);
  BOOST_TEST(all_keys() == 0U);
  BOOST_TEST(pool().misplaced_keys == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
