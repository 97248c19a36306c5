// SPDX-License-Identifier: Apache-2.0
// The health of one backend under a fake clock, step by step, and of a whole pool under random checks and failures
// against a model that is written in another way: it keeps the history and derives the state from it.
#include "balancer/health.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>
#include <vector>

#include "tests/seed.h"

namespace limpet::balancer {

static std::ostream& operator<<(std::ostream& out, Health health) {
  return out << (health == Health::Up ? "Up" : health == Health::Down ? "Down" : "Ejected");
}

namespace {

using namespace std::chrono_literals;

// One backend and its clock: `backend.good_check(); backend.fails(); backend.after(10s);`. Each answers health().
struct Backend {
  explicit Backend(const HealthSettings& settings = {}) : state(settings) {}

  Health good_check() {
    return told([&] { return state.checked(true, now); });
  }
  Health bad_check() {
    return told([&] { return state.checked(false, now); });
  }
  Health works() {
    return told([&] { return state.observed(true, true, now); });
  }
  Health fails(bool may_eject = true) {
    return told([&] { return state.observed(false, may_eject, now); });
  }
  Health after(std::chrono::nanoseconds time) {
    now += time;
    return told([&] { return state.tick(now); });
  }
  // Every call tells the truth about whether something changed.
  template <typename Call>
  Health told(Call call) {
    const Health before = state.health();
    const bool reported = call();
    BOOST_TEST(reported == (before != state.health()));
    return state.health();
  }
  // Fails until it is ejected, answers for how long.
  std::chrono::nanoseconds ejection() {
    int failures = 0;
    while (fails() != Health::Ejected) BOOST_REQUIRE(++failures < 100);
    const HealthState::Time start = now;
    while (after(500ms) == Health::Ejected) BOOST_REQUIRE(now - start < 1h);
    return now - start;
  }

