// SPDX-License-Identifier: Apache-2.0
// Tables for every function of uri.h; the hostile rows matter most.
#include "proxy/wire/uri.h"

#include <boost/test/unit_test.hpp>
#include <utility>

using namespace std::string_view_literals;

namespace limpet::wire {

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

}  // namespace

BOOST_AUTO_TEST_SUITE(uri)

BOOST_AUTO_TEST_CASE(percent_escapes_are_decoded_and_broken_ones_stay) {
  for (const auto& [text, decoded] : {Pair{"%41%6a", "Aj"}, Pair{"a+b", "a+b"}, Pair{"%", "%"}, Pair{"%4", "%4"},
                                      Pair{"%4g", "%4g"}, Pair{"%%41", "%A"}, Pair{"%00", "\0"sv}, Pair{"%2541", "%41"},
                                      Pair{"%fF", "\xff"}, Pair{"", ""}, Pair{"%-1", "%-1"}}) {
    BOOST_TEST_CONTEXT(text) BOOST_TEST(percent_decode(text) == decoded);
  }
}

BOOST_AUTO_TEST_CASE(the_first_parameter_of_a_name_counts) {
  const auto value = [](std::string_view query, std::string_view name) {
    return query_value(query, name).value_or("none");
  };
  BOOST_TEST(value("a=1&b=2", "b") == "2");
  BOOST_TEST(value("a=1&a=2", "a") == "1");
  BOOST_TEST(value("ab=1&a=2", "a") == "2");
  BOOST_TEST(value("a", "a") == "");
  BOOST_TEST(value("a=", "a") == "");
  BOOST_TEST(value("a=b=c", "a") == "b=c");
  BOOST_TEST(value("%61=%62%26", "a") == "b&");
  BOOST_TEST(value("a=x+y", "a") == "x+y");
  BOOST_TEST(value("&&a=1&", "a") == "1");
  BOOST_TEST(value("A=1", "a") == "none");
  BOOST_TEST(value("b=a", "a") == "none");
  BOOST_TEST(value("", "a") == "none");
  BOOST_TEST(value("&", "") == "none");
}

BOOST_AUTO_TEST_CASE(path_segments_count_from_one) {
  const auto segment = [](std::string_view path, unsigned n) { return path_segment(path, n).value_or("none"); };
  BOOST_TEST(segment("/a/b/c", 1) == "a");
  BOOST_TEST(segment("/a/b/c", 3) == "c");
  BOOST_TEST(segment("/a/b/c", 4) == "none");
  BOOST_TEST(segment("/a/b/c", 0) == "none");
  BOOST_TEST(segment("/a//c", 2) == "none");
  BOOST_TEST(segment("/a//c", 3) == "c");
  BOOST_TEST(segment("/a/", 2) == "none");
  BOOST_TEST(segment("/", 1) == "none");
  BOOST_TEST(segment("", 1) == "none");
  BOOST_TEST(segment("/%61%2fb/c", 1) == "a/b");
  BOOST_TEST(segment("/a", 4000000000U) == "none");
}

