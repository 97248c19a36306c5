// SPDX-License-Identifier: Apache-2.0
// What holds for every algorithm on small scale: the pinned vectors (placement_vectors.txt, made by an independent
// implementation), independence of the order of the list, first() against rank(), the digest. See placement_test.cpp
// for the properties over a million keys.
#include "balancer/ranker.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>

#include "tests/balancer/numbered.h"

namespace limpet::balancer {
namespace {

constexpr Algorithm kAlgorithms[] = {Algorithm::Ring, Algorithm::Maglev, Algorithm::Rendezvous};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

// A row of the file.
struct Vector {
  Algorithm algorithm{};
  std::uint64_t seed = 0;
  std::vector<Spec> backends;
  std::string digest;
  std::string key;
  std::vector<std::string> ranking;
};

std::string key_of(const std::string& column) {
  if (column.starts_with("text:")) return column.substr(5);
  BOOST_REQUIRE(column.starts_with("hex:"));
  const std::size_t star = std::min(column.find('*'), column.size());
  std::string once;
  for (std::size_t i = 4; i + 1 < star; i += 2) {
    once.push_back(static_cast<char>(std::stoi(column.substr(i, 2), nullptr, 16)));
  }
  const int times = star < column.size() ? std::stoi(column.substr(star + 1)) : 1;
  std::string key;
  for (int i = 0; i < times; ++i) key += once;
  return key;
}

Vector parse(const std::string& line) {
  const std::vector<std::string> columns = split(line, ' ');
  BOOST_REQUIRE_EQUAL(columns.size(), 6);
  Vector row;
  if (columns[0] == "maglev") row.algorithm = Algorithm::Maglev;
  if (columns[0] == "rendezvous") row.algorithm = Algorithm::Rendezvous;
  row.seed = std::stoull(columns[1]);
  for (const std::string& backend : split(columns[2], ',')) {
    const std::size_t colon = backend.rfind(':');
    row.backends.push_back({backend.substr(0, colon), static_cast<unsigned>(std::stoul(backend.substr(colon + 1)))});
  }
  row.digest = columns[3];
  row.key = key_of(columns[4]);
  row.ranking = split(columns[5], ',');
  return row;
}

std::vector<std::string> ranking(Algorithm algorithm, const std::vector<Spec>& backends, std::uint64_t seed,
                                 std::string_view key) {
  std::vector<Index> out;
  make_ranker(algorithm, backends, seed)->rank(hash_key(key, seed), out);
  std::vector<std::string> names;
  for (const Index i : out) names.push_back(backends[i].name);
  return names;
}

std::vector<Spec> backends_named(const std::string& prefix, std::size_t count, unsigned weights = 1) {
  std::vector<Spec> backends;
  for (std::size_t i = 0; i < count; ++i) {
    backends.push_back({numbered(prefix, i), 1 + static_cast<unsigned>(i) % weights});
  }
  return backends;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ranker)

BOOST_AUTO_TEST_CASE(every_pinned_vector_holds) {
  std::ifstream file(LIMPET_SOURCE_DIR "/tests/balancer/placement_vectors.txt");
  BOOST_REQUIRE(file);
  int rows = 0;
  bool saw_empty_key = false;
  bool saw_binary_key = false;
  bool saw_long_key = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    BOOST_TEST_CONTEXT(line) {
      const Vector row = parse(line);
      BOOST_TEST(ranking(row.algorithm, row.backends, row.seed, row.key) == row.ranking,
                 boost::test_tools::per_element());
      BOOST_TEST(digest(row.algorithm, row.backends, row.seed) == row.digest);
      saw_empty_key |= row.key.empty();
      saw_binary_key |= row.key.find('\0') != std::string::npos;
      saw_long_key |= row.key.size() > 1000;
    }
    ++rows;
  }
  BOOST_TEST(rows >= 30);
  BOOST_TEST((saw_empty_key && saw_binary_key && saw_long_key));
}

BOOST_AUTO_TEST_CASE(placement_does_not_depend_on_the_order_of_the_list) {
  std::vector<Spec> backends = backends_named("node", 30, 4);
  std::vector<Spec> other(backends.rbegin(), backends.rend());
  std::rotate(other.begin(), other.begin() + 7, other.end());
  for (const Algorithm algorithm : kAlgorithms) {
    for (const char* key : {"", "a", "b", "c", "d"}) {
      BOOST_TEST(ranking(algorithm, backends, 3, key) == ranking(algorithm, other, 3, key));
    }
    const auto one = make_ranker(algorithm, backends, 3);
    const auto two = make_ranker(algorithm, other, 3);
    for (int key = 0; key < 5000; ++key) {
      const std::uint64_t hash = hash_key(std::to_string(key), 3);
      BOOST_REQUIRE_EQUAL(backends[one->first(hash)].name, other[two->first(hash)].name);
    }
    BOOST_TEST(digest(algorithm, backends, 3) == digest(algorithm, other, 3));
  }
}

BOOST_AUTO_TEST_CASE(a_ranking_starts_with_first_and_names_every_backend_once) {
  for (const Algorithm algorithm : kAlgorithms) {
    for (const std::size_t count : {1, 2, 3, 64, 65, 200}) {
      const auto ranker = make_ranker(algorithm, backends_named("b", count, 5), 9);
      std::vector<Index> out{1, 2, 3};  // is overwritten
      for (int key = 0; key < 300; ++key) {
        const std::uint64_t hash = hash_key(std::to_string(key), 9);
        ranker->rank(hash, out);
        BOOST_REQUIRE_EQUAL(out.size(), count);
        BOOST_REQUIRE_EQUAL(out.front(), ranker->first(hash));
        BOOST_REQUIRE_EQUAL(std::set<Index>(out.begin(), out.end()).size(), count);
        BOOST_REQUIRE_LT(*std::max_element(out.begin(), out.end()), count);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_ends_of_the_hash_range_are_placed) {
  for (const Algorithm algorithm : kAlgorithms) {
    const auto ranker = make_ranker(algorithm, backends_named("b", 5), 0);
    std::vector<Index> out;
    for (const std::uint64_t hash : {std::uint64_t{0}, std::uint64_t{1}, UINT64_MAX, UINT64_MAX - 1}) {
      ranker->rank(hash, out);
      BOOST_TEST(out.size() == 5);
      BOOST_TEST(out.front() == ranker->first(hash));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_ranking_without_its_first_is_the_ranking_of_the_rest) {
  // What a session does whose backend is down, a proxy that never heard of that backend does as well.
  for (const Algorithm algorithm : {Algorithm::Ring, Algorithm::Rendezvous}) {
    const std::vector<Spec> backends = backends_named("b", 6, 3);
    for (int key = 0; key < 50; ++key) {
      std::vector<std::string> all = ranking(algorithm, backends, 1, std::to_string(key));
      std::vector<Spec> rest = backends;
      std::erase_if(rest, [&](const Spec& backend) { return backend.name == all.front(); });
      all.erase(all.begin());
      BOOST_TEST(ranking(algorithm, rest, 1, std::to_string(key)) == all);
    }
  }
}

BOOST_AUTO_TEST_CASE(no_backends_rank_as_none) {
  for (const Algorithm algorithm : kAlgorithms) {
    const auto ranker = make_ranker(algorithm, {}, 0);
    std::vector<Index> out{1};
    ranker->rank(5, out);
    BOOST_TEST(out.empty());
    BOOST_TEST(ranker->shares().empty());
  }
}

BOOST_AUTO_TEST_CASE(shares_sum_to_one) {
  for (const Algorithm algorithm : kAlgorithms) {
    for (const std::size_t count : {1, 7, 300}) {
      const std::vector<double> shares = make_ranker(algorithm, backends_named("b", count, 6), 0)->shares();
      BOOST_TEST(shares.size() == count);
      BOOST_TEST(std::accumulate(shares.begin(), shares.end(), 0.0) == 1.0, boost::test_tools::tolerance(1e-9));
    }
  }
}

BOOST_AUTO_TEST_CASE(seeds_place_differently) {
  for (const Algorithm algorithm : kAlgorithms) {
    const std::vector<Spec> backends = backends_named("b", 10);
    const auto one = make_ranker(algorithm, backends, 1);
    const auto two = make_ranker(algorithm, backends, 2);
    int same = 0;
    for (int key = 0; key < 10'000; ++key) {
      const std::string text = std::to_string(key);
      if (one->first(hash_key(text, 1)) == two->first(hash_key(text, 2))) ++same;
    }
    BOOST_TEST(same > 800);
    BOOST_TEST(same < 1200);
  }
}

BOOST_AUTO_TEST_CASE(the_digest_changes_with_everything_that_placement_depends_on) {
  const std::vector<Spec> backends{{"a", 1}, {"b", 2}};
  std::set<std::string> digests;
  for (const Algorithm algorithm : kAlgorithms) digests.insert(digest(algorithm, backends, 0));
  digests.insert(digest(Algorithm::Ring, backends, 1));
  digests.insert(digest(Algorithm::Ring, backends, std::uint64_t{1} << 63));
  digests.insert(digest(Algorithm::Ring, std::vector<Spec>{{"a", 2}, {"b", 1}}, 0));
  digests.insert(digest(Algorithm::Ring, std::vector<Spec>{{"a", 1}, {"b", 258}}, 0));
  digests.insert(digest(Algorithm::Ring, std::vector<Spec>{{"a", 1}}, 0));
  digests.insert(digest(Algorithm::Ring, std::vector<Spec>{{"a", 1}, {"c", 2}}, 0));
  digests.insert(digest(Algorithm::Ring, {}, 0));
  BOOST_TEST(digests.size() == 10);
  for (const std::string& text : digests) {
    BOOST_TEST(text.size() == 16);
    BOOST_TEST(text.find_first_not_of("0123456789abcdef") == std::string::npos);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::balancer
