// SPDX-License-Identifier: Apache-2.0
// base64 both ways by the vectors of RFC 4648 §10, SHA-1 by those of RFC 3174 and RFC 6455, and that randomness varies.
#include "proxy/base/crypto.h"

#include <array>
#include <boost/test/unit_test.hpp>
#include <set>
#include <utility>

using namespace std::string_view_literals;

namespace limpet {

BOOST_AUTO_TEST_SUITE(crypto)

BOOST_AUTO_TEST_CASE(sha1_gives_the_published_digests) {
  const auto digest = [](std::string_view data) {
    const auto bytes = sha1(data);
    return std::string(bytes.data(), bytes.size());
  };
  BOOST_TEST(digest("abc") == "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d"sv);
  BOOST_TEST(digest("") == "\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09"sv);
  BOOST_TEST(base64_encode(digest("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) ==
             "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

BOOST_AUTO_TEST_CASE(base64_goes_both_ways) {
  constexpr std::pair<std::string_view, std::string_view> kRows[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\x00\xff\xfe"sv, "AP/+"},
  };
  for (const auto& [plain, encoded] : kRows) {
    BOOST_TEST(base64_encode(plain) == encoded);
    BOOST_TEST((base64_size(encoded) == plain.size()));
  }
}

BOOST_AUTO_TEST_CASE(what_is_encoded_has_its_size) {
  for (std::size_t size = 0; size < 70; ++size) {
    std::string bytes(size, '\0');
    random_bytes(bytes.data(), size);
    BOOST_TEST((base64_size(base64_encode(bytes)) == size));
  }
}

BOOST_AUTO_TEST_CASE(base64_refuses_what_is_none) {
  for (const auto text : {"Zg"sv, "Zg="sv, "Z"sv, "Z==="sv, "===="sv, "="sv, "Zg==Zg=="sv, "Zm9v\n"sv, " Zm9"sv,
                          "Zm-v"sv, "Zm_v"sv, "Z=g="sv, "Zm9\xff"sv, "Zm9\0"sv}) {
    BOOST_TEST_CONTEXT(text) BOOST_TEST(!base64_size(text));
  }
}

BOOST_AUTO_TEST_CASE(base64url_has_its_own_alphabet_and_no_padding) {
  BOOST_TEST(base64url_decode("AP_-").value_or("none") == "\x00\xff\xfe"sv);
  BOOST_TEST(base64url_decode("Zg").value_or("none") == "f");
  BOOST_TEST(base64url_decode("Zm8").value_or("none") == "fo");
  BOOST_TEST(base64url_decode("").value_or("none") == "");
  for (const auto text : {"Zg=="sv, "AP/+"sv, "Z"sv, "Zm9vY"sv, "Z g"sv, "Z\0"sv}) {
    BOOST_TEST_CONTEXT(text) BOOST_TEST(!base64url_decode(text));
  }
}

BOOST_AUTO_TEST_CASE(comparison_in_constant_time_tells_equal_from_not) {
  BOOST_TEST(equal_in_constant_time("secret", "secret"));
  BOOST_TEST(equal_in_constant_time("", ""));
  BOOST_TEST(!equal_in_constant_time("secret", "secreT"));
  BOOST_TEST(!equal_in_constant_time("secret", "secret1"));
  BOOST_TEST(!equal_in_constant_time("", "s"));
}

BOOST_AUTO_TEST_CASE(random_numbers_do_not_repeat) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random64());
  BOOST_TEST(seen.size() == 1000U);
}

BOOST_AUTO_TEST_CASE(random_fractions_fill_the_interval_from_zero_to_below_one) {
  std::array<int, 10> counts{};
  for (int i = 0; i < 10000; ++i) {
    const double fraction = random_fraction();
    BOOST_REQUIRE(fraction >= 0.0);
    BOOST_REQUIRE(fraction < 1.0);
    ++counts[static_cast<std::size_t>(fraction * 10)];
  }
  for (const int count : counts) BOOST_TEST(count > 700);  // expected 1000, standard deviation 30
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet
