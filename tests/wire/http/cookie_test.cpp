// SPDX-License-Identifier: Apache-2.0
// Cookies as clients and servers really write them.
#include "proxy/wire/http/cookie.h"

#include <boost/test/unit_test.hpp>
#include <initializer_list>

namespace limpet::wire {

namespace {

std::string sent(std::initializer_list<std::string_view> cookies, std::string_view name) {
  Fields fields;
  fields.add("X-Cookie", "sid=wrong");
  for (const auto cookie : cookies) fields.add("cookie", cookie);
  return cookie_value(fields, name).value_or("none");
}

std::string set(std::initializer_list<std::string_view> cookies, std::string_view name) {
  Fields fields;
  fields.add("Cookie", "sid=wrong");
  for (const auto cookie : cookies) fields.add("set-cookie", cookie);
  return set_cookie_value(fields, name).value_or("none");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cookie)

BOOST_AUTO_TEST_CASE(the_first_cookie_of_a_name_in_any_field_counts) {
  BOOST_TEST(sent({"a=1; sid=x; b=2"}, "sid") == "x");
  BOOST_TEST(sent({"a=1", "sid=y"}, "sid") == "y");
  BOOST_TEST(sent({"sid=1; sid=2", "sid=3"}, "sid") == "1");
  BOOST_TEST(sent({"a=1;sid=x"}, "sid") == "x");
  BOOST_TEST(sent({"asid=1; sid2=2"}, "sid") == "none");
  BOOST_TEST(sent({"SID=1"}, "sid") == "none");
  BOOST_TEST(sent({}, "sid") == "none");
}

BOOST_AUTO_TEST_CASE(values_lose_surrounding_quotes_and_nothing_else) {
  BOOST_TEST(sent({"sid=\"a b\""}, "sid") == "a b");
  BOOST_TEST(sent({"sid=\"a"}, "sid") == "\"a");
  BOOST_TEST(sent({"sid=\""}, "sid") == "\"");
  BOOST_TEST(sent({"sid=\"\""}, "sid") == "");
  BOOST_TEST(sent({"sid= a%20=b== "}, "sid") == "a%20=b==");
}

BOOST_AUTO_TEST_CASE(odd_cookie_fields_do_no_harm) {
  BOOST_TEST(sent({""}, "sid") == "none");
  BOOST_TEST(sent({";;; ;"}, "sid") == "none");
  BOOST_TEST(sent({"sid"}, "sid") == "none");
  BOOST_TEST(sent({"sid; sid=1;"}, "sid") == "1");
  BOOST_TEST(sent({"sid="}, "sid") == "");
  BOOST_TEST(sent({"=1; sid =2"}, "sid") == "2");
}

BOOST_AUTO_TEST_CASE(a_response_sets_a_cookie_by_its_last_field_of_that_name) {
  BOOST_TEST(set({"sid=abc; Path=/; HttpOnly"}, "sid") == "abc");
  BOOST_TEST(set({"a=1", "sid=\"q\";Secure"}, "sid") == "q");
  BOOST_TEST(set({"sid=1", "sid=2"}, "sid") == "2");
  BOOST_TEST(set({"a=1; sid=2"}, "sid") == "none");
  BOOST_TEST(set({"sid=; Max-Age=0"}, "sid") == "");
  BOOST_TEST(set({"sid"}, "sid") == "none");
  BOOST_TEST(set({}, "sid") == "none");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
