// SPDX-License-Identifier: Apache-2.0
// What is particular to rendezvous hashing: its integer logarithm orders backends as the real one does, at all
// magnitudes.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "balancer/hash.h"
#include "balancer/ranker.h"
#include "tests/balancer/numbered.h"

namespace limpet::balancer {
namespace {

// -ln(u) / weight, in floating point.
double cost(const Spec& backend, std::uint64_t key_hash, std::uint64_t seed) {
  const std::uint64_t hash = mix64(key_hash ^ hash_backend(backend.name, 0, seed)) | 1;
  return -std::log(static_cast<double>(hash) * 0x1p-64) / backend.weight;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rendezvous)

BOOST_AUTO_TEST_CASE(backends_are_ordered_by_weight_over_minus_logarithm) {
  std::vector<Spec> backends;
  for (int i = 0; i < 60; ++i) backends.push_back({numbered("b", i), i % 7 == 0 ? 256U : 1U + i % 5});
  const auto ranker = make_ranker(Algorithm::Rendezvous, backends, 11);
  std::vector<Index> out;
  for (int key = 0; key < 3000; ++key) {
    const std::uint64_t hash = hash_key(std::to_string(key), 11);
    ranker->rank(hash, out);
    for (std::size_t i = 1; i < out.size(); ++i) {
      // The linear piece between two of 256 logarithms is off by less than 3e-6, which may swap neighbours closer than
      // that.
      const double better = cost(backends[out[i - 1]], hash, 11);
      const double worse = cost(backends[out[i]], hash, 11);
      BOOST_REQUIRE_MESSAGE(better < worse * 1.002 + 1e-5, "key " << key << ": " << better << " before " << worse);
    }
  }
}

BOOST_AUTO_TEST_CASE(shares_are_the_weights) {
  const std::vector<double> shares =
      make_ranker(Algorithm::Rendezvous, std::vector<Spec>{{"c", 3}, {"a", 1}, {"b", 4}}, 0)->shares();
  const std::vector<double> expected{0.375, 0.125, 0.5};
  BOOST_TEST(shares == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_key_that_equals_a_backends_name_is_not_special) {
  // Its hash would cancel the backend's, were they taken over the same bytes.
  int own = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::vector<Spec> backends{{numbered("name", i), 1}, {"other", 1}};
    if (make_ranker(Algorithm::Rendezvous, backends, 0)->first(hash_key(backends[0].name, 0)) == 0) ++own;
  }
  BOOST_TEST(own > 850);
  BOOST_TEST(own < 1150);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::balancer