  HealthState state;
  HealthState::Time now{1000s};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(health)

BOOST_AUTO_TEST_CASE(a_backend_starts_up_and_without_slow_start) {
  Backend backend({.slow_start = 10s});
  BOOST_TEST(backend.state.health() == Health::Up);
  BOOST_TEST(backend.state.ramp(backend.now) == 1.0F);
}

BOOST_AUTO_TEST_CASE(fall_bad_checks_in_a_row_take_it_down) {
  Backend backend;
  BOOST_TEST(backend.bad_check() == Health::Up);
  BOOST_TEST(backend.bad_check() == Health::Up);
  BOOST_TEST(backend.good_check() == Health::Up);
  BOOST_TEST(backend.bad_check() == Health::Up);
  BOOST_TEST(backend.bad_check() == Health::Up);
  BOOST_TEST(backend.bad_check() == Health::Down);
  BOOST_TEST(backend.bad_check() == Health::Down);
}

BOOST_AUTO_TEST_CASE(rise_good_checks_in_a_row_bring_it_up) {
  Backend backend;
  for (int i = 0; i < 3; ++i) backend.bad_check();
  BOOST_TEST(backend.good_check() == Health::Down);
  BOOST_TEST(backend.bad_check() == Health::Down);
  BOOST_TEST(backend.good_check() == Health::Down);
  BOOST_TEST(backend.good_check() == Health::Up);
  BOOST_TEST(backend.bad_check() == Health::Up);  // fall starts anew
  BOOST_TEST(backend.bad_check() == Health::Up);
  BOOST_TEST(backend.bad_check() == Health::Down);
}

BOOST_AUTO_TEST_CASE(rise_and_fall_of_one_react_to_each_check) {
  Backend backend({.rise = 1, .fall = 1});
  BOOST_TEST(backend.bad_check() == Health::Down);
  BOOST_TEST(backend.good_check() == Health::Up);
}

BOOST_AUTO_TEST_CASE(checks_are_ignored_where_there_are_none) {
  Backend backend({.active = false});
  for (int i = 0; i < 10; ++i) BOOST_TEST(backend.bad_check() == Health::Up);
}

BOOST_AUTO_TEST_CASE(passive_failures_in_a_row_eject) {
  Backend backend;
  for (int i = 0; i < 4; ++i) BOOST_TEST(backend.fails() == Health::Up);
  BOOST_TEST(backend.works() == Health::Up);
  for (int i = 0; i < 4; ++i) BOOST_TEST(backend.fails() == Health::Up);
  BOOST_TEST(backend.fails() == Health::Ejected);
  BOOST_TEST(backend.after(9s) == Health::Ejected);
  BOOST_TEST(backend.after(1s) == Health::Up);
}

BOOST_AUTO_TEST_CASE(ejection_can_be_off) {
  Backend backend({.eject_after = 0});
  for (int i = 0; i < 100; ++i) BOOST_TEST(backend.fails() == Health::Up);
}

BOOST_AUTO_TEST_CASE(the_first_failure_after_an_ejection_ejects_for_twice_as_long_up_to_the_most) {
  Backend backend;
  for (const auto expected : {10s, 20s, 40s, 80s, 160s, 300s, 300s, 300s}) {
    BOOST_TEST((backend.ejection() == expected));
    BOOST_TEST(backend.state.health() == Health::Up);
  }
  BOOST_TEST(backend.fails() == Health::Ejected);
}

BOOST_AUTO_TEST_CASE(a_good_observation_resets_the_period_and_the_count) {
  Backend backend;
  backend.ejection();
  backend.ejection();
  backend.works();
  for (int i = 0; i < 4; ++i) BOOST_TEST(backend.fails() == Health::Up);
  BOOST_TEST((backend.ejection() == 10s));
}

BOOST_AUTO_TEST_CASE(a_period_longer_than_the_most_is_the_most) {
  Backend backend({.eject_for = 10min, .eject_max = 30s});
  BOOST_TEST((backend.ejection() == 30s));
  BOOST_TEST((backend.ejection() == 30s));
}

BOOST_AUTO_TEST_CASE(a_failure_that_may_not_eject_is_not_forgotten) {
  Backend backend;
  for (int i = 0; i < 200; ++i) BOOST_TEST(backend.fails(false) == Health::Up);
  BOOST_TEST(backend.fails(true) == Health::Ejected);
}

BOOST_AUTO_TEST_CASE(an_ejected_backend_is_not_moved_by_observations_or_good_checks) {
  Backend backend;
  for (int i = 0; i < 5; ++i) backend.fails();
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST(backend.works() == Health::Ejected);
    BOOST_TEST(backend.fails() == Health::Ejected);
    BOOST_TEST(backend.good_check() == Health::Ejected);
  }
  BOOST_TEST(backend.after(10s) == Health::Up);
  BOOST_TEST((backend.ejection() == 20s));  // what arrived late did not reset the period, nor double it again
}

BOOST_AUTO_TEST_CASE(bad_checks_take_an_ejected_backend_down_and_good_ones_bring_it_up) {
  Backend backend;
  for (int i = 0; i < 5; ++i) backend.fails();
  for (int i = 0; i < 3; ++i) backend.bad_check();
  BOOST_TEST(backend.state.health() == Health::Down);
  BOOST_TEST(backend.after(1h) == Health::Down);
  BOOST_TEST(backend.fails() == Health::Down);
  backend.good_check();
  BOOST_TEST(backend.good_check() == Health::Up);
}

BOOST_AUTO_TEST_CASE(passive_failures_are_counted_anew_after_down) {
  Backend backend;
  for (int i = 0; i < 4; ++i) backend.fails();
  for (int i = 0; i < 3; ++i) backend.bad_check();
  for (int i = 0; i < 2; ++i) backend.good_check();
  for (int i = 0; i < 4; ++i) BOOST_TEST(backend.fails() == Health::Up);
  BOOST_TEST(backend.fails() == Health::Ejected);
}

BOOST_AUTO_TEST_CASE(slow_start_rises_from_a_tenth_to_all) {
  Backend backend({.rise = 1, .fall = 1, .slow_start = 100s});
  backend.bad_check();
  backend.good_check();
  const auto tolerance = boost::test_tools::tolerance(0.001F);
  BOOST_TEST(backend.state.ramp(backend.now) == 0.1F, tolerance);
  BOOST_TEST(backend.state.ramp(backend.now + 50s) == 0.55F, tolerance);
  BOOST_TEST(backend.state.ramp(backend.now + 100s) == 1.0F, tolerance);
  BOOST_TEST(backend.state.ramp(backend.now + 24h) == 1.0F);
  BOOST_TEST(backend.state.ramp(backend.now - 5s) == 0.1F);  // a clock read before the check
}

BOOST_AUTO_TEST_CASE(slow_start_follows_an_ejection_and_starts_anew_each_time) {
  Backend backend({.slow_start = 10s});
  backend.ejection();
  BOOST_TEST(backend.state.ramp(backend.now) == 0.1F);
  backend.after(1h);
  BOOST_TEST(backend.state.ramp(backend.now) == 1.0F);
  backend.ejection();
  BOOST_TEST(backend.state.ramp(backend.now) == 0.1F);
}

BOOST_AUTO_TEST_CASE(no_slow_start_is_all_at_once) {
  Backend backend;
  backend.ejection();
  BOOST_TEST(backend.state.ramp(backend.now) == 1.0F);
}

namespace {

// The model of one backend: what happened since it last came up, from which every answer is derived.
struct Model {
  HealthSettings settings;
  std::vector<bool> checks;           // all of them
  std::size_t checks_known = 0;       // how many were made when it last changed between up and down
  std::vector<bool> observed;         // while up, since it last came up
  std::vector<bool> since_ejections;  // per ejection: was there a good observation after it
  bool down = false;
  bool ejected = false;
  HealthState::Time until;