BOOST_AUTO_TEST_CASE(paths_are_normalised_for_matching) {
  for (const auto& [path, normal] : {Pair{"/a/b", "/a/b"},
                                     Pair{"/a/./b", "/a/b"},
                                     Pair{"/a/../b", "/b"},
                                     Pair{"/a/b/..", "/a/"},
                                     Pair{"/a/.", "/a/"},
                                     Pair{"/../../a", "/a"},
                                     Pair{"/..", "/"},
                                     Pair{"/.", "/"},
                                     Pair{"//a///b//", "/a/b/"},
                                     Pair{"/a//../b", "/b"},
                                     Pair{"/%61", "/a"},
                                     Pair{"/a/%2e%2E/b", "/b"},
                                     Pair{"/a/%2e/b", "/a/b"},
                                     Pair{"/a%2fb", "/a%2Fb"},
                                     Pair{"/%7eu", "/~u"},
                                     Pair{"/%252e%252e/", "/%252e%252e/"},
                                     Pair{"/%", "/%25"},
                                     Pair{"/%2", "/%252"},
                                     Pair{"/a/...", "/a/..."},
                                     Pair{"", "/"},
                                     Pair{"/", "/"},
                                     Pair{"*", "*"},
                                     Pair{"a", "/a"},
                                     Pair{"/.a/..b", "/.a/..b"},
                                     Pair{"/%e%42", "/%25eB"},
                                     Pair{"/%%32%65/", "/%252e/"},
                                     Pair{"/%c3%a9", "/%C3%A9"},
                                     Pair{"/a\\..\\b", "/a\\..\\b"}}) {
    BOOST_TEST_CONTEXT(path) {
      BOOST_TEST(normalise_path(path) == normal);
      BOOST_TEST(normalise_path(normal) == normal);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_prefix_ends_at_a_segment) {
  for (const auto prefix : {"/a"sv, "/a/"sv}) {
    BOOST_TEST(path_has_prefix("/a", prefix));
    BOOST_TEST(path_has_prefix("/a/", prefix));
    BOOST_TEST(path_has_prefix("/a/b", prefix));
    BOOST_TEST(!path_has_prefix("/ab", prefix));
    BOOST_TEST(!path_has_prefix("/", prefix));
    BOOST_TEST(!path_has_prefix("/A", prefix));
    BOOST_TEST(!path_has_prefix("/b/a", prefix));
  }
  for (const auto prefix : {"/"sv, ""sv}) {
    BOOST_TEST(path_has_prefix("/", prefix));
    BOOST_TEST(path_has_prefix("/a", prefix));
    BOOST_TEST(path_has_prefix("*", prefix));
  }
}

BOOST_AUTO_TEST_CASE(hosts_are_lower_case_without_port) {
  for (const auto& [authority, host] :
       {Pair{"Example.COM:8080", "example.com"}, Pair{"a", "a"}, Pair{"[2001:DB8::1]:80", "[2001:db8::1]"},
        Pair{"[::1]", "[::1]"}, Pair{"", ""}, Pair{":80", ""}, Pair{"[::1", "[::1"}, Pair{"a:b:c", "a"},
        Pair{"Name.", "name"}, Pair{"name.example.:80", "name.example"}, Pair{"a..", "a.."}, Pair{".", "."}}) {
    BOOST_TEST_CONTEXT(authority) BOOST_TEST(host_without_port(authority) == host);
  }
}

BOOST_AUTO_TEST_CASE(authorities_are_hosts_with_or_without_port) {
  for (const auto authority : {"a"sv, "a.example"sv, "a.example."sv, "a:80"sv, "a:"sv, "127.0.0.1:65535"sv, "[::1]"sv,
                               "[::1]:80"sv, "[::ffff:1.2.3.4]"sv, "a_b"sv, "a%20b"sv, "xn--e1afmkfd"sv, "a+b"sv}) {
    BOOST_TEST_CONTEXT(authority) BOOST_TEST(is_valid_authority(authority));
  }
  for (const auto authority : {""sv,
                               ":80"sv,
                               "a b"sv,
                               "a/b"sv,
                               "u@a"sv,
                               "a:65536"sv,
                               "a:99999999999999999999"sv,
                               "a:-1"sv,
                               "a:8 "sv,
                               "a:80:80"sv,
                               "::1"sv,
                               "[::1"sv,
                               "::1]"sv,
                               "[]"sv,
                               "[:::1]"sv,
                               "[::1]80"sv,
                               "[::1]x:80"sv,
                               "[1.2.3.4]"sv,
                               "[fe80::1%25eth0]"sv,
                               "[::1\0]"sv,
                               "a%2"sv,
                               "a%zz"sv,
                               "a#b"sv,
                               "a?b"sv,
                               "a\\b"sv,
                               "\xc3\xa9"sv,
                               "a\0"sv,
                               "a\"b"sv,
                               "<a>"sv,
                               "[v1.a]"sv,
                               "a[b]"sv}) {
    BOOST_TEST_CONTEXT(authority) BOOST_TEST(!is_valid_authority(authority));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
