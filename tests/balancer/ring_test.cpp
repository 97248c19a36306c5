// SPDX-License-Identifier: Apache-2.0
// The ring against its definition, computed the slow way: every point against every probe. Many seeds, so that the
// search table meets empty and crowded buckets, and places behind the last point.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <utility>

#include "balancer/hash.h"
#include "balancer/ranker.h"
#include "tests/balancer/numbered.h"

namespace limpet::balancer {
namespace {

std::vector<Index> rank_by_definition(const std::vector<Spec>& backends, std::uint64_t seed, std::uint64_t key_hash) {
  std::vector<std::pair<std::pair<std::uint64_t, std::string>, Index>> order;
  for (std::size_t b = 0; b < backends.size(); ++b) {
    std::uint64_t nearest = UINT64_MAX;
    for (std::uint32_t n = 0; n < 256 * backends[b].weight; ++n) {
      const std::uint64_t point = hash_backend(backends[b].name, n, seed);
      for (std::uint64_t i = 1; i <= 32; ++i) nearest = std::min(nearest, point - mix64(key_hash + i * kGoldenStep));
    }
    order.push_back({{nearest, backends[b].name}, static_cast<Index>(b)});
  }
  std::sort(order.begin(), order.end());
  std::vector<Index> ranking;
  for (const auto& entry : order) ranking.push_back(entry.second);
  return ranking;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ring)

BOOST_AUTO_TEST_CASE(the_ranking_is_the_one_of_the_definition) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    std::vector<Spec> backends;
    for (std::size_t i = 0; i <= seed; ++i) {
      backends.push_back({numbered("backend-", i * 7 % 13), 1 + static_cast<unsigned>(i % 3)});
    }
    const auto ranker = make_ranker(Algorithm::Ring, backends, seed);
    std::vector<Index> out;
    for (int key = 0; key < 4; ++key) {
      const std::uint64_t hash = hash_key(std::to_string(key), seed);
      ranker->rank(hash, out);
      BOOST_TEST(out == rank_by_definition(backends, seed, hash), boost::test_tools::per_element());
      BOOST_TEST(ranker->first(hash) == out.front());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_light_backend_among_heavy_ones_is_still_ranked) {
  const std::vector<Spec> backends{{"light", 1}, {"heavy", 256}, {"other", 200}};
  const auto ranker = make_ranker(Algorithm::Ring, backends, 0);
  std::vector<Index> out;
  for (int key = 0; key < 20; ++key) {
    ranker->rank(hash_key(std::to_string(key), 0), out);
    BOOST_TEST(out.size() == 3);
  }
  BOOST_TEST(ranker->shares()[0] == 1.0 / 457, boost::test_tools::tolerance(0.1));
}

BOOST_AUTO_TEST_CASE(the_mixer_is_the_published_one) {
  // The first outputs of SplitMix64 for the seeds 0 and 1234567, as they are published with it.
  BOOST_TEST(mix64(kGoldenStep) == 0xE220A8397B1DCDAFULL);
  BOOST_TEST(mix64(2 * kGoldenStep) == 0x6E789E6AA1B965F4ULL);
  BOOST_TEST(mix64(1234567 + kGoldenStep) == 6457827717110365317ULL);
  BOOST_TEST(mix64(1234567 + 2 * kGoldenStep) == 3203168211198807973ULL);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::balancer
