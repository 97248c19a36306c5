// SPDX-License-Identifier: Apache-2.0
// The queue behind a slow peer: order, memory only while it holds something, and random use against a string.
#include "proxy/base/buffer.h"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <utility>

#include "tests/seed.h"

namespace limpet {

BOOST_AUTO_TEST_SUITE(buffer)

BOOST_AUTO_TEST_CASE(bytes_come_out_in_the_order_in_which_they_went_in) {
  Buffer buffer;
  BOOST_TEST(buffer.empty());
  buffer.append("hello ");
  buffer.append("");
  buffer.append("world");
  BOOST_TEST(buffer.view() == "hello world");
  buffer.consume(6);
  BOOST_TEST(buffer.view() == "world");
  BOOST_TEST(buffer.size() == 5U);
  buffer.append("!");
  BOOST_TEST(buffer.view() == "world!");
}

BOOST_AUTO_TEST_CASE(an_empty_buffer_owns_no_memory) {
  Buffer buffer;
  BOOST_TEST((buffer.view().data() == nullptr));
  buffer.append("x");
  buffer.consume(1);
  BOOST_TEST(buffer.empty());
  BOOST_TEST((buffer.view().data() == nullptr));
  buffer.append("y");
  BOOST_TEST(buffer.view() == "y");
  buffer.clear();
  BOOST_TEST((buffer.view().data() == nullptr));
  buffer.consume(0);
  BOOST_TEST(buffer.empty());
  static_assert(sizeof(Buffer) <= 32);
}

BOOST_AUTO_TEST_CASE(a_moved_buffer_takes_the_bytes_along) {
  Buffer from;
  from.append("payload");
  from.consume(3);
  Buffer to(std::move(from));
  BOOST_TEST(to.view() == "load");
  BOOST_TEST(from.empty());
  from.append("again");
  BOOST_TEST(from.view() == "again");
  to = std::move(from);
  BOOST_TEST(to.view() == "again");
  Buffer& self = to;
  to = std::move(self);
  BOOST_TEST(to.view() == "again");
}

BOOST_AUTO_TEST_CASE(a_queue_that_never_runs_empty_does_not_grow_without_bound) {
  Buffer buffer;
  buffer.append(std::string(1000, 'a'));
  const char* lowest = buffer.view().data();
  const char* highest = lowest;
  int moved = 0;
  for (int i = 0; i < 100'000; ++i) {
    buffer.append(std::string(100, 'b'));
    buffer.consume(100);
    const char* at = buffer.view().data();
    if (at < lowest || at > highest + 10'000) ++moved;
    lowest = std::min(lowest, at);
    highest = std::max(highest, at);
  }
  BOOST_TEST(buffer.size() == 1000U);
  BOOST_TEST(moved < 20);  // its bytes have stayed within one small piece of memory
}

BOOST_AUTO_TEST_CASE(random_appends_and_consumes_agree_with_a_string) {
  const auto seed = chosen_seed();
  BOOST_TEST_CONTEXT("LIMPET_TEST_SEED=" << seed) {
    std::mt19937 random(seed);
    Buffer buffer;
    std::string model;
    for (int i = 0; i < 20'000; ++i) {
      if (random() % 2 == 0) {
        const std::string more(random() % 300, static_cast<char>('a' + random() % 26));
        buffer.append(more);
        model += more;
      } else {
        const std::size_t n = random() % 16 == 0 ? model.size() : random() % (model.size() + 1) / 2;
        buffer.consume(n);
        model.erase(0, n);
      }
      BOOST_TEST_REQUIRE(buffer.size() == model.size());
      BOOST_TEST_REQUIRE(buffer.view() == model);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet
