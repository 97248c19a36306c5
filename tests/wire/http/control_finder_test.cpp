// SPDX-License-Identifier: Apache-2.0
// The first control byte of a text, wherever it stands and however the text is aligned.
#include "proxy/wire/http/control_finder.h"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

namespace limpet::wire {

BOOST_AUTO_TEST_SUITE(control_finder)

BOOST_AUTO_TEST_CASE(a_control_byte_is_found_among_whatever_bytes) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool is_control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    for (const char other : {'a', '\t', '\x80', '\xff', ' '}) {
      for (std::size_t size = 1; size < 36; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
          std::string text(size, other);
          text[at] = static_cast<char>(byte);
          ControlFinder finder(text);
          const bool right = (!is_control || finder.next() == at) && finder.next() == std::string_view::npos &&
                             finder.next() == std::string_view::npos;
          if (!right) BOOST_FAIL("byte " << byte << " at " << at << " of " << size);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(all_of_them_are_found_in_their_order) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 100, 'x');
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (random() % (1 + round % 20) != 0) continue;
      text[i] = "\r\n\0\x1f\x7f"[random() % 5];
      places.push_back(i);
    }
    ControlFinder finder(text);
    for (const std::size_t place : places) BOOST_TEST_REQUIRE(finder.next() == place);
    BOOST_TEST_REQUIRE(finder.next() == std::string_view::npos);
  }
}

BOOST_AUTO_TEST_CASE(nothing_has_none) {
  BOOST_TEST(ControlFinder({}).next() == std::string_view::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
