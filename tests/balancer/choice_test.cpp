// SPDX-License-Identifier: Apache-2.0
// Choices out of a ranking that the tests dictate (FixedRanker), out of loads, and out of a simulated pool with random
// arrivals, departures and outages, checked against the words of choice.h.
#include "balancer/choice.h"

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <random>

#include "tests/balancer/numbered.h"
#include "tests/seed.h"

namespace limpet::balancer {

static std::ostream& operator<<(std::ostream& out, How how) {
  return out << (how == How::First ? "First" : how == How::PassedOver ? "PassedOver" : "Fallback");
}

namespace {

// Ranks every key alike.
class FixedRanker final : public Ranker {
 public:
  explicit FixedRanker(std::vector<Index> ranking) : ranking_(std::move(ranking)) {}
  Index first(std::uint64_t) const override { return ranking_.front(); }
  void rank(std::uint64_t, std::vector<Index>& out) const override { out = ranking_; }
  std::vector<double> shares() const override { return {}; }

 private:
  std::vector<Index> ranking_;
};

// A pool whose ranking is always 2, 0, 1.
struct Pool {
  FixedRanker ranker{{2, 0, 1}};
  std::vector<Candidate> candidates{3};
  std::vector<Index> scratch;

  std::optional<Choice> choose(double load_factor = 0, std::uint64_t key = 1) {
    return choose_by_hash(ranker, key, candidates, load_factor, scratch);
  }
  void expect(Index backend, How how, double load_factor = 0) {
    const std::optional<Choice> choice = choose(load_factor);
    BOOST_REQUIRE(choice);
    BOOST_TEST(choice->backend == backend);
    BOOST_TEST(choice->how == how);
  }
};

// How often each of the candidates is chosen in as many turns.
std::vector<int> counts(Balance balance, const std::vector<Candidate>& candidates, int turns) {
  std::vector<int> counts(candidates.size());
  for (int turn = 0; turn < turns; ++turn) ++counts[*choose_by_balance(balance, candidates, turn)];
  return counts;
}

std::string sequence(const std::vector<Candidate>& candidates, int turns) {
  std::string letters;
  for (int turn = 0; turn < turns; ++turn) {
    letters.push_back(static_cast<char>('a' + *choose_by_balance(Balance::RoundRobin, candidates, turn)));
  }
  return letters;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(choice)

BOOST_AUTO_TEST_CASE(the_first_of_the_ranking_takes_the_key) {
  Pool().expect(2, How::First);
}

BOOST_AUTO_TEST_CASE(the_next_is_the_fallback_of_one_that_is_not_available) {
  Pool pool;
  pool.candidates[2].available = false;
  pool.expect(0, How::Fallback);
  pool.candidates[0].available = false;
  pool.expect(1, How::Fallback);
  pool.candidates[1].available = false;
  BOOST_TEST(!pool.choose());
  BOOST_TEST(!pool.choose(1.25));
}

BOOST_AUTO_TEST_CASE(no_candidates_give_no_choice) {
  std::vector<Index> scratch;
  BOOST_TEST(!choose_by_hash(FixedRanker({}), 1, {}, 0, scratch));
  BOOST_TEST(!choose_by_balance(Balance::LeastSessions, {}, 0));
  BOOST_TEST(!choose_by_balance(Balance::RoundRobin, {}, 0));
}

BOOST_AUTO_TEST_CASE(load_is_ignored_without_a_factor) {
  Pool pool;
  pool.candidates[2].sessions = 1'000'000;
  pool.expect(2, How::First);
}

BOOST_AUTO_TEST_CASE(a_full_backend_is_passed_over) {
  // With the new one 10 sessions; 1.25 × 10 / 3 = 4.17, so 5 each.
  Pool pool;
  pool.candidates[2].sessions = 4;
  pool.candidates[0].sessions = 5;
  pool.expect(2, How::First, 1.25);
  pool.candidates[2].sessions = 5;
  pool.candidates[0].sessions = 4;
  pool.expect(0, How::PassedOver, 1.25);
  pool.candidates[0].sessions = 5;
  pool.candidates[1].sessions = 0;
  pool.expect(1, How::PassedOver, 1.25);
}

BOOST_AUTO_TEST_CASE(the_bound_is_in_proportion_to_weight) {
  // With the new one 20 sessions, weights 1, 1, 2: with factor 1, 10 for the heavy one and 5 for each of the others.
  Pool pool;
  pool.candidates[2] = {.sessions = 9, .weight = 2};
  pool.candidates[0].sessions = 5;
  pool.candidates[1].sessions = 5;
  pool.expect(2, How::First, 1.0);
  pool.candidates[2].sessions = 10;
  pool.candidates[0].sessions = 4;
  pool.expect(0, How::PassedOver, 1.0);
}

BOOST_AUTO_TEST_CASE(the_bound_counts_all_sessions_but_only_available_weight) {
  // 2 is not available but holds 9 of, with the new one, 12; the other two may hold 6 each.
  Pool pool;
  pool.candidates[2] = {.available = false, .sessions = 9};
  pool.candidates[0].sessions = 2;
  pool.expect(0, How::Fallback, 1.0);
  pool.candidates[0].sessions = 6;
  pool.candidates[2].sessions = 5;
  pool.expect(1, How::Fallback, 1.0);
}

BOOST_AUTO_TEST_CASE(the_bound_is_not_a_hair_too_high) {
  // 1.1 × 110 is 121.00000000000001 in floating point: 121, not 122. Then 1.1 × 111 / 1 rounds up to 123 in earnest.
  FixedRanker ranker({0, 1});
  std::vector<Index> scratch;
  std::vector<Candidate> candidates{{.sessions = 121, .weight = 1}, {.available = false, .sessions = 0}};
  candidates[0].sessions = 109;
  BOOST_TEST(choose_by_hash(ranker, 1, candidates, 1.1, scratch)->backend == 0);
  // 110 sessions in all, half of 2 × 1.1 × 55 each is 60.5, so 61.
  candidates = {{.sessions = 61}, {.sessions = 48}};
  BOOST_TEST(choose_by_hash(ranker, 1, candidates, 1.1, scratch)->backend == 1);
  candidates = {{.sessions = 60}, {.sessions = 49}};
  BOOST_TEST(choose_by_hash(ranker, 1, candidates, 1.1, scratch)->backend == 0);
  // 220 in all: exactly 121 each.
  candidates = {{.sessions = 121}, {.sessions = 98}};
  BOOST_TEST(choose_by_hash(ranker, 1, candidates, 1.1, scratch)->backend == 1);
}

BOOST_AUTO_TEST_CASE(an_unavailable_first_makes_a_fallback_even_where_the_second_is_full) {
  Pool pool;
  pool.candidates[2].available = false;
  pool.candidates[0].sessions = 9;
  pool.expect(1, How::Fallback, 1.25);
}

BOOST_AUTO_TEST_CASE(a_full_first_makes_a_hash_pick_even_where_the_second_is_unavailable) {
  Pool pool;
  pool.candidates[2].sessions = 9;
  pool.candidates[0].available = false;
  pool.expect(1, How::PassedOver, 1.25);
}

BOOST_AUTO_TEST_CASE(slow_start_takes_its_fraction_of_the_keys_and_keeps_them_as_it_grows) {
  Pool pool;
  std::array<bool, 20'000> taken_before{};
  for (const float ramp : {0.1F, 0.5F, 0.9F, 1.0F}) {
    pool.candidates[2].ramp = ramp;
    int taken = 0;
    for (std::uint64_t key = 0; key < taken_before.size(); ++key) {
      const std::optional<Choice> choice = pool.choose(0, hash_key(std::to_string(key), 0));
      const bool is_taken = choice->backend == 2;
      BOOST_REQUIRE((is_taken || (choice->backend == 0 && choice->how == How::PassedOver)));
      BOOST_REQUIRE((is_taken || !taken_before[key]));
      taken_before[key] = is_taken;
      taken += is_taken ? 1 : 0;
    }
    BOOST_TEST(std::abs(taken / 20'000.0 - ramp) < 0.02);
  }
}

BOOST_AUTO_TEST_CASE(slow_start_of_two_backends_is_independent) {
  Pool pool;
  pool.candidates[2].ramp = 0.5F;
  pool.candidates[0].ramp = 0.5F;
  std::map<Index, int> taken;
  for (int key = 0; key < 20'000; ++key) ++taken[pool.choose(0, hash_key(std::to_string(key), 0))->backend];
  BOOST_TEST(std::abs(taken[2] - 10'000) < 400);
  BOOST_TEST(std::abs(taken[0] - 5'000) < 400);
  BOOST_TEST(std::abs(taken[1] - 5'000) < 400);
}

BOOST_AUTO_TEST_CASE(slow_start_is_overruled_where_no_other_is_available) {
  Pool pool;
  for (Candidate& candidate : pool.candidates) candidate.ramp = 0;
  pool.expect(2, How::First);
  pool.candidates[2].available = false;
  pool.expect(0, How::Fallback);
}

BOOST_AUTO_TEST_CASE(slow_start_is_overruled_rather_than_the_bound) {
  Pool pool;
  pool.candidates[2] = {.sessions = 9, .ramp = 1};
  pool.candidates[0].ramp = 0;
  pool.candidates[1].ramp = 0;
  pool.expect(0, How::PassedOver, 1.25);
}

BOOST_AUTO_TEST_CASE(least_sessions_goes_by_sessions_per_weight_and_ramp) {
  const auto least = [](std::vector<Candidate> candidates) {
    return *choose_by_balance(Balance::LeastSessions, candidates, 0);
  };
  BOOST_TEST(least({{.sessions = 3}, {.sessions = 2}, {.sessions = 4}}) == 1);
  BOOST_TEST(least({{.sessions = 3}, {.available = false}, {.sessions = 4}}) == 0);
  // The new one counts: (5 + 1) / 4 is better than (1 + 1) / 1.
  BOOST_TEST(least({{.sessions = 1}, {.sessions = 5, .weight = 4}}) == 1);
  BOOST_TEST(least({{.sessions = 1}, {.sessions = 7, .weight = 4}}) == 0);
  BOOST_TEST(least({{.sessions = 0, .ramp = 0.1F}, {.sessions = 8}}) == 1);
  BOOST_TEST(least({{.sessions = 0, .ramp = 0.1F}, {.sessions = 10}}) == 0);
  BOOST_TEST(least({{.sessions = 100, .ramp = 0}}) == 0);
}

BOOST_AUTO_TEST_CASE(ties_of_least_sessions_go_round) {
  // (2 + 1) / 3 and (0 + 1) / 1 are the same.
  const std::vector<Candidate> candidates{
      {.sessions = 2, .weight = 3}, {.sessions = 9}, {.sessions = 0}, {.sessions = 0}};
  BOOST_TEST((counts(Balance::LeastSessions, candidates, 30) == std::vector<int>{10, 0, 10, 10}));
}

BOOST_AUTO_TEST_CASE(round_robin_goes_round) {
  BOOST_TEST(sequence(std::vector<Candidate>(3), 7) == "abcabca");
  BOOST_TEST(sequence({{.weight = 7}, {.available = false}, {.weight = 7}}, 6) == "acacac");
  BOOST_TEST(!choose_by_balance(Balance::RoundRobin, std::vector<Candidate>{{.available = false}}, 3));
}

BOOST_AUTO_TEST_CASE(round_robin_is_smooth) {
  // A weight of 5 among three that sum to 7: no run of the heavy one longer than needed.
  BOOST_TEST(sequence({{.weight = 5}, {.weight = 1}, {.weight = 1}}, 14) == "aaabcaaaaabcaa");
  BOOST_TEST(sequence({{.weight = 1}, {.weight = 2}, {.weight = 3}}, 6) == "cbacbc");
}

BOOST_AUTO_TEST_CASE(round_robin_is_exact_in_each_period_and_near_its_share_everywhere) {
  std::vector<Candidate> candidates;
  unsigned period = 0;
  for (unsigned i = 0; i < 40; ++i) {
    candidates.push_back({.available = i % 9 != 4, .weight = 1 + i * i % 256});
    if (candidates.back().available) period += candidates.back().weight;
  }
  std::vector<unsigned> taken(candidates.size());
  for (unsigned turn = 0; turn < 2 * period; ++turn) {
    ++taken[*choose_by_balance(Balance::RoundRobin, candidates, turn)];
    if (turn % 97 != 0 && turn + 1 != period) continue;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const double share = candidates[i].available ? (turn + 1.0) * candidates[i].weight / period : 0;
      BOOST_REQUIRE_LT(std::abs(taken[i] - share), 2.5);
      if (turn + 1 == period) BOOST_REQUIRE_EQUAL(taken[i], candidates[i].available ? candidates[i].weight : 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(round_robin_gives_a_backend_in_slow_start_a_fraction_of_its_turns) {
  std::vector<Candidate> candidates(4);
  candidates[1].ramp = 0.25F;
  const std::vector<int> taken = counts(Balance::RoundRobin, candidates, 40'000);
  BOOST_TEST(std::abs(taken[1] - 2'500) < 250);
  for (const int other : {0, 2, 3}) BOOST_TEST(std::abs(taken[other] - 12'500) < 500);
  // The turns that it gives away favour nobody, whatever the periods of the two orders have in common.
  const std::vector<int> shared =
      counts(Balance::RoundRobin, {{.weight = 2, .ramp = 0}, {.weight = 1}, {.weight = 1}, {.weight = 2}}, 60'000);
  BOOST_TEST(shared[0] == 0);
  BOOST_TEST(std::abs(shared[1] - 15'000) < 600);
  BOOST_TEST(std::abs(shared[2] - 15'000) < 600);
  for (Candidate& candidate : candidates) candidate.ramp = 0.25F;  // all alike: nothing to hold back for
  BOOST_TEST(sequence(candidates, 5) == "abcda");
}

BOOST_AUTO_TEST_CASE(random_pools_keep_every_word_of_the_header) {
  const auto seed = chosen_seed();
  BOOST_TEST_CONTEXT("LIMPET_TEST_SEED=" << seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    for (int round = 0; round < 60; ++round) {
      const std::size_t n = 1 + below(12);
      const double load_factor = std::array{0.0, 1.0, 1.05, 1.25, 2.0}[below(5)];
      std::vector<Spec> specs;
      std::vector<Candidate> pool;
      for (std::size_t i = 0; i < n; ++i) {
        specs.push_back({numbered("b", below(1'000'000'000)) + numbered("-", i), 1 + unsigned(below(4))});
        pool.push_back({.weight = specs.back().weight});
      }
      const auto ranker = make_ranker(static_cast<Algorithm>(below(3)), specs, seed);
      std::vector<Index> scratch;
      std::vector<Index> ranking;
      for (int step = 0; step < 300; ++step) {
        Candidate& touched = pool[below(n)];
        if (below(20) == 0) touched.available = !touched.available;
        if (below(20) == 0) touched.ramp = std::array{0.0F, 0.1F, 0.5F, 1.0F, 1.0F, 1.0F}[below(6)];
        if (below(3) == 0 && touched.sessions > 0) --touched.sessions;
        const std::uint64_t key = hash_key(std::to_string(below(1000)), seed);
        const std::optional<Choice> choice = choose_by_hash(*ranker, key, pool, load_factor, scratch);

        double all = 1;
        double weight = 0;
        bool any_warm = false;
        for (const Candidate& candidate : pool) {
          all += candidate.sessions;
          if (candidate.available) weight += candidate.weight;
        }
        const auto has_room = [&](const Candidate& candidate) {
          if (load_factor == 0) return true;
          return candidate.sessions + 1 <= std::ceil(load_factor * all * candidate.weight / weight - 1e-9);
        };
        for (const Candidate& candidate : pool) {
          any_warm |= candidate.available && candidate.ramp >= 1 && has_room(candidate);
        }
        BOOST_REQUIRE_EQUAL(choice.has_value(), weight > 0);
        if (!choice) continue;
        Candidate& taken = pool[choice->backend];
        BOOST_REQUIRE(taken.available);
        BOOST_REQUIRE(has_room(taken));
        BOOST_REQUIRE(!(any_warm && taken.ramp == 0));
        ranker->rank(key, ranking);
        const bool first_available = pool[ranking.front()].available;
        const How how = choice->backend == ranking.front() ? How::First
                        : first_available                  ? How::PassedOver
                                                           : How::Fallback;
        BOOST_REQUIRE_EQUAL(choice->how, how);
        // Nobody better was left out without a reason.
        for (const Index better : ranking) {
          if (better == choice->backend) break;
          BOOST_REQUIRE((!pool[better].available || pool[better].ramp < 1 || !has_room(pool[better])));
        }
        const auto again = choose_by_hash(*ranker, key, pool, load_factor, scratch);
        BOOST_REQUIRE_EQUAL(again->backend, choice->backend);
        ++taken.sessions;
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::balancer
