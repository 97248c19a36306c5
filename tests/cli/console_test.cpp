// SPDX-License-Identifier: Apache-2.0
// What the command line makes of text: targets, names, keys of hostile clients, numbers, filters.
#include "proxy/cli/console.h"

#include <boost/test/unit_test.hpp>

#include "proxy/admin/session_filter.h"
#include "proxy/cli/admin_client.h"
#include "proxy/cli/backend_name.h"

namespace limpet::cli {

using admin::filter_from_query;
using admin::filter_to_query;
using admin::matches_everything;
using admin::PoolStatus;
using admin::SessionFilter;
using std::chrono::milliseconds;

BOOST_AUTO_TEST_SUITE(command_line_text)

BOOST_AUTO_TEST_CASE(targets_are_unix_paths_or_http_with_a_port) {
  BOOST_TEST(parse_admin_target("unix:/a b").value().address == "unix:/a b");
  BOOST_TEST(parse_admin_target("http://localhost:9901/").value().authority == "localhost:9901");
  BOOST_TEST(parse_admin_target("http://[::1]:9901").value().address == "[::1]:9901");
  for (const char* bad : {"", "unix:", "http://localhost", "http://:9901", "http://a:1/x", "https://a:1",
                          "http://u@a:1", "/run/limpet/admin.sock", "http://a:"}) {
    BOOST_TEST(!parse_admin_target(bad).ok(), bad);
  }
}

BOOST_AUTO_TEST_CASE(names_may_contain_slashes_and_the_full_name_wins) {
  std::vector<PoolStatus> pools(2);
  pools[0].name = "a";
  pools[0].backends.resize(2);
  pools[0].backends[0].name = "b/c";
  pools[0].backends[1].name = "unix:/tmp/x";
  pools[1].name = "a/b";
  pools[1].backends.resize(1);
  pools[1].backends[0].name = "d";
  BOOST_TEST((resolve_backend(pools, "a/b/c").value() == BackendName{"a", "b/c"}));
  BOOST_TEST((resolve_backend(pools, "unix:/tmp/x").value() == BackendName{"a", "unix:/tmp/x"}));
  BOOST_TEST((resolve_backend(pools, "a/b/d").value() == BackendName{"a/b", "d"}));
  BOOST_TEST(resolve_backends(pools, {"d", "a/b/d", "d"}).value().size() == 1U);
}

BOOST_AUTO_TEST_CASE(control_bytes_and_invalid_utf8_are_escaped) {
  BOOST_TEST(printable("caf\xC3\xA9 \xE2\x9C\x93 \xF0\x9F\x90\x9A") == "caf\xC3\xA9 \xE2\x9C\x93 \xF0\x9F\x90\x9A");
  BOOST_TEST(printable("\x1b]0;x\x07") == "\\x1b]0;x\\x07");
  BOOST_TEST(printable("a\nb\x7f") == "a\\x0ab\\x7f");
  BOOST_TEST(printable("\xC3") == "\\xc3");
  BOOST_TEST(printable("\xC0\xAF") == "\\xc0\\xaf");
  BOOST_TEST(printable("\xC2\x9B") == "\\xc2\\x9b");           // a CSI in one character
  BOOST_TEST(printable("\xE2\x80\xAE") == "\\xe2\\x80\\xae");  // right-to-left override
  BOOST_TEST(printable("\xED\xA0\x80") == "\\xed\\xa0\\x80");  // a surrogate
}

BOOST_AUTO_TEST_CASE(numbers_and_times_read_well) {
  BOOST_TEST(grouped(0) == "0");
  BOOST_TEST(grouped(999) == "999");
  BOOST_TEST(grouped(1234567) == "1,234,567");
  BOOST_TEST(counted(1, "session") == "1 session");
  BOOST_TEST(rough_duration(0) == "0s");
  BOOST_TEST(rough_duration(0.42) == "0.4s");
  BOOST_TEST(rough_duration(9.97) == "10s");
  BOOST_TEST(rough_duration(59.7) == "1m");
  BOOST_TEST(rough_duration(184) == "3m 4s");
  BOOST_TEST(rough_duration(7500) == "2h 5m");
  BOOST_TEST(rough_duration(90000) == "1d 1h");
  BOOST_TEST(rough_bytes(1023) == "1023");
  BOOST_TEST(rough_bytes(1536) == "1.5K");
  BOOST_TEST(rough_bytes(1048575) == "1.0M");
}

BOOST_AUTO_TEST_CASE(filters_survive_the_way_through_a_query) {
  SessionFilter filter;
  filter.key = "a&b=c%20+\xC3\xA9";
  filter.backend = "unix:/x";
  filter.min_idle = milliseconds(250);
  const auto read = filter_from_query(filter_to_query(filter).substr(1));
  BOOST_REQUIRE(read.ok());
  BOOST_TEST(read.value().key == filter.key);
  BOOST_TEST(read.value().backend == filter.backend);
  BOOST_TEST(read.value().min_idle.count() == 250);
  BOOST_TEST(!matches_everything(read.value()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::cli
