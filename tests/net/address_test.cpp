// SPDX-License-Identifier: Apache-2.0
// Addresses and blocks of them by tables: what is one, how it is written, and what is refused with which words.
#include "proxy/net/address.h"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>
#include <vector>

namespace limpet::net {

namespace {

IpAddress ip(std::string_view text) {
  const auto parsed = IpAddress::parse(text);
  BOOST_TEST_REQUIRE(parsed.has_value(), text);
  return *parsed;
}

Cidr cidr(std::string_view text) {
  const auto parsed = Cidr::parse(text);
  BOOST_TEST_REQUIRE(parsed.has_value(), text);
  return *parsed;
}

Address address(std::string_view text) {
  auto parsed = Address::parse(text);
  BOOST_TEST_REQUIRE(parsed.ok(), text);
  return *parsed;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ip_address)

BOOST_AUTO_TEST_CASE(a_literal_is_written_in_its_canonical_form) {
  BOOST_TEST(ip("192.0.2.1").text() == "192.0.2.1");
  BOOST_TEST(ip("2001:DB8:0:0::1").text() == "2001:db8::1");
  BOOST_TEST(ip("::").text() == "::");
  BOOST_TEST(ip("0.0.0.0").text() == "0.0.0.0");
}

BOOST_AUTO_TEST_CASE(an_ipv4_mapped_address_is_ipv4) {
  BOOST_TEST((ip("::ffff:192.0.2.1") == ip("192.0.2.1")));
  BOOST_TEST((ip("::ffff:c000:201") == ip("192.0.2.1")));
  BOOST_TEST(ip("::ffff:192.0.2.1").is_v4());
  BOOST_TEST(ip("::ffff:192.0.2.1").text() == "192.0.2.1");
  BOOST_TEST(!ip("::192.0.2.1").is_v4());
}

BOOST_AUTO_TEST_CASE(what_is_not_exactly_one_literal_is_refused) {
  for (const char* bad :
       {"", " ", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ", " 1.2.3.4", "01.2.3.4", "1.2.3.-4", "0x7f.0.0.1",
        "[::1]", "::1%lo", "1.2.3.4:80", ":::", "1::2::3", "12345::", "localhost", "1.2.3.4/8"}) {
    BOOST_TEST(!IpAddress::parse(bad).has_value(), bad);
  }
}

BOOST_AUTO_TEST_CASE(a_literal_with_a_nul_inside_is_refused) {
  BOOST_TEST(!IpAddress::parse(std::string_view("1.2.3.4\0", 8)).has_value());
  BOOST_TEST(!IpAddress::parse(std::string_view("1.2.3.4\0evil", 12)).has_value());
  BOOST_TEST(!IpAddress::parse(std::string_view("::1\0", 4)).has_value());
}

BOOST_AUTO_TEST_CASE(loopback_is_all_of_127_and_the_one_of_ipv6) {
  for (const char* yes : {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"}) BOOST_TEST(ip(yes).is_loopback());
  for (const char* no : {"128.0.0.1", "126.255.255.255", "::", "::2", "1::1", "0.0.0.1"}) {
    BOOST_TEST(!ip(no).is_loopback(), no);
  }
}

BOOST_AUTO_TEST_CASE(masking_keeps_the_first_bits_of_ipv6_and_all_of_ipv4) {
  const auto address = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  BOOST_TEST(address.masked(64).text() == "ffff:ffff:ffff:ffff::");
  BOOST_TEST(address.masked(0).text() == "::");
  BOOST_TEST((address.masked(128) == address));
  BOOST_TEST(address.masked(1).text() == "8000::");
  BOOST_TEST(address.masked(9).text() == "ff80::");
  BOOST_TEST(address.masked(127).text() == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
  BOOST_TEST(ip("192.0.2.1").masked(0).text() == "192.0.2.1");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cidr_block)

BOOST_AUTO_TEST_CASE(a_block_has_its_first_and_last_address_and_not_their_neighbours) {
  struct Row {
    const char* block;
    std::vector<const char*> in;
    std::vector<const char*> out;
  };
  const Row rows[] = {
      {"10.0.0.0/8", {"10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"}, {"9.255.255.255", "11.0.0.0", "::10.0.0.1"}},
      {"192.0.2.128/25", {"192.0.2.128", "192.0.2.255"}, {"192.0.2.127", "192.0.3.0"}},
      {"192.0.2.4/30", {"192.0.2.4", "192.0.2.7"}, {"192.0.2.3", "192.0.2.8"}},
      {"192.0.2.4/31", {"192.0.2.4", "192.0.2.5"}, {"192.0.2.3", "192.0.2.6"}},
      {"192.0.2.4/32", {"192.0.2.4"}, {"192.0.2.3", "192.0.2.5"}},
      {"192.0.2.4", {"192.0.2.4"}, {"192.0.2.5", "::192.0.2.4"}},
      {"0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::", "fd00::1", "::fffe:1.2.3.4"}},
      {"128.0.0.0/1", {"128.0.0.0", "255.0.0.0"}, {"127.255.255.255"}},
      {"fd00::/8", {"fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {"fe00::", "fcff::1"}},
      {"2001:db8::/33", {"2001:db8::", "2001:db8:7fff::1"}, {"2001:db8:8000::", "2001:db9::"}},
      {"::1/128", {"::1"}, {"::", "::2"}},
      {"::1", {"::1"}, {"::2"}},
      {"::/0", {"::", "ffff::", "192.0.2.1"}, {}},
      {"::ffff:10.0.0.0/8", {"10.255.0.1"}, {"11.0.0.0"}},
      {"10.1.2.3/8", {"10.0.0.1", "10.255.0.1"}, {"11.1.2.3"}},  // bits behind the prefix do not count
  };
  for (const Row& row : rows) {
    for (const char* yes : row.in) BOOST_TEST(cidr(row.block).contains(ip(yes)), row.block << " lacks " << yes);
    for (const char* no : row.out) BOOST_TEST(!cidr(row.block).contains(ip(no)), row.block << " has " << no);
  }
}

BOOST_AUTO_TEST_CASE(a_bad_block_is_refused) {
  for (const char* bad :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ", "10.0.0.0/ 8",
        "10.0.0.0/8/8", "10.0.0.0/0x8", "::/129", "10.0.0/8", "fd00::/8a", "10.0.0.0/99999999999999999999", "host/8"}) {
    BOOST_TEST(!Cidr::parse(bad).has_value(), bad);
  }
}

BOOST_AUTO_TEST_CASE(a_list_contains_what_any_of_its_blocks_does) {
  const std::vector<Cidr> blocks = {cidr("10.0.0.0/8"), cidr("::1")};
  BOOST_TEST(contains(blocks, ip("10.1.1.1")));
  BOOST_TEST(contains(blocks, ip("::1")));
  BOOST_TEST(!contains(blocks, ip("127.0.0.1")));
  BOOST_TEST(!contains({}, ip("127.0.0.1")));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(socket_address)

BOOST_AUTO_TEST_CASE(each_form_is_read_and_written) {
  BOOST_TEST(address("127.0.0.1:80").text() == "127.0.0.1:80");
  BOOST_TEST(address("[::1]:443").text() == "[::1]:443");
  BOOST_TEST(address("[2001:DB8::0:1]:65535").text() == "[2001:db8::1]:65535");
  BOOST_TEST(address(":8080").text() == "0.0.0.0:8080");
  BOOST_TEST(address("127.0.0.1:0").port() == 0);
  BOOST_TEST(address("unix:/run/x.sock").text() == "unix:/run/x.sock");
  BOOST_TEST(address("unix:/run/x.sock").unix_path() == "/run/x.sock");
  BOOST_TEST(address("unix:relative").unix_path() == "relative");
}

BOOST_AUTO_TEST_CASE(a_host_name_is_resolved) {
  BOOST_TEST(address("localhost:81").is_loopback());
  BOOST_TEST(address("localhost:81").port() == 81);
}

BOOST_AUTO_TEST_CASE(a_bad_address_is_refused_and_named) {
  for (const char* bad : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
                          "127.0.0.1: 80", "127.0.0.1:80 ", "127.0.0.1:http", "::1:80", "::1", "[::1]", "[::1:80",
                          "::1]:80", "[]:80", "[nonsense]:80", "unix:", "256.1.1.1.:80"}) {
    const auto parsed = Address::parse(bad);
    BOOST_TEST_REQUIRE(!parsed.ok(), bad);
    BOOST_TEST(parsed.error().what.find("'" + std::string(bad) + "'") != std::string::npos, bad);
  }
}

BOOST_AUTO_TEST_CASE(a_unix_path_has_a_length_that_a_socket_can_hold) {
  const std::string longest(sizeof(sockaddr_un::sun_path) - 1, 'p');
  BOOST_TEST(address("unix:" + longest).unix_path() == longest);
  BOOST_TEST(!Address::parse("unix:" + longest + "p").ok());
}

BOOST_AUTO_TEST_CASE(equal_addresses_are_equal_and_others_are_not) {
  BOOST_TEST((address("127.0.0.1:80") == address("127.0.0.1:80")));
  BOOST_TEST((address("127.0.0.1:80") != address("127.0.0.1:81")));
  BOOST_TEST((address("127.0.0.1:80") != address("127.0.0.2:80")));
  BOOST_TEST((address("unix:/a") == address("unix:/a")));
  BOOST_TEST((address("unix:/a") != address("unix:/b")));
}

BOOST_AUTO_TEST_CASE(the_port_can_be_set_and_the_ip_read) {
  for (const char* text : {"127.0.0.1:80", "[::1]:80"}) {
    Address changed = address(text);
    changed.set_port(65535);
    BOOST_TEST(changed.port() == 65535);
    BOOST_TEST(changed.is_loopback());
    BOOST_TEST((changed.ip() == address(text).ip()));
  }
  BOOST_TEST((address("unix:/a").ip() == IpAddress{}));
  BOOST_TEST(address("unix:/a").is_loopback());
  BOOST_TEST(!address("192.0.2.1:80").is_loopback());
}

BOOST_AUTO_TEST_CASE(an_address_of_the_kernels_is_read_whole_also_where_it_is_empty) {
  sockaddr_un nameless{};
  nameless.sun_family = AF_UNIX;
  const Address peer(reinterpret_cast<const sockaddr*>(&nameless), sizeof nameless.sun_family);
  BOOST_TEST(peer.is_unix());
  BOOST_TEST(peer.unix_path() == "");
  BOOST_TEST(peer.text() == "unix:");
  BOOST_TEST(Address().text() == "-");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::net
