// SPDX-License-Identifier: Apache-2.0
// What a loop does in one round and between two: posted work, the tick, and when the clock is read.
#include "proxy/net/loop.h"

#include <unistd.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace limpet::net {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Runs until `done`, at most for some seconds.
template <typename Done>
void run_until(Loop& loop, Done&& done) {
  const auto deadline = steady_clock::now() + seconds(10);
  while (!done()) {
    BOOST_TEST_REQUIRE((steady_clock::now() < deadline));
    loop.run_round();
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(loop)

BOOST_AUTO_TEST_CASE(posted_work_runs_in_the_order_in_which_it_was_posted) {
  Loop loop;
  std::string order;
  loop.post([&] { order += "a"; });
  loop.post([&] { order += "b"; });
  BOOST_TEST(order == "");
  loop.run_round();
  BOOST_TEST(order == "ab");
}

BOOST_AUTO_TEST_CASE(work_that_posts_work_does_not_wait_for_another_event) {
  Loop loop;
  int depth = 0;
  std::function<void()> again = [&] {
    if (++depth < 5) loop.post(again);
  };
  loop.post(again);
  run_until(loop, [&] { return depth == 5; });
  BOOST_TEST(depth == 5);
}

BOOST_AUTO_TEST_CASE(posts_from_many_threads_all_arrive_each_threads_in_order_on_the_loops_thread) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  Loop loop;
  const auto here = std::this_thread::get_id();
  std::map<int, int> next;
  int arrived = 0;
  int wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPosts; ++i) {
        loop.post([&, t, i] {
          if (next[t]++ != i || std::this_thread::get_id() != here) ++wrong;
          ++arrived;
        });
      }
    });
  }
  run_until(loop, [&] { return arrived == kThreads * kPosts; });
  for (auto& thread : threads) thread.join();
  BOOST_TEST(wrong == 0);
}

BOOST_AUTO_TEST_CASE(a_post_wakes_a_loop_that_waits) {
  Loop loop;
  std::atomic<bool> ran{false};
  const std::string stat = "/proc/self/task/" + std::to_string(::gettid()) + "/stat";
  std::thread poster([&] {
    while (true) {  // until this thread waits: "TID (name) S ..."
      std::string text;
      std::getline(std::ifstream(stat), text);
      const auto at = text.rfind(") ");
      if (at != std::string::npos && text[at + 2] == 'S') break;
      std::this_thread::yield();
    }
    loop.post([&] { ran = true; });
  });
  run_until(loop, [&] { return ran.load(); });
  poster.join();
  BOOST_TEST(ran);
}

BOOST_AUTO_TEST_CASE(the_time_stands_still_within_a_round_and_is_read_anew_in_the_next) {
  ManualClock clock;
  Loop loop(&clock);
  std::vector<Time> seen;
  const auto look = [&] {
    seen.push_back(loop.now());
    clock.advance(seconds(1));
    seen.push_back(loop.now());
  };
  loop.post(look);
  const Duration took = loop.run_round();
  loop.post(look);
  loop.run_round();
  BOOST_TEST((seen[0] == seen[1]));
  BOOST_TEST((seen[2] == seen[0] + seconds(1)));
  BOOST_TEST((took == seconds(1)));
}

BOOST_AUTO_TEST_CASE(without_a_clock_of_its_own_it_reads_the_steady_one) {
  Loop loop;
  const Time before = steady_clock::now();
  Time seen{};
  loop.post([&] { seen = loop.now(); });
  loop.run_round();
  BOOST_TEST((before <= seen && seen <= steady_clock::now()));
}

BOOST_AUTO_TEST_CASE(a_round_reads_the_clock_anew_though_somebody_asked_before_it) {
  ManualClock clock;
  Loop loop(&clock);
  BOOST_TEST((loop.now() == clock.now()));
  clock.advance(seconds(10));
  Time seen;
  loop.post([&] { seen = loop.now(); });
  loop.run_round();
  BOOST_TEST((seen == clock.now()));
}

BOOST_AUTO_TEST_CASE(the_tick_comes_when_it_asked_for_it_or_earlier_when_others_do) {
  Loop loop;
  int ticks = 0;
  Duration pause = milliseconds(10);
  loop.set_tick([&] {
    ++ticks;
    return loop.now() + pause;
  });
  const Time before = steady_clock::now();
  run_until(loop, [&] { return ticks == 5; });
  BOOST_TEST((steady_clock::now() - before >= milliseconds(40)));
  pause = seconds(100);
  run_until(loop, [&] { return ticks == 6; });
  loop.tick_by(steady_clock::now() + milliseconds(10));
  loop.tick_by(steady_clock::now() + seconds(50));
  run_until(loop, [&] { return ticks == 7; });
  BOOST_TEST((steady_clock::now() - before < seconds(40)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::net
