// SPDX-License-Identifier: Apache-2.0
// Reading a configuration as a whole: the checks across tables, syntax errors, files, places, how a problem looks, and
// what command-line flags mean. Mistakes within one line are in mistakes_test.cpp.
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/config/document.h"

namespace limpet::config {

namespace {

// A file that is gone with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    char path[] = "/tmp/limpet-config-test-XXXXXX";
    const int fd = mkstemp(path);
    BOOST_REQUIRE(fd >= 0);
    close(fd);
    path_ = path;
    std::ofstream(path_) << content;
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(the_document_of_these_tests_is_right) {
  const ConfigResult result = Document().parse();
  BOOST_TEST(result.problems.empty());
  BOOST_REQUIRE(result.settings);
}

BOOST_AUTO_TEST_CASE(names_addresses_and_routes_may_not_occur_twice) {
  Document document;
  document.set("listener", "address = \"127.0.0.1:8080\"")
      .add({"[[pool.backend]]",   "name = \"chat-1\"", "address = \"127.0.0.1:9002\"",                         // 22
            "[[pool]]",           "name = \"chat\"",   "backend = [{ name = \"chat-1\", address = \":1\" }]",  // 25
            "[[listener]]",       "name = \"web\"",    "address = [\":9090\", \"127.0.0.1:8080\"]",            // 28
            "[[route]]",          "pool = \"chat\"",   "host = \"A.example\"",                                 // 31
            "[[route]]",          "pool = \"chat\"",   "host = \"a.example\"",                                 // 34
            "[[route]]",          "pool = \"chat\"",   "host = \"a.example\"",
            "listener = \"web\"",  // 37
            "[[route]]",          "pool = \"chat\"",   "host = \"a.example\"",
            "path = \"/b\""});  // 41
  check_equal(problems(document.parse()), {
                                              "23: duplicate backend 'chat-1' in pool 'chat', first in line 20",
                                              "26: duplicate pool 'chat', first in line 15",
                                              "29: duplicate listener 'web', first in line 5",
                                              "30: duplicate address '127.0.0.1:8080', first in line 6",
                                              "34: duplicate route: host 'a.example', path '/', first in line 31",
                                          });
  check_mistakes(
      {{"listener", "address = [\"127.0.0.1:81\", \"127.0.0.1:81\"]", "duplicate address '127.0.0.1:81'", 28}});
  BOOST_TEST(Document().set("listener", "address = [\"127.0.0.1:0\", \"127.0.0.1:0\"]").parse().problems.empty());
  check_equal(problems(Document()
                           .set("admin", "address = \"127.0.0.1:81\"")
                           .set("listener", "address = [\"127.0.0.1:81\", \"unix:/run/limpet/admin.sock\"]")
                           .parse()),
              {"7: duplicate address '127.0.0.1:81', first in line 3",
               "7: duplicate address 'unix:/run/limpet/admin.sock', first in line 2"});
}

BOOST_AUTO_TEST_CASE(what_is_referred_to_exists) {
  check_mistakes({
      {"route", "pool = \"chatt\"", "unknown pool 'chatt', did you mean 'chat'?"},
      {"route", "pool = \"other\"", "unknown pool 'other', expected the name of a [[pool]]"},
      {"route", "pool = \"\"", "'pool': expected the name of a [[pool]], found \"\""},
      {"route", "listener = \"tls\"", "unknown listener 'tls', expected the name of a [[listener]]"},
      {"listener", "pool = \"chats\"", "unknown pool 'chats', did you mean 'chat'?"},
  });
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_named) {
  check_equal(problems(parse_config("", "x")),
              {"1: no listener, expected at least one [[listener]]", "1: no pool, expected at least one [[pool]]"});
  check_equal(problems(parse_config("listener = []\npool = []\n", "x")),
              {"1: no listener, expected at least one [[listener]]", "1: no pool, expected at least one [[pool]]"});
  check_equal(
      problems(Document()
                   .remove("listener", "name")
                   .remove("listener", "address")
                   .remove("route", "pool")
                   .remove("pool.backend", "name")
                   .remove("pool.backend", "address")
                   .parse()),
      {"4: 'name' is missing in [listener]", "4: 'address' is missing in [listener]", "6: 'pool' is missing in [route]",
       "16: 'name' is missing in [pool.backend]", "16: 'address' is missing in [pool.backend]"});
  check_equal(problems(Document().add({"[[pool]]", "name = \"empty\""}).parse()),
              {"22: pool 'empty' has no backend, expected at least one [[pool.backend]]"});
}

BOOST_AUTO_TEST_CASE(every_problem_is_reported_in_the_order_of_the_file) {
  const ConfigResult result = Document()
                                  .set("pool.backend", "weight = 0")
                                  .set("pool.health", "rise = 0")
                                  .set("route", "pool = \"x\"")
                                  .set("log", "level = \"x\"")
                                  .set("log", "a = 1")
                                  .set("proxy", "workers = -1")
                                  .parse();
  std::vector<unsigned> lines;
  for (const Problem& problem : result.problems) lines.push_back(problem.line);
  BOOST_TEST(lines == (std::vector<unsigned>{2, 5, 6, 12, 22, 24}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_first_syntax_error_has_its_place) {
  const ConfigResult result = parse_config("[log]\nlevel = \"info\nformat = 1\n", "bad.toml");
  BOOST_TEST(!result.settings);
  BOOST_REQUIRE_EQUAL(result.problems.size(), 1U);
  BOOST_TEST(result.problems[0].what.starts_with("not valid TOML: "), result.problems[0].what);
  BOOST_TEST(result.problems[0].line == 2U);
  BOOST_TEST(result.problems[0].column == 14U);
  BOOST_TEST(result.problems[0].source == "level = \"info");
  for (const char* text :
       {"a", "a = ", "[a", "a = 1\na = 2", "a = 99999999999999999999", "a = \"\xff\"", "[[a]]\n[a]"}) {
    const ConfigResult bad = parse_config(text, "x");
    BOOST_REQUIRE_EQUAL(bad.problems.size(), 1U);
    BOOST_TEST(bad.problems[0].line >= 1U, text);
  }
}

BOOST_AUTO_TEST_CASE(columns_count_bytes_and_line_ends_do_not_count) {
  const ConfigResult result =
      parse_config("\xef\xbb\xbfproxy = { pid_file = \"h\xc3\xa4h\xc3\xa4\", x = 1 }\r\nlog = 1\r\n", "x");
  BOOST_REQUIRE_GE(result.problems.size(), 2U);
  BOOST_TEST(result.problems[2].what.starts_with("unknown key 'x'"), result.problems[2].what);
  BOOST_TEST(result.problems[2].column == 32U);
  BOOST_TEST(result.problems[2].source == "proxy = { pid_file = \"h\xc3\xa4h\xc3\xa4\", x = 1 }");
  BOOST_TEST(result.problems[3].source == "log = 1");
}

BOOST_AUTO_TEST_CASE(a_cookie_may_be_switched_off_or_written_inline) {
  const std::string head =
      "[[listener]]\nname = \"w\"\naddress = \":0\"\n[[pool]]\nname = \"p\"\n"
      "backend = [{ name = \"b\", address = \"127.0.0.1:1\" }]\n[pool.affinity]\ncookie = ";
  const ConfigResult off = parse_config(head + "false\n", "x");
  BOOST_REQUIRE(off.settings);
  BOOST_TEST(!off.settings->pools[0]->cookie.enabled);
  const ConfigResult inline_table =
      parse_config(head + "{ name = \"home\", secure = true, same_site = \"none\" }\n", "x");
  BOOST_REQUIRE(inline_table.settings);
  BOOST_TEST(inline_table.settings->pools[0]->cookie.enabled);
  BOOST_TEST(inline_table.settings->pools[0]->cookie.name == "home");
  BOOST_TEST((inline_table.settings->pools[0]->cookie.secure == session::SessionCookie::Secure::Always));
  check_equal(problems(parse_config(head + "true\n", "x")),
              {"8: 'cookie': expected false or a table such as { name = \"limpet\" }, found true"});
  const ConfigResult dropped = parse_config(head + "{ same_site = \"none\", secure = false }\n", "x");
  check_equal(
      problems(dropped),
      {"8: 'same_site': browsers drop a cookie of \"none\" with secure = false, expected secure = \"auto\" or true"});
}

BOOST_AUTO_TEST_CASE(sub_tables_belong_to_the_last_element_and_routes_keep_their_order) {
  const ConfigResult result =
      Document()
          .add({"[[route]]", "pool = \"chat\"", "path = \"/a\"", "[route.websocket]", "drain_code = 1001", "[[route]]",
                "pool = \"chat\"", "host = \"*.Example.com\""})
          .parse();
  check_equal(problems(result), {});
  const auto& routes = result.settings->routes;
  BOOST_REQUIRE_EQUAL(routes.size(), 3U);
  BOOST_TEST(routes[0]->websocket.drain_code == 1012);
  BOOST_TEST(routes[1]->path == "/a");
  BOOST_TEST(routes[1]->websocket.drain_code == 1001);
  BOOST_TEST(routes[2]->host == "*.example.com");
  BOOST_TEST(routes[2]->websocket.drain_code == 1012);
}

BOOST_AUTO_TEST_CASE(an_admin_address_beyond_loopback_needs_a_token) {
  check_mistakes(
      {{"admin", "address = \"0.0.0.0:9901\"", "admin.address '0.0.0.0:9901' is not loopback, expected a token_file"}});
  BOOST_TEST(Document().set("admin", "address = \"127.0.0.1:9901\"").parse().problems.empty());
  const TemporaryFile token("  s3cret\n");
  const ConfigResult result =
      Document().set("admin", "address = \":9901\"").set("admin", "token_file = \"" + token.path() + "\"").parse();
  check_equal(problems(result), {});
  BOOST_TEST(result.settings->admin.token == "s3cret");
  BOOST_TEST(result.settings->admin.address == ":9901");
}

BOOST_AUTO_TEST_CASE(a_token_file_is_readable_and_holds_one_token) {
  const TemporaryFile blank(" \n\t\n");
  const TemporaryFile two("one two\n");
  const TemporaryFile large(std::string(5000, 'a'));
  check_mistakes({
      {"admin", "token_file = \"/nonexistent/token\"",
       "'token_file': cannot read \"/nonexistent/token\": No such file"},
      {"admin", "token_file = \"/tmp\"", "'token_file': cannot read \"/tmp\": Is a directory"},
      {"admin", "token_file = \"" + blank.path() + "\"", "'token_file': expected one token of printable characters in"},
      {"admin", "token_file = \"" + two.path() + "\"", "'token_file': expected one token of printable characters in"},
      {"admin", "token_file = \"" + large.path() + "\"", "'token_file': expected one token of printable characters in"},
      {"admin", "token_file = 3",
       "'token_file': expected the path of a file with the token, or \"\" for none, found 3"},
  });
  // One mistake, one problem.
  const ConfigResult result =
      Document().set("admin", "address = \":9901\"").set("admin", "token_file = \"/nonexistent\"").parse();
  BOOST_TEST(result.problems.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_told_from_a_bad_one) {
  const ConfigResult missing = load_config("/nonexistent/limpet.toml");
  BOOST_TEST(missing.unreadable);
  BOOST_REQUIRE_EQUAL(missing.problems.size(), 1U);
  BOOST_TEST(render(missing.problems[0], false) ==
             "/nonexistent/limpet.toml: error: cannot be read: No such file or directory\n");
  const ConfigResult directory = load_config("/tmp");
  BOOST_TEST(directory.unreadable);
  BOOST_TEST(!directory.settings);
  const TemporaryFile bad("workers = 1\n");
  const ConfigResult result = load_config(bad.path());
  BOOST_TEST(!result.unreadable);
  BOOST_TEST(result.problems.size() == 3U);
  BOOST_TEST(result.problems[0].file == bad.path());
}

BOOST_AUTO_TEST_CASE(a_problem_is_rendered_with_its_line_and_a_caret_below_the_character) {
  const Problem plain{"a.toml", 3, 5, "bad", "x = 1"};
  BOOST_TEST(render(plain, false) == "a.toml:3:5: error: bad\n    x = 1\n        ^\n");
  BOOST_TEST(
      render(plain, true) ==
      "\033[1ma.toml:3:5: \033[0m\033[1;31merror: \033[0m\033[1mbad\033[0m\n    x = 1\n        \033[1;31m^\033[0m\n");
  const Problem tabs{"a.toml", 3, 4, "bad", "\ta\tb\033"};
  BOOST_TEST(render(tabs, false) == "a.toml:3:4: error: bad\n        a   b?\n            ^\n");
  const Problem umlauts{"a.toml", 3, 8, "bad", "\xc3\xa4\xc3\xb6 = y"};
  BOOST_TEST(render(umlauts, false) == "a.toml:3:8: error: bad\n    \xc3\xa4\xc3\xb6 = y\n         ^\n");
  const Problem behind{"a.toml", 1, 9, "bad", "x ="};
  BOOST_TEST(render(behind, false) == "a.toml:1:9: error: bad\n    x =\n       ^\n");
  const Problem nowhere{"command line", 0, 0, "bad", ""};
  BOOST_TEST(render(nowhere, false) == "command line: error: bad\n");
}

BOOST_AUTO_TEST_CASE(flags_make_one_pool_behind_one_listener) {
  const ConfigResult result = config_from_flags(
      {"127.0.0.1:8080", ":0"}, {"127.0.0.1:9001,127.0.0.1:9002", "unix:/tmp/b"}, {"header:X-User-Id,cookie:sid"});
  check_equal(problems(result), {});
  const session::Settings& settings = *result.settings;
  BOOST_REQUIRE_EQUAL(settings.listeners.size(), 1U);
  BOOST_REQUIRE_EQUAL(settings.listeners[0].addresses.size(), 2U);
  BOOST_TEST(settings.listeners[0].addresses[0].text() == "127.0.0.1:8080");
  BOOST_TEST(settings.listeners[0].addresses[1].text() == "0.0.0.0:0");
  BOOST_REQUIRE_EQUAL(settings.pools.size(), 1U);
  const auto& pool = *settings.pools[0];
  BOOST_REQUIRE_EQUAL(pool.backends.size(), 3U);
  BOOST_TEST(pool.backends[1].name == "127.0.0.1:9002");
  BOOST_TEST(pool.backends[1].address.text() == "127.0.0.1:9002");
  BOOST_TEST(pool.backends[2].address.unix_path() == "/tmp/b");
  BOOST_REQUIRE_EQUAL(pool.keys.size(), 2U);
  BOOST_TEST(pool.keys[1].name == "sid");
  BOOST_REQUIRE_EQUAL(settings.routes.size(), 1U);
  BOOST_TEST(settings.routes[0]->path == "/");
  BOOST_TEST(settings.routes[0]->pool == pool.name);
}

BOOST_AUTO_TEST_CASE(bad_flags_are_problems_without_a_place) {
  check_equal(problems(config_from_flags({}, {":1"}, {})), {"0: expected at least one address after --listen"});
  check_equal(problems(config_from_flags({":1"}, {","}, {})), {"0: expected at least one address after --to"});
  check_equal(problems(config_from_flags({"x"}, {"127.0.0.1:0", "127.0.0.1:1,127.0.0.1:1"}, {"sid", "sni"})),
              {"0: bad address 'x': expected host:port, [v6]:port, :port or unix:/path",
               "0: 'keys': expected cookie:NAME, header:NAME, query:NAME, path:N (from 1), jwt:CLAIM, subprotocol or "
               "client_ip, "
               "found \"sid\"",
               "0: 'keys': \"sni\" is not available in this version",
               "0: 'address': expected a port from 1 to 65535 to connect to, found \"127.0.0.1:0\"",
               "0: duplicate backend '127.0.0.1:1' in pool 'default'"});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::config
