// SPDX-License-Identifier: Apache-2.0
// Nothing that the affinity table does depends on where its pools lie in memory: the same seed gives the same story.
#include <boost/test/unit_test.hpp>
#include <random>

#include "tests/session/affinity_fixture.h"

namespace limpet::session {

namespace {

// Tells of a random life of a small table, in which keys and ids have to make room for others.
struct Story : AffinityFixture {
  Story() {
    max_keys = 64 * 3;
    settings.learn_ttl = seconds(20);
    settings.cookie.enabled = false;  // sessions without a key get random ones
  }

  std::string told_by(std::uint32_t seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 3000; ++i) {
      const std::string number = std::to_string(random() % 600);
      switch (random() % 8) {
      case 0:
      case 1:
        note(open("key" + number));
        break;
      case 2:
        note(open());
        break;
      case 3:
        note(open_learned("id" + number, true));
        break;
      case 4:
        if (!tabs.empty()) table().learn(tabs[random() % tabs.size()]->member, "id" + number, false, clock.now());
        break;
      case 5:
      case 6:
        if (!tabs.empty()) close(*tabs[random() % tabs.size()]);
        break;
      case 7:
        drain(pool().view().backends[random() % 4]->name);
        clock.advance(milliseconds(random() % 2000));
        table().sweep(clock.now());
        break;
      }
      text += std::to_string(all_keys()) + " ";
    }
    return text;
  }

 private:
  void note(const Tab& tab) { text += tab.at() + " "; }
  void drain(const std::string& name) {
    for (const auto& key : table().keys_on(backend(name), true)) {
      text += key.key + ":" + std::to_string(key.sessions) + " ";
      if (key.sessions > 1) turn(key.key, name);
    }
    for (const auto& ref : departing()) text += std::to_string(ref.slot) + " ";
  }

  std::string text;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(affinity_order)

BOOST_AUTO_TEST_CASE(two_tables_with_the_same_seed_tell_the_same_story_wherever_they_lie) {
  for (std::uint32_t seed = 1; seed <= 3; ++seed) {
    auto first = std::make_unique<Story>();
    const auto between = std::make_unique<std::array<char, 4711>>();
    auto second = std::make_unique<Story>();
    BOOST_TEST((&first->pool() != &second->pool()));
    BOOST_TEST((first->told_by(seed) == second->told_by(seed)));
  }
}

BOOST_AUTO_TEST_CASE(the_keys_on_a_backend_are_listed_in_their_own_order_whatever_the_seed) {
  std::vector<std::string> keys;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    AffinityFixture fixture;
    fixture.table_seed = seed;
    for (int i = 0; i < 100; ++i) fixture.open("k" + std::to_string(i));
    std::vector<std::string> listed;
    for (const auto& key : fixture.table().keys_on(fixture.backend("a"), false)) listed.push_back(key.key);
    BOOST_TEST(std::ranges::is_sorted(listed));
    if (seed == 2) BOOST_TEST(listed == keys, boost::test_tools::per_element());
    keys = listed;
  }
}

BOOST_AUTO_TEST_CASE(of_too_many_learned_ids_the_one_used_longest_ago_is_forgotten) {
  AffinityFixture fixture;
  fixture.max_keys = 1;  // one id a shard
  const std::string key = fixture.key_of("a");
  const Tab& tab = fixture.open(key);
  int known = 0;
  for (int i = 0; i < 500; ++i) fixture.table().learn(tab.member, "id" + std::to_string(i), false, fixture.clock.now());
  for (int i = 0; i < 500; ++i) {
    known += fixture.open_learned("id" + std::to_string(i)).pick.reason == metrics::PickReason::Learned ? 1 : 0;
  }
  BOOST_TEST(known <= 64);
  BOOST_TEST(known > 50);
  BOOST_TEST(fixture.open_learned("id499").pick.reason == metrics::PickReason::Learned);
  BOOST_TEST(fixture.backend("a").learned_ids == static_cast<unsigned>(known));
}

BOOST_AUTO_TEST_CASE(a_learned_id_that_is_long_with_its_key_counts_as_several) {
  AffinityFixture fixture;
  fixture.max_keys = std::uint64_t{64} * 20;
  const std::string key(1000, 'k');
  const Tab& tab = fixture.open(key);
  for (int i = 0; i < 3000; ++i) {  // each as 4 others
    fixture.table().learn(tab.member, std::string(24, 'i') + std::to_string(i), false, fixture.clock.now());
  }
  const auto& backend = *tab.member.backend;
  BOOST_TEST(backend.learned_ids <= fixture.max_keys / 4);
  BOOST_TEST(backend.learned_ids > fixture.max_keys / 8);
  fixture.table().learn(tab.member, std::string(24, 'i') + "2999", false, fixture.clock.now());  // counts once
  BOOST_TEST(backend.learned_ids <= fixture.max_keys / 4);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::session