  bool ends_in(bool good, std::size_t count) const {
    if (checks.size() < count) return false;
    return std::all_of(checks.end() - static_cast<long>(count), checks.end(),
                       [&](bool check) { return check == good; });
  }
  std::size_t ejections_in_row() const {
    const auto good = std::find(since_ejections.rbegin(), since_ejections.rend(), true);
    return static_cast<std::size_t>(good - since_ejections.rbegin());
  }
  void come_up() {
    down = ejected = false;
    observed.clear();
  }
  void check(bool good) {
    checks.push_back(good);
    if (!down && ends_in(false, settings.fall)) {
      down = true;
      ejected = false;
    } else if (down && ends_in(true, settings.rise)) {
      come_up();
    }
  }
  void observe(bool good, bool may_eject, HealthState::Time now) {
    if (down || ejected) return;
    observed.push_back(good);
    if (good && !since_ejections.empty()) since_ejections.back() = true;
    const auto good_one = std::find(observed.rbegin(), observed.rend(), true);
    const auto bad_in_row = static_cast<std::size_t>(good_one - observed.rbegin());
    const std::size_t needed = ejections_in_row() > 0 ? 1 : settings.eject_after;
    if (bad_in_row < needed || !may_eject) return;
    ejected = true;
    const HealthState::Time::duration doubled =
        settings.eject_for * (1LL << std::min<std::size_t>(ejections_in_row(), 20));
    until = now + std::min(settings.eject_max, doubled);
    since_ejections.push_back(false);
  }
  void tick(HealthState::Time now) {
    if (ejected && now >= until) come_up();
  }
  Health health() const { return down ? Health::Down : ejected ? Health::Ejected : Health::Up; }
};

}  // namespace

BOOST_AUTO_TEST_CASE(random_pools_agree_with_the_model_and_never_eject_more_than_half) {
  const auto seed = chosen_seed();
  BOOST_TEST_CONTEXT("LIMPET_TEST_SEED=" << seed) {
    std::mt19937_64 random(seed);
    std::size_t most_ejected_of_six = 0;
    for (int round = 0; round < 40; ++round) {
      const HealthSettings settings{.rise = 1 + unsigned(random() % 3),
                                    .fall = 1 + unsigned(random() % 4),
                                    .eject_after = 1 + unsigned(random() % 5),
                                    .eject_for = std::chrono::seconds(1 + random() % 10),
                                    .eject_max = std::chrono::seconds(20 + random() % 60)};
      const std::size_t n = round < 20 ? 6 : 1 + random() % 7;
      std::vector<HealthState> pool(n, HealthState(settings));
      std::vector<Model> models(n);
      for (Model& model : models) model.settings = settings;
      HealthState::Time now{1s};
      for (int step = 0; step < 2000; ++step) {
        now += std::chrono::milliseconds(random() % 400);
        const std::size_t i = random() % n;
        const Health before = pool[i].health();
        const auto is_ejected = [](const HealthState& state) { return state.health() == Health::Ejected; };
        const auto ejected = static_cast<std::size_t>(std::count_if(pool.begin(), pool.end(), is_ejected));
        const bool may_eject = 2 * (ejected + 1) <= n;
        const bool good = random() % 3 == 0;
        bool reported = false;
        switch (random() % 4) {
        case 0:
          reported = pool[i].checked(!good, now);  // checks are mostly good
          models[i].check(!good);
          break;
        case 1:
          reported = pool[i].tick(now);
          models[i].tick(now);
          break;
        default:
          reported = pool[i].observed(good, may_eject, now);
          models[i].observe(good, may_eject, now);
        }
        BOOST_REQUIRE_EQUAL(pool[i].health(), models[i].health());
        BOOST_REQUIRE_EQUAL(reported, before != pool[i].health());
        const auto ejected_now = static_cast<std::size_t>(std::count_if(pool.begin(), pool.end(), is_ejected));
        BOOST_REQUIRE_LE(2 * ejected_now, n);
        if (n == 6) most_ejected_of_six = std::max(most_ejected_of_six, ejected_now);
      }
    }
    BOOST_TEST(most_ejected_of_six == 3);  // the limit was met, not just kept
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::balancer
