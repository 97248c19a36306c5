// SPDX-License-Identifier: Apache-2.0
// By tables; what forwarded_element writes is read back by the grammar (naive_forwarded.h).
#include "proxy/wire/http/forwarded.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/wire/http/naive_forwarded.h"

using limpet::wire::Fields;
using limpet::wire::forwarded_element;
using limpet::wire::forwarded_for_hops;
using limpet::wire::strip_port;
namespace naive = limpet::wire::naive;

namespace {

using Hops = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_SUITE(forwarded)

BOOST_AUTO_TEST_CASE(hops_are_taken_from_all_fields_in_order) {
  const struct {
    std::vector<std::string> values;
    Hops hops;
  } rows[] = {
      {{}, {}},
      {{""}, {}},
      {{"192.0.2.1"}, {"192.0.2.1"}},
      {{"192.0.2.1, 198.51.100.2,203.0.113.3"}, {"192.0.2.1", "198.51.100.2", "203.0.113.3"}},
      {{" \t a\t ,\tb "}, {"a", "b"}},
      {{"a, b", "c", "d, e"}, {"a", "b", "c", "d", "e"}},
      {{",a,, ,b,", ","}, {"a", "b"}},
      {{"a b, [2001:db8::1]:80, unknown"}, {"a b", "[2001:db8::1]:80", "unknown"}},
  };
  for (const auto& row : rows) {
    Fields fields;
    fields.add("Host", "h, i");
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      fields.add(i % 2 == 0 ? "X-Forwarded-For" : "x-forwarded-FOR", row.values[i]);
      fields.add("X-Forwarded-Fo", "no");
    }
    BOOST_TEST(forwarded_for_hops(fields) == row.hops, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(hops_are_the_same_wherever_the_list_is_cut_into_fields) {
  const std::string list = " 192.0.2.1 ,, [2001:db8::1]:80\t,unknown ,";
  const Hops hops = {"192.0.2.1", "[2001:db8::1]:80", "unknown"};
  for (std::size_t comma = list.find(','); comma != std::string::npos; comma = list.find(',', comma + 1)) {
    Fields fields;
    fields.add("X-Forwarded-For", list.substr(0, comma));
    fields.add("X-Forwarded-For", list.substr(comma + 1));
    BOOST_TEST(forwarded_for_hops(fields) == hops, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_port_and_brackets_are_removed_and_nothing_else) {
  const std::pair<const char*, const char*> rows[] = {
      {"192.0.2.1", "192.0.2.1"},
      {"192.0.2.1:80", "192.0.2.1"},
      {"192.0.2.1:65535", "192.0.2.1"},
      {"[2001:db8::1]", "2001:db8::1"},
      {"[2001:db8::1]:443", "2001:db8::1"},
      {"2001:db8::1", "2001:db8::1"},
      {"::1", "::1"},
      {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
      {"fe80::1%eth0", "fe80::1%eth0"},
      {"unknown", "unknown"},
      {"_hidden:80", "_hidden"},
      {"", ""},
      {":80", ":80"},
      {"192.0.2.1:", "192.0.2.1:"},
      {"192.0.2.1:123456", "192.0.2.1:123456"},
      {"192.0.2.1:8a", "192.0.2.1:8a"},
      {"[2001:db8::1", "[2001:db8::1"},
      {"[2001:db8::1]443", "[2001:db8::1]443"},
      {"[2001:db8::1]:", "[2001:db8::1]:"},
      {"[]", "[]"},
      {"[]:80", "[]:80"},
  };
  for (const auto& [hop, stripped] : rows) BOOST_TEST(strip_port(hop) == stripped);
}

BOOST_AUTO_TEST_CASE(an_element_is_quoted_where_it_must_be) {
  const struct {
    std::string for_ip, host, proto, element;
  } rows[] = {
      {"192.0.2.1", "example.com", "https", "for=192.0.2.1;host=example.com;proto=https"},
      {"2001:db8::1", "example.com:8080", "http", R"(for="[2001:db8::1]";host="example.com:8080";proto=http)"},
      {"[2001:db8::1]", "[::1]:80", "", R"(for="[2001:db8::1]";host="[::1]:80")"},
      {"192.0.2.1:4711", "", "wss", R"(for="192.0.2.1:4711";proto=wss)"},
      {"", "", "", "for=unknown"},
      {"unknown", "a\"b\\c", "", R"(for=unknown;host="a\"b\\c")"},
      {"192.0.2.1", "a;proto=https, for=x", "http", R"(for=192.0.2.1;host="a;proto=https, for=x";proto=http)"},
      {"192.0.2.1", "a\r\nX: y", "ht\x7ftp", "for=192.0.2.1"},
      {"1\n2", std::string("a\0b", 3), "http", "for=unknown;proto=http"},
      {"192.0.2.1", "\xc3\xa4", "http", "for=192.0.2.1;host=\"\xc3\xa4\";proto=http"},
  };
  for (const auto& row : rows) BOOST_TEST(forwarded_element(row.for_ip, row.host, row.proto) == row.element);
}

BOOST_AUTO_TEST_CASE(the_clients_own_connection_says_whether_it_is_secure) {
  for (const std::string_view secure : {"https", "HTTPS", "wss", "Wss", " https ", "https, http", "https,http"}) {
    BOOST_TEST(limpet::wire::is_secure_proto(secure), secure);
  }
  for (const std::string_view plain : {"", "http", "ws", "http, https", "httpsx", ",https", "\"https\""}) {
    BOOST_TEST(!limpet::wire::is_secure_proto(plain), plain);
  }
}

BOOST_AUTO_TEST_CASE(every_byte_reads_back_or_is_left_out) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string host = std::string("a") + static_cast<char>(byte);
    const bool is_control = (byte < 32 && byte != '\t') || byte == 127;
    const auto pairs = naive::read_element(forwarded_element("192.0.2.1", host, "http"));
    naive::Pairs expected = {{"for", "192.0.2.1"}, {"host", host}, {"proto", "http"}};
    if (is_control) expected.erase(expected.begin() + 1);
    BOOST_TEST((pairs == expected), "byte " << byte);
  }
}

BOOST_AUTO_TEST_SUITE_END()
