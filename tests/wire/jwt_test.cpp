// SPDX-License-Identifier: Apache-2.0
// Claims out of good tokens, and nothing out of bad ones, however bad.
#include "proxy/wire/jwt.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "proxy/base/crypto.h"

using namespace std::string_view_literals;

namespace limpet::wire {

namespace {

std::string base64url(std::string_view data) {
  auto text = base64_encode(data);
  text.erase(text.find_last_not_of('=') + 1);
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::string claim(std::string_view payload, std::string_view name) {
  return jwt_claim("e30." + base64url(payload) + ".sig", name).value_or("none");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(jwt)

BOOST_AUTO_TEST_CASE(a_claim_of_a_published_token_is_read) {
  constexpr auto kToken =
      "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
      "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"sv;
  BOOST_TEST(jwt_claim(kToken, "sub").value_or("none") == "1234567890");
  BOOST_TEST(jwt_claim(kToken, "iat").value_or("none") == "1516239022");
  BOOST_TEST(!jwt_claim(kToken, "aud"));
}

BOOST_AUTO_TEST_CASE(strings_numbers_and_booleans_are_claims) {
  constexpr auto kPayload = R"({"s":"a\"é","i":-5,"d":1.5,"b":true,"n":null,"o":{"s":"x"},"a":["x"],"":"empty"})"sv;
  BOOST_TEST(claim(kPayload, "s") == "a\"é");
  BOOST_TEST(claim(kPayload, "i") == "-5");
  BOOST_TEST(claim(kPayload, "d") == "1.5");
  BOOST_TEST(claim(kPayload, "b") == "true");
  BOOST_TEST(claim(kPayload, "") == "empty");
  for (const auto name : {"n"sv, "o"sv, "a"sv, "missing"sv})
    BOOST_TEST_CONTEXT(name) BOOST_TEST(claim(kPayload, name) == "none");
}

BOOST_AUTO_TEST_CASE(malformed_tokens_have_no_claims) {
  const auto payload = base64url(R"({"s":"x"})");
  BOOST_TEST(jwt_claim("e30." + payload + ".", "s").value_or("none") == "x");
  for (const auto& token :
       std::vector<std::string>{"", ".", "..", payload, "e30." + payload, "e30." + payload + ".a.b", "e30.e30.x.y.z",
                                "e30." + payload + "=.a", "e30.%%%.a", "e30. " + payload + ".a"}) {
    BOOST_TEST_CONTEXT(token) BOOST_TEST(!jwt_claim(token, "s"));
  }
  for (const auto text : {""sv, "[]"sv, "\"s\""sv, "null"sv, "{"sv, R"({"s":"x")"sv, R"({"s":"x"}})"sv, "{'s':'x'}"sv,
                          "{\"s\":\"\xff\"}"sv, "{\"s\":\"x\0\"}"sv, R"({"s":NaN})"sv, R"({"s":"x",})"sv}) {
    BOOST_TEST_CONTEXT(text) BOOST_TEST(claim(text, "s") == "none");
  }
}

BOOST_AUTO_TEST_CASE(deep_nesting_and_great_size_do_no_harm) {
  BOOST_TEST(claim("{\"s\":\"x\",\"d\":" + std::string(5000, '[') + std::string(5000, ']') + "}", "s") == "x");
  BOOST_TEST(claim(std::string(11000, '['), "s") == "none");
  const auto token = [](std::size_t size) {
    auto text = "e30." + base64url(R"({"s":"x"})") + ".";
    text.append(size - text.size(), 'a');
    return text;
  };
  BOOST_TEST(jwt_claim(token(16 * 1024), "s").has_value());
  BOOST_TEST(!jwt_claim(token(16 * 1024 + 1), "s").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
