// SPDX-License-Identifier: Apache-2.0
// Timers under times that the test dictates: when each fires, what destroying, moving and re-arming does, also within a
// callback, and random arming against a sorted list.
#include "proxy/base/timer_wheel.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/seed.h"

namespace limpet {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kTick = TimerWheel::kTick;

class Alarm final : public Timer {
 public:
  int rung = 0;
  std::function<void()> then;

 private:
  void on_timer() override {
    ++rung;
    if (then) then();
  }
};

struct Fixture {
  ManualClock clock;
  TimerWheel wheel{clock.now()};

  void pass(Duration time) {
    clock.advance(time);
    wheel.advance(clock.now());
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(timer_wheel, Fixture)

// Who asks next_due() and comes then misses nothing, however rarely that is.
BOOST_AUTO_TEST_CASE(nothing_has_to_be_done_before_next_due) {
  BOOST_TEST((wheel.next_due() == Time::max()));
  std::mt19937 random(7);
  std::vector<std::unique_ptr<Alarm>> alarms;
  std::vector<Time> due;
  for (int i = 0; i < 200; ++i) {
    alarms.push_back(std::make_unique<Alarm>());
    due.push_back(clock.now() + milliseconds(random() % 300'000));
    wheel.arm(*alarms.back(), due.back());
    if (i % 10 == 0) pass(milliseconds(random() % 100'000));
    if (i % 7 == 0) alarms[random() % alarms.size()]->disarm();
  }
  const auto armed = [&] { return std::ranges::any_of(alarms, [](const auto& alarm) { return alarm->armed(); }); };
  int calls = 0;
  for (; armed(); ++calls) {
    BOOST_TEST_REQUIRE((wheel.next_due() > clock.now()));
    BOOST_TEST_REQUIRE((wheel.next_due() < Time::max()));
    const Time before = clock.now();
    pass(wheel.next_due() - clock.now());
    for (std::size_t i = 0; i < alarms.size(); ++i) {
      if (alarms[i]->armed()) BOOST_TEST((due[i] + kTick > clock.now()));
      if (alarms[i]->rung == 1 && due[i] > before) BOOST_TEST((due[i] <= clock.now()));
    }
  }
  BOOST_TEST(calls < 2000);  // of 15,000 ticks
  pass(hours(24 * 365));
  BOOST_TEST((wheel.next_due() == Time::max()));
}

BOOST_AUTO_TEST_CASE(a_timer_fires_once_never_early_and_within_a_tick) {
  for (int ms = 0; ms < 200; ms += 7) {
    Alarm alarm;
    const Time when = clock.now() + milliseconds(ms);
    wheel.arm(alarm, when);
    while (alarm.rung == 0) {
      pass(milliseconds(1));
      BOOST_TEST_REQUIRE((alarm.rung == 0 || clock.now() >= when));
      BOOST_TEST_REQUIRE((clock.now() <= when + kTick || alarm.rung == 1));
    }
    BOOST_TEST(!alarm.armed());
    pass(seconds(100));
    BOOST_TEST(alarm.rung == 1);
  }
}

BOOST_AUTO_TEST_CASE(a_timer_for_the_past_fires_at_the_next_tick) {
  Alarm alarm;
  pass(seconds(10));
  wheel.arm(alarm, clock.now() - seconds(5));
  BOOST_TEST(alarm.rung == 0);
  pass(kTick);
  BOOST_TEST(alarm.rung == 1);
}

BOOST_AUTO_TEST_CASE(a_timer_beyond_the_wheels_round_waits_its_rounds) {
  Alarm alarm;
  wheel.arm(alarm, clock.now() + hours(1));
  for (int s = 0; s < 3599; ++s) {
    pass(seconds(1));
    BOOST_TEST_REQUIRE(alarm.rung == 0);
  }
  pass(seconds(1) + kTick);
  BOOST_TEST(alarm.rung == 1);
}

BOOST_AUTO_TEST_CASE(a_long_sleep_fires_all_that_was_due_in_the_order_of_time) {
  std::string order;
  Alarm late;
  Alarm early;
  Alarm never;
  late.then = [&] { order += "late "; };
  early.then = [&] { order += "early "; };
  wheel.arm(late, clock.now() + seconds(90));
  wheel.arm(early, clock.now() + seconds(3));
  wheel.arm(never, clock.now() + seconds(200));
  pass(seconds(100));
  BOOST_TEST(order == "early late ");
  BOOST_TEST(never.armed());
}

// Else each missed round would look at each timer.
BOOST_AUTO_TEST_CASE(after_months_without_a_timer_the_next_ones_cost_no_more) {
  clock.advance(hours(24 * 90));
  std::vector<Alarm> alarms(10'000);
  for (auto& alarm : alarms) wheel.arm(alarm, clock.now() + seconds(100));
  const std::clock_t began = std::clock();
  pass(seconds(100) + kTick);
  BOOST_TEST(static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC < 1);
  for (const auto& alarm : alarms) BOOST_TEST_REQUIRE(alarm.rung == 1);
}

BOOST_AUTO_TEST_CASE(arming_again_moves_a_timer) {
  Alarm alarm;
  wheel.arm(alarm, clock.now() + seconds(1));
  wheel.arm(alarm, clock.now() + seconds(3));
  pass(seconds(2));
  BOOST_TEST(alarm.rung == 0);
  wheel.arm(alarm, clock.now() + milliseconds(100));
  pass(milliseconds(120));
  BOOST_TEST(alarm.rung == 1);
  pass(seconds(5));
  BOOST_TEST(alarm.rung == 1);
}

BOOST_AUTO_TEST_CASE(arming_no_later_moves_a_timer_forward_only) {
  Alarm alarm;
  wheel.arm_no_later(alarm, clock.now() + seconds(2));
  BOOST_TEST(alarm.armed());
  wheel.arm_no_later(alarm, clock.now() + seconds(50));
  wheel.arm_no_later(alarm, clock.now() + seconds(1));
  pass(seconds(1) + kTick);
  BOOST_TEST(alarm.rung == 1);
  pass(seconds(60));
  BOOST_TEST(alarm.rung == 1);
}

BOOST_AUTO_TEST_CASE(a_disarmed_timer_does_not_fire) {
  Alarm alarm;
  wheel.arm(alarm, clock.now() + seconds(1));
  alarm.disarm();
  alarm.disarm();
  BOOST_TEST(!alarm.armed());
  pass(seconds(2));
  BOOST_TEST(alarm.rung == 0);
}

BOOST_AUTO_TEST_CASE(a_destroyed_timer_leaves_its_neighbours_alone) {
  Alarm before;
  auto between = std::make_unique<Alarm>();
  Alarm after;
  for (Alarm* alarm : {&before, between.get(), &after}) wheel.arm(*alarm, clock.now() + seconds(1));
  between.reset();
  pass(seconds(2));
  BOOST_TEST(before.rung == 1);
  BOOST_TEST(after.rung == 1);
}

BOOST_AUTO_TEST_CASE(a_timer_that_arms_itself_for_now_fires_once_per_tick) {
  Alarm alarm;
  alarm.then = [&] { wheel.arm(alarm, clock.now() - seconds(1)); };
  wheel.arm(alarm, clock.now());
  for (int i = 0; i < 10; ++i) pass(kTick);
  BOOST_TEST(alarm.rung == 10);
  alarm.disarm();
}

BOOST_AUTO_TEST_CASE(a_timer_that_arms_itself_a_whole_round_ahead_waits_that_long) {
  Alarm alarm;
  alarm.then = [&] { wheel.arm(alarm, clock.now() + 2048 * kTick); };
  wheel.arm(alarm, clock.now() + kTick);
  pass(2 * kTick);
  BOOST_TEST(alarm.rung == 1);
  pass(2000 * kTick);
  BOOST_TEST(alarm.rung == 1);
  pass(50 * kTick);
  BOOST_TEST(alarm.rung == 2);
  alarm.disarm();
}

BOOST_AUTO_TEST_CASE(a_timer_may_destroy_or_disarm_those_that_are_due_with_it) {
  auto doomed = std::make_unique<Alarm>();
  Alarm disarmed;
  Alarm last;
  Alarm killer;
  killer.then = [&] {
    doomed.reset();
    disarmed.disarm();
  };
  wheel.arm(killer, clock.now());
  wheel.arm(*doomed, clock.now());
  wheel.arm(disarmed, clock.now());
  wheel.arm(last, clock.now());
  pass(seconds(1));
  BOOST_TEST((doomed == nullptr));
  BOOST_TEST(disarmed.rung == 0);
  BOOST_TEST(last.rung == 1);
}

BOOST_AUTO_TEST_CASE(a_timer_may_destroy_itself) {
  auto alarm = std::make_unique<Alarm>();
  int rung = 0;
  alarm->then = [&] {
    ++rung;
    std::function<void()> keep = std::move(alarm->then);  // this very function goes with the timer
    alarm.reset();
  };
  wheel.arm(*alarm, clock.now());
  pass(seconds(1));
  BOOST_TEST(rung == 1);
}

BOOST_AUTO_TEST_CASE(random_arming_agrees_with_a_sorted_list) {
  const auto seed = chosen_seed();
  BOOST_TEST_CONTEXT("LIMPET_TEST_SEED=" << seed) {
    std::mt19937 random(seed);
    std::vector<std::unique_ptr<Alarm>> alarms;
    std::map<std::size_t, Time> due;
    for (int i = 0; i < 30; ++i) alarms.push_back(std::make_unique<Alarm>());
    for (int i = 0; i < 20'000; ++i) {
      const std::size_t n = random() % alarms.size();
      const Time when = clock.now() + milliseconds(random() % 100'000);
      switch (random() % 8) {
      case 0:
        wheel.arm(*alarms[n], when);
        due[n] = when;
        break;
      case 1:
        alarms[n]->disarm();
        due.erase(n);
        break;
      default:
        pass(milliseconds(random() % 100));
        for (auto it = due.begin(); it != due.end();) {
          const bool rang = alarms[it->first]->rung > 0;
          BOOST_TEST_REQUIRE((!rang || clock.now() >= it->second));
          BOOST_TEST_REQUIRE((rang || clock.now() < it->second + kTick));
          alarms[it->first]->rung = 0;
          it = rang ? due.erase(it) : std::next(it);
        }
        for (const auto& alarm : alarms) BOOST_TEST_REQUIRE(alarm->rung == 0);
        break;
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet
