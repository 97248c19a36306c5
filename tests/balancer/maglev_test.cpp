// SPDX-License-Identifier: Apache-2.0
// What is particular to Maglev: shares exact to a slot, turns by weight, more backends than can own a slot.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <numeric>
#include <set>

#include "balancer/ranker.h"
#include "tests/balancer/numbered.h"

namespace limpet::balancer {

BOOST_AUTO_TEST_SUITE(maglev)

BOOST_AUTO_TEST_CASE(equal_backends_own_equally_many_slots_to_one) {
  std::vector<Spec> backends;
  for (int i = 0; i < 97; ++i) backends.push_back({numbered("b", i), 3});
  for (const double share : make_ranker(Algorithm::Maglev, backends, 0)->shares()) {
    const long slots = std::lround(share * 65537);
    BOOST_TEST((slots == 65537 / 97 || slots == 65537 / 97 + 1));
  }
}

BOOST_AUTO_TEST_CASE(weights_are_exact_to_a_round) {
  const std::vector<Spec> backends{{"w", 256}, {"x", 1}, {"y", 77}, {"z", 10}};
  const std::vector<double> shares = make_ranker(Algorithm::Maglev, backends, 0)->shares();
  for (std::size_t i = 0; i < backends.size(); ++i) {
    BOOST_TEST(std::abs(shares[i] * 65537 - 65537.0 * backends[i].weight / 344) <= 2.0);
  }
}

BOOST_AUTO_TEST_CASE(first_is_the_owner_of_the_keys_slot) {
  const std::vector<Spec> backends{{"a", 1}, {"b", 1}, {"c", 1}};
  const auto ranker = make_ranker(Algorithm::Maglev, backends, 0);
  for (std::uint64_t slot = 0; slot < 65537; ++slot) {
    BOOST_REQUIRE_EQUAL(ranker->first(slot), ranker->first(slot + 65537 * 1'000'003ULL));
  }
}

BOOST_AUTO_TEST_CASE(a_ranking_walks_the_slots_from_the_keys_own) {
  const std::vector<Spec> backends{{"a", 1}, {"b", 2}, {"c", 1}, {"d", 1}};
  const auto ranker = make_ranker(Algorithm::Maglev, backends, 0);
  std::vector<Index> out;
  for (std::uint64_t slot = 65500; slot < 65537; ++slot) {
    std::vector<Index> walked;
    for (std::uint64_t at = slot; walked.size() < 4; ++at) {
      const Index owner = ranker->first(at % 65537);
      if (std::find(walked.begin(), walked.end(), owner) == walked.end()) walked.push_back(owner);
    }
    ranker->rank(slot, out);
    BOOST_TEST(out == walked, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(backends_that_own_no_slot_come_last_by_name) {
  std::vector<Spec> backends{{"zz", 1}, {"aa", 1}};  // these two are too light beside the others
  for (int i = 0; i < 300; ++i) backends.push_back({numbered("heavy", i), 256});
  const auto ranker = make_ranker(Algorithm::Maglev, backends, 0);
  const std::vector<double> shares = ranker->shares();
  BOOST_TEST(shares[0] == 0);
  BOOST_TEST(shares[1] == 0);
  std::vector<Index> out;
  ranker->rank(12345, out);
  BOOST_REQUIRE_EQUAL(out.size(), 302);
  BOOST_TEST(out[300] == 1);
  BOOST_TEST(out[301] == 0);
  BOOST_TEST(std::set<Index>(out.begin(), out.end()).size() == 302);
}

BOOST_AUTO_TEST_CASE(as_many_backends_as_may_be_each_own_a_slot) {
  std::vector<Spec> backends;
  for (int i = 0; i < 65535; ++i) backends.push_back({std::to_string(i), 1});
  const std::vector<double> shares = make_ranker(Algorithm::Maglev, backends, 0)->shares();
  BOOST_TEST(*std::min_element(shares.begin(), shares.end()) > 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::balancer
