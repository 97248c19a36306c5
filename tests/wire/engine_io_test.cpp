// SPDX-License-Identifier: Apache-2.0
// By tables; and every beginning of each body: it gives the same sid as the whole or, while too short, none.
#include "proxy/wire/engine_io.h"

#include <boost/test/unit_test.hpp>
#include <optional>
#include <string>

using limpet::wire::engine_io_close;
using limpet::wire::engine_io_sid;
using limpet::wire::kMaxHandshake;

namespace {

std::string operator""_b(const char* text, std::size_t size) {
  return {text, size};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engine_io)

BOOST_AUTO_TEST_CASE(the_sid_is_found_in_each_form_of_a_handshake_and_no_sooner_than_it_is_whole) {
  const struct {
    const char* name;
    std::string before, sid, after;
  } rows[] = {
      {"revision 4", R"(0{"sid":")", "lv_VI97HAXpY6yYWAAAB", R"(","upgrades":["websocket"],"pingInterval":25000})"},
      {"revision 4 with more packets", R"(0{"sid":")", "a",
       "\"}\x1e"
       R"(40{"sid":"other"})"},
      {"revision 3", R"(97:0{"sid":")", "9Xy-z_", R"(","upgrades":["websocket"],"pingInterval":25000}2:40)"},
      {"revision 3, binary", "\x00\x09\x07\xff"_b + R"(0{"sid":")", "Abc", R"(","upgrades":[]})"},
      {"JSONP, revision 4", R"(___eio[0]("0{\"sid\":\")", "Qq1", R"(\",\"upgrades\":[]}");)"},
      {"JSONP, revision 3", R"(___eio[12]("97:0{\"sid\":\")", "Qq1", R"(\",\"upgrades\":[]}");)"},
      {"JSONP without an index", R"(___eio[]("0{\"sid\":\")", "Qq1", R"(\"}");)"},
      {"with spaces", "0{ \"sid\" : \"", "s1", "\", \"upgrades\": []}"},
      {"odd characters", R"(0{"sid":")", "!#$~./:;<=>?[]^`{|}", R"("})"},
      {"128 characters", R"(0{"sid":")", std::string(128, 's'), R"("})"},
  };
  for (const auto& row : rows) {
    const std::string body = row.before + row.sid + row.after;
    const std::size_t whole = row.before.size() + row.sid.size() + (row.after.starts_with('\\') ? 2 : 1);
    for (std::size_t size = 0; size <= body.size(); ++size) {
      const auto found = engine_io_sid(std::string_view(body).substr(0, size));
      BOOST_TEST((found == (size < whole ? std::nullopt : std::optional(row.sid))),
                 row.name << ", " << size << " bytes");
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_handshake_has_no_sid) {
  const std::string bodies[] = {
      "",
      "0",
      "ok",
      "1",
      R"(4{"sid":"a"})",
      R"(40{"sid":"a"})",
      R"({"sid":"a"})",
      R"( 0{"sid":"a"})",
      R"(0{"sid":""})",
      R"(0{"sid":5})",
      R"(0{"sid":null})",
      R"(0{"SID":"a"})",
      R"(0{"sidx":"a"})",
      R"(0{"upgrades":[],"sid":"a"})",
      R"(0{"sid":"a\u0041"})",
      R"(0{"sid":"a\"b"})",
      R"(0{"sid":"a b"})",
      "0{\"sid\":\"a\rb\"}",
      "0{\"sid\":\"a\x7f\"}",
      "0{\"sid\":\"\xc3\xa4\"}",
      "0{\"sid\":\"a\0b\"}"_b,
      R"(0{"sid":")" + std::string(129, 's') + "\"}",
      R"(:0{"sid":"a"})",
      R"(1234567890:0{"sid":"a"})",
      R"(97;0{"sid":"a"})",
      "\x00\xff"_b + R"(0{"sid":"a"})",
      "\x00\x0a\xff"_b + R"(0{"sid":"a"})",
      "\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xff"_b + R"(0{"sid":"a"})",
      "\x01\x09\x07\xff"
      R"(0{"sid":"a"})",
      R"(___eio[0](0{"sid":"a"}))",
      R"(___eio[x]("0{\"sid\":\"a\"}");)",
      R"(___eio[0]("0{"sid":"a"}");)",
      R"(___eio[0]("0{\u0022sid\":\"a\"}");)",
      R"(___eio[0]("0{\"sid\":\"a\\\"}");)",
  };
  for (const std::string& body : bodies) BOOST_TEST(!engine_io_sid(body).has_value(), body);
}

BOOST_AUTO_TEST_CASE(a_sid_far_into_the_body_is_not_looked_for) {
  const std::string spaces(kMaxHandshake, ' ');
  BOOST_TEST(!engine_io_sid("0{" + spaces + R"("sid":"a"})").has_value());
  BOOST_TEST(engine_io_sid("0{" + spaces.substr(100) + R"("sid":"a"})").value_or("none") == "a");
}

BOOST_AUTO_TEST_CASE(a_close_packet_has_the_form_that_the_client_asked_in) {
  const std::string text = "text/plain; charset=UTF-8";
  const std::string script = "text/javascript; charset=UTF-8";
  const struct {
    const char* query;
    std::string content_type, body;
  } rows[] = {
      {"EIO=4&transport=polling&sid=x", text, "1"},
      {"", text, "1"},
      {"transport=polling&EIO=3&sid=x", text, "1:1"},
      {"EIO=%33", text, "1:1"},
      {"EIO=33", text, "1"},
      {"EIO=4&transport=polling&j=0", script, R"(___eio[0]("1");)"},
      {"EIO=3&transport=polling&j=17&sid=x", script, R"(___eio[17]("1:1");)"},
      {"j=%31", script, R"(___eio[1]("1");)"},
      {"EIO=4&j=", text, "1"},
      {"EIO=4&j=alert(1)", text, "1"},
      {"EIO=4&j=0%5D%28%29", text, "1"},
      {"EIO=4&j=-1", text, "1"},
      {"EIO=4&j=1234567890123456789012", text, "1"},
  };
  for (const auto& row : rows) {
    const auto close = engine_io_close(row.query);
    BOOST_TEST(close.content_type == row.content_type, row.query);
    BOOST_TEST(close.body == row.body, row.query);
  }
}

BOOST_AUTO_TEST_SUITE_END()
