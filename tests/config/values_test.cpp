// SPDX-License-Identifier: Apache-2.0
// Durations, sizes and sources as texts: what is one, what is none, and how a duration is written.
#include <boost/test/unit_test.hpp>

#include "proxy/config/config.h"

namespace limpet::config {

namespace {

using std::chrono::milliseconds;

std::string source_text(std::string_view text) {
  using Kind = session::KeySource::Kind;
  const auto source = parse_key_source(text);
  if (!source) return "none";
  switch (source->kind) {
  case Kind::Cookie:
    return "Cookie " + source->name;
  case Kind::Header:
    return "Header " + source->name;
  case Kind::Query:
    return "Query " + source->name;
  case Kind::Path:
    return "Path " + source->name + " " + std::to_string(source->segment);
  case Kind::Subprotocol:
    return "Subprotocol " + source->name;
  case Kind::ClientIp:
    return "ClientIp " + source->name;
  case Kind::Jwt:
    return "Jwt " + source->name;
  }
  return "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config_values)

BOOST_AUTO_TEST_CASE(a_duration_is_digits_and_a_unit) {
  const std::vector<std::pair<std::string, long>> cases = {
      {"250ms", 250},    {"30s", 30'000},   {"5m", 300'000},
      {"1h", 3'600'000}, {"2d", 172800000}, {"0s", 0},
      {"0ms", 0},        {"007s", 7000},    {"36500d", 3'153'600'000'000}};
  for (const auto& [text, count] : cases) {
    BOOST_TEST_CONTEXT(text) {
      const auto duration = parse_duration(text);
      BOOST_REQUIRE(duration);
      BOOST_TEST(duration->count() == count);
    }
  }
}

BOOST_AUTO_TEST_CASE(anything_else_is_no_duration) {
  for (const char* text : {"", "30", "s", "-1s", "+1s", "1.5s", " 1s", "1s ", "1 s", "1S", "1sec", "1h30m", "0x1s",
                           "36501d", "99999999999999999999s", "18446744073709551615d"}) {
    BOOST_TEST(!parse_duration(text), text);
  }
}

BOOST_AUTO_TEST_CASE(a_duration_is_written_in_its_largest_whole_unit) {
  const std::vector<std::pair<long, std::string>> cases = {{0, "0s"},         {1, "1ms"},         {1500, "1500ms"},
                                                           {90'000, "90s"},   {120'000, "2m"},    {5'400'000, "90m"},
                                                           {3'600'000, "1h"}, {86'400'000, "1d"}, {129'600'000, "36h"}};
  for (const auto& [count, text] : cases) {
    BOOST_TEST(duration_text(milliseconds(count)) == text);
    BOOST_TEST(parse_duration(text)->count() == count);
  }
}

BOOST_AUTO_TEST_CASE(a_size_is_digits_and_a_binary_unit_or_zero) {
  const std::vector<std::pair<std::string, std::uint64_t>> cases = {{"0", 0},
                                                                    {"0B", 0},
                                                                    {"512B", 512},
                                                                    {"64KiB", 65536},
                                                                    {"1MiB", 1048576},
                                                                    {"2GiB", 2147483648},
                                                                    {"1TiB", 1ULL << 40U}};
  for (const auto& [text, bytes] : cases) {
    const auto size = parse_size(text);
    BOOST_REQUIRE(size);
    BOOST_TEST(*size == bytes);
  }
  for (const char* text : {"", "1", "00", "B", "64KB", "64kib", "64 KiB", "-1B", "1.5MiB", "99999999999TiB"}) {
    BOOST_TEST(!parse_size(text), text);
  }
}

BOOST_AUTO_TEST_CASE(a_key_source_names_where_the_key_is) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"cookie:sid", "Cookie sid"},
      {"header:X-User-Id", "Header X-User-Id"},
      {"query:user name", "Query user name"},
      {"path:2", "Path 2 2"},
      {"jwt:https://example.com/sub", "Jwt https://example.com/sub"},
      {"subprotocol", "Subprotocol "},
      {"client_ip", "ClientIp "},
      {"", "none"},
      {"cookie", "none"},
      {"cookie:", "none"},
      {"cookie:a b", "none"},
      {"header:X:Y", "none"},
      {"query:", "none"},
      {"jwt:", "none"},
      {"path:0", "none"},
      {"path:", "none"},
      {"path:-1", "none"},
      {"path:1x", "none"},
      {"path:99999999999", "none"},
      {"client_ip:1", "none"},
      {"Cookie:sid", "none"},
      {"sni", "none"}};
  for (const auto& [text, expected] : cases)
    BOOST_TEST(source_text(text) == expected, text << ": " << source_text(text));
}

BOOST_AUTO_TEST_CASE(a_learn_source_names_where_the_server_puts_the_id) {
  using Kind = session::LearnSource::Kind;
  BOOST_TEST((parse_learn_source("engine.io") == session::LearnSource{Kind::EngineIo, ""}));
  BOOST_TEST((parse_learn_source("header:Mcp-Session-Id") == session::LearnSource{Kind::Header, "Mcp-Session-Id"}));
  BOOST_TEST((parse_learn_source("cookie:JSESSIONID") == session::LearnSource{Kind::Cookie, "JSESSIONID"}));
  for (const char* text : {"", "engine", "header:", "header:a b", "query:x", "cookie", "engine.io:x"}) {
    BOOST_TEST(!parse_learn_source(text), text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::config
