// SPDX-License-Identifier: Apache-2.0
// A head's fields: looking up, order, and what is forwarded.
#include "proxy/wire/http/fields.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cctype>
#include <string>

#include "proxy/wire/grammar.h"

namespace limpet::wire {

BOOST_AUTO_TEST_SUITE(fields)

BOOST_AUTO_TEST_CASE(lists_are_searched_for_tokens_without_regard_to_case) {
  BOOST_TEST(list_has_token("keep-alive, Upgrade", "upgrade"));
  BOOST_TEST(list_has_token("UPGRADE", "upgrade"));
  BOOST_TEST(list_has_token(",, a\t,", "A"));
  BOOST_TEST(list_has_token("x=\"a\\\",b\", upgrade", "upgrade"));
  BOOST_TEST(!list_has_token("x=\"a, upgrade , b\"", "upgrade"));
  BOOST_TEST(!list_has_token("upgraded", "upgrade"));
  BOOST_TEST(!list_has_token("up grade", "upgrade"));
  BOOST_TEST(!list_has_token("", "upgrade"));
}

BOOST_AUTO_TEST_CASE(fields_are_found_in_any_case_and_over_several_lines) {
  Fields fields;
  fields.add("Connection", "a");
  fields.add("CONNECTION", "b, C");
  BOOST_TEST(fields.find("connection").value_or("none") == "a");
  BOOST_TEST(!fields.find("connectio"));
  BOOST_TEST(fields.count(FieldName::Connection) == 2U);
  BOOST_TEST(fields.has_token(FieldName::Connection, "c"));
  BOOST_TEST(!fields.has_token(FieldName::Connection, "d"));
  fields.clear();
  BOOST_TEST(fields.empty());
  BOOST_TEST(!fields.find("connection"));
}

BOOST_AUTO_TEST_CASE(a_known_name_is_known_in_any_case_and_nothing_near_it_is) {
  const std::pair<std::string, FieldName> known[] = {{"Connection", FieldName::Connection},
                                                     {"Host", FieldName::Host},
                                                     {"TE", FieldName::Te},
                                                     {"HTTP2-Settings", FieldName::Http2Settings},
                                                     {"Sec-WebSocket-Extensions", FieldName::SecWebSocketExtensions},
                                                     {"Transfer-Encoding", FieldName::TransferEncoding},
                                                     {"Content-Length", FieldName::ContentLength},
                                                     {"X-Forwarded-For", FieldName::XForwardedFor}};
  for (const auto& [text, name] : known) {
    std::string other = text;
    BOOST_TEST((field_name(other) == name));
    std::transform(other.begin(), other.end(), other.begin(), [](unsigned char c) { return std::toupper(c); });
    BOOST_TEST((field_name(other) == name));
    std::transform(other.begin(), other.end(), other.begin(), [](unsigned char c) { return std::tolower(c); });
    BOOST_TEST((field_name(other) == name));
    for (std::size_t i = 0; i < text.size(); ++i) {
      other = text;
      other[i] = static_cast<char>(other[i] ^ 0x01);
      BOOST_TEST((field_name(other) == FieldName::Other), other);
      other[i] = static_cast<char>(text[i] | 0x80);
      BOOST_TEST((field_name(other) == FieldName::Other));
    }
    BOOST_TEST((field_name(text + "s") == FieldName::Other));
    BOOST_TEST((field_name(" " + text) == FieldName::Other));
    BOOST_TEST((field_name(text.substr(1)) == FieldName::Other));
  }
  BOOST_TEST((field_name("") == FieldName::Other));
}

BOOST_AUTO_TEST_CASE(names_that_differ_in_a_bit_of_case_only_for_letters) {
  BOOST_TEST(!equals_ignoring_case("X-Forwarded-For", "X\rForwarded-For"));  // '-' and CR differ in 0x20
  BOOST_TEST(!equals_ignoring_case("a@", "a`"));
  BOOST_TEST((field_name("X\rForwarded-For") == FieldName::Other));
}

BOOST_AUTO_TEST_CASE(known_and_other_fields_are_found_by_either_way_and_keep_their_lines) {
  Fields fields;
  fields.add("X-Trace", "1");
  fields.add("cookie", "a=b");
  fields.add("x-trace", "2");
  fields.add("Cookie", "c=d");
  BOOST_TEST(fields.find("X-TRACE").value() == "1");
  BOOST_TEST(fields.find("COOKIE").value() == "a=b");
  BOOST_TEST(fields.find(FieldName::Cookie).value() == "a=b");
  BOOST_TEST(fields.count(FieldName::Cookie) == 2U);
  BOOST_TEST(fields.count(FieldName::Host) == 0U);
  BOOST_TEST(fields.has(FieldName::Cookie));
  BOOST_TEST(!fields.has(FieldName::Host));
  BOOST_TEST(!fields.find(FieldName::Host).has_value());
  BOOST_TEST(!fields.find("Host").has_value());
  BOOST_TEST(fields.line(1) == "cookie: a=b\r\n");
  BOOST_TEST((fields.line(0).data() + fields.line(0).size() == fields.line(1).data()));
  fields.clear();
  BOOST_TEST(!fields.has(FieldName::Cookie));
  BOOST_TEST(!fields.find("X-Trace").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
