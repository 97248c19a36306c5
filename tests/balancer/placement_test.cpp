// SPDX-License-Identifier: Apache-2.0
// The promises of placement over a million keys: evenness, how little moves, weights, agreement of two processes. The
// keys and their places among the same hundred backends are computed once per algorithm and shared by the tests.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>

#include "balancer/choice.h"
#include "balancer/ranker.h"
#include "tests/balancer/numbered.h"

extern char** environ;

namespace limpet::balancer {

static std::ostream& operator<<(std::ostream& out, Algorithm algorithm) {
  return out << (algorithm == Algorithm::Ring ? "ring" : algorithm == Algorithm::Maglev ? "maglev" : "rendezvous");
}

namespace {

constexpr Algorithm kAlgorithms[] = {Algorithm::Ring, Algorithm::Maglev, Algorithm::Rendezvous};
constexpr std::size_t kKeys = 1'000'000;
constexpr std::uint64_t kSeed = 0;
constexpr const char* kChildVariable = "LIMPET_TEST_PLACEMENT_FD";

std::vector<Spec> equal_backends(const std::string& prefix, std::size_t count) {
  std::vector<Spec> backends;
  for (std::size_t i = 0; i < count; ++i) backends.push_back({numbered(prefix, i), 1});
  return backends;
}

const std::vector<std::uint64_t>& key_hashes() {
  static const std::vector<std::uint64_t> hashes = [] {
    std::vector<std::uint64_t> hashes;
    for (std::size_t i = 0; i < kKeys; ++i) hashes.push_back(hash_key(numbered("user-", i), kSeed));
    return hashes;
  }();
  return hashes;
}

std::vector<Index> places(Algorithm algorithm, const std::vector<Spec>& backends, std::size_t keys = kKeys) {
  const auto ranker = make_ranker(algorithm, backends, kSeed);
  std::vector<Index> places;
  places.reserve(keys);
  for (std::size_t i = 0; i < keys; ++i) places.push_back(ranker->first(key_hashes()[i]));
  return places;
}

const std::vector<Spec>& hundred() {
  static const std::vector<Spec> backends = equal_backends("backend-", 100);
  return backends;
}

const std::vector<Index>& places_among_hundred(Algorithm algorithm) {
  static std::map<Algorithm, std::vector<Index>> known;
  std::vector<Index>& entry = known[algorithm];
  if (entry.empty()) entry = places(algorithm, hundred());
  return entry;
}

std::vector<std::size_t> count(const std::vector<Index>& places, std::size_t backends) {
  std::vector<std::size_t> counts(backends);
  for (const Index place : places) ++counts[place];
  return counts;
}

// Compares placement with one backend more, appended, so that positions stay comparable.
void check_adding_one(Algorithm algorithm, std::vector<Spec> backends, const std::vector<Index>& before) {
  const std::size_t n = backends.size();
  backends.push_back({"the-new-one", 1});
  const std::vector<Index> after = places(algorithm, backends, before.size());
  std::size_t moved = 0;
  std::size_t moved_elsewhere = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == after[i]) continue;
    ++moved;
    if (after[i] != n) ++moved_elsewhere;
  }
  const double most = algorithm == Algorithm::Maglev ? 2.0 : 1.15;
  BOOST_TEST(static_cast<double>(moved) <= most * static_cast<double>(before.size()) / static_cast<double>(n + 1));
  BOOST_TEST(moved > before.size() / (n + 1) / 2);
  if (algorithm != Algorithm::Maglev) BOOST_TEST(moved_elsewhere == 0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(placement)

BOOST_AUTO_TEST_CASE(no_backend_of_a_hundred_is_above_its_share_by_15_percent) {
  for (const Algorithm algorithm : kAlgorithms) {
    BOOST_TEST_CONTEXT(algorithm) {
      const std::vector<std::size_t> counts = count(places_among_hundred(algorithm), 100);
      BOOST_TEST(*std::max_element(counts.begin(), counts.end()) <= 1.15 * kKeys / 100);
      BOOST_TEST(*std::min_element(counts.begin(), counts.end()) >= 0.85 * kKeys / 100);
    }
  }
}

BOOST_AUTO_TEST_CASE(shares_tell_what_keys_do) {
  for (const Algorithm algorithm : kAlgorithms) {
    BOOST_TEST_CONTEXT(algorithm) {
      const std::vector<std::size_t> counts = count(places_among_hundred(algorithm), 100);
      const std::vector<double> shares = make_ranker(algorithm, hundred(), kSeed)->shares();
      for (std::size_t i = 0; i < 100; ++i) {
        // Five standard deviations of a count of about 10,000.
        BOOST_TEST(std::abs(static_cast<double>(counts[i]) - shares[i] * kKeys) < 500);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(adding_one_to_a_hundred_moves_hardly_more_than_its_share) {
  for (const Algorithm algorithm : kAlgorithms) {
    BOOST_TEST_CONTEXT(algorithm) {
      check_adding_one(algorithm, hundred(), places_among_hundred(algorithm));
    }
  }
}

BOOST_AUTO_TEST_CASE(adding_one_to_a_few_moves_hardly_more_than_its_share) {
  for (const Algorithm algorithm : kAlgorithms) {
    BOOST_TEST_CONTEXT(algorithm) {
      for (const std::size_t n : {1, 2, 3, 5, 10, 25}) {
        const std::vector<Spec> backends = equal_backends("10.0.0.", n);
        BOOST_TEST_CONTEXT(n << " backends")
        check_adding_one(algorithm, backends, places(algorithm, backends, 100'000));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(removing_one_moves_only_its_own_keys) {
  for (const Algorithm algorithm : kAlgorithms) {
    BOOST_TEST_CONTEXT(algorithm) {
      constexpr Index kGone = 37;
      std::vector<Spec> backends = hundred();
      backends.erase(backends.begin() + kGone);
      const std::vector<Index>& before = places_among_hundred(algorithm);
      const std::vector<Index> after = places(algorithm, backends);
      std::size_t own = 0;
      std::size_t others = 0;
      for (std::size_t i = 0; i < kKeys; ++i) {
        const Index place = after[i] < kGone ? after[i] : after[i] + 1;
        if (before[i] == kGone) {
          ++own;
        } else if (place != before[i]) {
          ++others;
        }
      }
      BOOST_TEST(own > 0);
      if (algorithm == Algorithm::Maglev) {
        BOOST_TEST(static_cast<double>(own + others) <= 2.0 * kKeys / 100);
      } else {
        BOOST_TEST(others == 0);
      }
      // And they are spread over all the others. (A hundredth of a maglev table are 655 slots, about 7 for each other.)
      std::vector<std::size_t> taken(100);
      for (std::size_t i = 0; i < kKeys; ++i) {
        if (before[i] == kGone) ++taken[after[i]];
      }
      const double mean = static_cast<double>(own) / 99;
      BOOST_TEST(static_cast<double>(*std::max_element(taken.begin(), taken.end())) < 3 * mean);
    }
  }
}

BOOST_AUTO_TEST_CASE(weights_hold_within_5_percent) {
  for (const Algorithm algorithm : kAlgorithms) {
    BOOST_TEST_CONTEXT(algorithm) {
      bool whole = true;  // the first set with all the keys, the others with fewer
      for (const std::string prefix : {"chat-", "10.1.2.", "a", "ip-172-31-0-", "Ω"}) {
        std::vector<Spec> backends = equal_backends(prefix, 4);
        for (unsigned i = 0; i < 4; ++i) backends[i].weight = i + 1;
        const std::size_t keys = whole ? kKeys : 200'000;
        whole = false;
        const std::vector<std::size_t> counts = count(places(algorithm, backends, keys), 4);
        for (unsigned i = 0; i < 4; ++i) {
          BOOST_TEST_CONTEXT(backends[i].name << " of weight " << i + 1) {
            const double expected = static_cast<double>(keys) * (i + 1) / 10;
            BOOST_TEST(static_cast<double>(counts[i]) == expected, boost::test_tools::tolerance(0.05));
          }
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_weight_that_grows_takes_keys_and_gives_none) {
  for (const Algorithm algorithm : kAlgorithms) {
    BOOST_TEST_CONTEXT(algorithm) {
      if (algorithm == Algorithm::Maglev) continue;  // promises less, see above
      std::vector<Spec> backends = equal_backends("b", 8);
      const std::vector<Index> before = places(algorithm, backends, 100'000);
      backends[3].weight = 2;
      const std::vector<Index> after = places(algorithm, backends, 100'000);
      for (std::size_t i = 0; i < before.size(); ++i) BOOST_REQUIRE((after[i] == before[i] || after[i] == 3));
    }
  }
}

namespace {

// The other process: the same backends in another order, each key's place written as the position in hundred().
void write_places(int fd) {
  std::vector<Spec> reversed(hundred().rbegin(), hundred().rend());
  for (const Algorithm algorithm : kAlgorithms) {
    std::vector<Index> mine = places(algorithm, reversed);
    for (Index& place : mine) place = static_cast<Index>(99 - place);
    const auto bytes = static_cast<ssize_t>(mine.size() * sizeof(Index));
    BOOST_REQUIRE_EQUAL(::write(fd, mine.data(), bytes), bytes);
  }
}

pid_t start_this_test_again(int fd) {
  std::vector<std::string> variables{numbered(std::string(kChildVariable) + "=", fd)};
  std::vector<char*> environment{variables[0].data()};
  for (char** variable = environ; *variable != nullptr; ++variable) environment.push_back(*variable);
  environment.push_back(nullptr);
  std::string program = "/proc/self/exe";
  std::string selection = "--run_test=placement/two_processes_agree_on_every_key";
  char* arguments[] = {program.data(), selection.data(), nullptr};
  pid_t child = -1;
  BOOST_REQUIRE_EQUAL(::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environment.data()), 0);
  return child;
}

}  // namespace

BOOST_AUTO_TEST_CASE(two_processes_agree_on_every_key) {
  if (const char* fd = std::getenv(kChildVariable)) return write_places(std::stoi(fd));
  const int fd = ::memfd_create("places", 0);  // survives exec
  BOOST_REQUIRE_GE(fd, 0);
  const pid_t child = start_this_test_again(fd);
  for (const Algorithm algorithm : kAlgorithms) places_among_hundred(algorithm);  // meanwhile
  int status = -1;
  BOOST_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
  BOOST_REQUIRE_EQUAL(status, 0);
  off_t at = 0;
  for (const Algorithm algorithm : kAlgorithms) {
    std::vector<Index> theirs(kKeys);
    const auto bytes = static_cast<ssize_t>(kKeys * sizeof(Index));
    BOOST_REQUIRE_EQUAL(::pread(fd, theirs.data(), bytes, at), bytes);
    at += bytes;
    BOOST_TEST((theirs == places_among_hundred(algorithm)));
  }
  ::close(fd);
}

BOOST_AUTO_TEST_CASE(a_drawn_value_ranks_the_wanted_backend_first) {
  constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (const Algorithm algorithm : kAlgorithms) {
    BOOST_TEST_CONTEXT(algorithm) {
      static std::uint64_t state;
      state = 1;
      const auto random64 = +[] { return state = state * 6364136223846793005ULL + 1442695040888963407ULL; };
      for (const std::uint64_t seed : {0ULL, 77ULL}) {
        const auto ranker = make_ranker(algorithm, hundred(), seed);
        std::vector<Index> ranking;
        for (Index wanted = 0; wanted < 100; ++wanted) {
          const std::string value = draw_value_for(*ranker, seed, wanted, random64);
          BOOST_TEST(value.size() == 15);
          BOOST_TEST(value.find_first_not_of(kBase64Url) == std::string::npos);
          ranker->rank(hash_key(value, seed), ranking);
          BOOST_TEST(ranking.front() == wanted);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_drawn_value_is_the_random_numbers_in_base64url) {
  const auto ranker = make_ranker(Algorithm::Ring, equal_backends("only", 1), 0);
  static std::uint64_t next;
  next = 0x0123456789ABCDEF;
  const auto random64 = +[] { return std::exchange(next, 0x00000000000000FF); };
  BOOST_TEST(draw_value_for(*ranker, 0, 0, random64) == "v38qJeWR_DAAAAA");
}

BOOST_AUTO_TEST_CASE(drawing_gives_up_on_a_backend_that_is_never_first) {
  std::vector<Spec> backends = equal_backends("heavy", 300);
  for (Spec& backend : backends) backend.weight = 256;
  backends.push_back({"light", 1});
  const auto ranker = make_ranker(Algorithm::Maglev, backends, 0);
  static int draws;
  draws = 0;
  const auto random64 = +[]() -> std::uint64_t { return ++draws; };
  BOOST_TEST(draw_value_for(*ranker, 0, 300, random64).empty());
  BOOST_TEST(draws == 2'000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::balancer
