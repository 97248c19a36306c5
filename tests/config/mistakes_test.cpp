// SPDX-License-Identifier: Apache-2.0
// Mistakes within one line, by tables: each is alone in a document that is right otherwise, and is reported once, at
// its place, with what was expected. Also what this version lacks.
#include <boost/test/unit_test.hpp>

#include "tests/config/document.h"

namespace limpet::config {

BOOST_AUTO_TEST_SUITE(config_mistakes)

BOOST_AUTO_TEST_CASE(an_unknown_key_is_a_problem_with_the_nearest_known_one) {
  check_mistakes({
      {"admin", "adress = \"\"", "unknown key 'adress', did you mean 'address'?", 1},
      {"proxy", "  worker = 1", "unknown key 'worker', did you mean 'workers'?", 3},
      {"proxy", "max-keys = 1", "unknown key 'max-keys', did you mean 'max_keys'?", 1},
      {"log", "LEVEL = 1", "unknown key 'LEVEL', did you mean 'level'?", 1},
      {"log", "leevl = 1", "unknown key 'leevl', did you mean 'level'?", 1},
      {"listener", "protocl = \"http\"", "unknown key 'protocl', did you mean 'protocol'?", 1},
      {"log", "colour = true", "unknown key 'colour' in [log]", 1},
      {"route", "ping_interval = \"1s\"", "unknown key 'ping_interval' in [route], it belongs in [route.websocket]", 1},
      {"pool.affinity.cookie", "domain = \"x\"", "unknown key 'domain' in [pool.affinity.cookie]", 1},
  });
  check_equal(problems(parse_config("[[listeners]]\n" + Document().text(), "x")),
              {"1: unknown key 'listeners', did you mean 'listener'?"});
  check_equal(problems(parse_config("verbose = true\n" + Document().text(), "x")),
              {"1: unknown key 'verbose' in the configuration"});
}

BOOST_AUTO_TEST_CASE(a_value_of_the_wrong_type_says_what_was_expected_and_found) {
  check_mistakes({
      {"proxy", "workers = \"2\"", "'workers': expected a whole number from 0 to 1024, found \"2\""},
      {"proxy", "workers = 2.5", "'workers': expected a whole number from 0 to 1024, found 2.5"},
      {"proxy", "drain_over = 30",
       "'drain_over': expected a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\", found 30"},
      {"proxy", "memory_budget = 0",
       "'memory_budget': expected a size such as \"512B\", \"64KiB\", \"1MiB\" or \"0\", found 0"},
      {"proxy", "pid_file = true", "'pid_file': expected a string, found true"},
      {"admin", "metrics_public = \"no\"", "'metrics_public': expected true or false, found \"no\""},
      {"admin", "socket = []", "'socket': expected a path such as"},
      {"log", "level = 1979-05-27",
       "'level': expected \"debug\", \"info\", \"warn\" or \"error\", found a date or time"},
      {"listener", "address = 8080",
       "'address': expected an address (host:port, [v6]:port, :port or unix:/path), found 8080"},
      {"listener", "trusted_proxies = \"10.0.0.1\"", "'trusted_proxies': expected a list of address blocks"},
      {"pool.affinity", "keys = \"cookie:sid\"", "'keys': expected a list of key sources"},
      {"pool", "load_factor = \"1.25\"",
       "'load_factor': expected 0 (off) or a number from 1 to 100, such as 1.25, found \"1.25\""},
  });
  check_equal(problems(parse_config("proxy = 1\n" + Document().text().substr(8), "x")),
              {"1: 'proxy': expected a table, found 1"});
  check_equal(
      problems(parse_config("listener = 1\npool = [2]\n", "x")),
      {"1: 'listener': expected an array of tables, [[listener]], found 1", "2: 'pool': expected a table, found 2"});
  check_equal(
      problems(parse_config(
          "[listener]\nname = \"a\"\n[[pool]]\nname = \"p\"\nbackend = [{ name = \"b\", address = \":1\" }, 3]\n",
          "x")),
      {"1: 'listener': expected an array of tables, [[listener]], found a table",
       "5: 'backend': expected a table, found 3"});
}

BOOST_AUTO_TEST_CASE(a_value_out_of_range_says_what_the_range_is) {
  check_mistakes({
      {"proxy", "workers = -1", "'workers': expected a whole number from 0 to 1024, found -1"},
      {"proxy", "workers = 1025", "'workers': expected a whole number from 0 to 1024, found 1025"},
      {"proxy", "max_sessions = -1", "'max_sessions': expected a whole number of at least 0, found -1"},
      {"proxy", "max_keys = 0", "'max_keys': expected a whole number of at least 1, found 0"},
      {"proxy", "drain_over = \"30 s\"", "'drain_over': expected a duration"},
      {"proxy", "drain_over = \"-1s\"", "'drain_over': expected a duration"},
      {"proxy", "memory_budget = \"1MB\"", "'memory_budget': expected a size"},
      {"listener", "keepalive_timeout = \"0s\"",
       "'keepalive_timeout': expected a duration of more than 0, found \"0s\""},
      {"listener.limits", "ipv6_prefix = 0", "'ipv6_prefix': expected a whole number from 1 to 128, found 0"},
      {"listener.limits", "ipv6_prefix = 129", "'ipv6_prefix': expected a whole number from 1 to 128"},
      {"listener.limits", "sessions = 4294967296", "'sessions': expected a whole number from 0 to 4294967295"},
      {"listener", "mode = \"0999\"",
       "'mode': expected an octal string from \"0000\" to \"0777\", such as \"0660\", found \"0999\""},
      {"listener", "mode = \"1000\"", "'mode': expected an octal string"},
      {"listener", "mode = \"\"", "'mode': expected an octal string"},
      {"listener", "mode = 660", "'mode': expected an octal string"},
      {"pool", "load_factor = 0.5", "'load_factor': expected 0 (off) or a number from 1 to 100"},
      {"pool", "load_factor = 101", "'load_factor': expected 0 (off) or a number from 1 to 100"},
      {"pool", "load_factor = nan", "'load_factor': expected 0 (off) or a number from 1 to 100"},
      {"pool", "load_factor = inf", "'load_factor': expected 0 (off) or a number from 1 to 100"},
      {"pool", "hash_seed = -1", "'hash_seed': expected a whole number of at least 0"},
      {"pool", "keepalive_connections = 65536", "'keepalive_connections': expected a whole number from 0 to 65535"},
      {"pool.health", "rise = 0", "'rise': expected a whole number from 1 to"},
      {"pool.health", "fall = 0", "'fall': expected a whole number from 1 to"},
      {"pool.health", "interval = \"0s\"", "'interval': expected a duration of more than 0"},
      {"pool.health", "timeout = \"0ms\"", "'timeout': expected a duration of more than 0"},
      {"pool.backend", "weight = 0", "'weight': expected a whole number from 1 to 256, found 0"},
      {"pool.backend", "weight = 257", "'weight': expected a whole number from 1 to 256, found 257"},
      {"route.http", "high_water = \"0\"", "'high_water': expected a size of at least 1B, found \"0\""},
      {"route.http", "max_head = \"255B\"", "'max_head': expected a size of at least 256B"},
      {"route.websocket", "drain_code = 999", "'drain_code': expected a close code that may be sent"},
      {"pool.health", "host = \"a b\"", "'host': expected a host"},
      {"pool.health", "host = \"a\\r\\nX: y\"", "'host': expected a host"},
      {"route.websocket", "crash_code = 1015", "'crash_code': expected a close code that may be sent"},
      {"route.websocket", "drain_code = 1005", "'drain_code': expected a close code that may be sent"},
      {"route.websocket", "drain_code = 1006", "'drain_code': expected a close code that may be sent"},
      {"route.websocket", "drain_code = 1015", "'drain_code': expected a close code that may be sent"},
      {"route.websocket", "drain_code = 2999", "'drain_code': expected a close code that may be sent"},
      {"route.websocket", "drain_code = 5000", "'drain_code': expected a close code that may be sent"},
      {"route.websocket", "drain_code = 68548", "'drain_code': expected a close code that may be sent"},
  });
  for (const char* line :
       {"drain_code = 1001", "drain_code = 1012", "drain_code = 1013", "drain_code = 3000", "drain_code = 4999"}) {
    BOOST_TEST(Document().set("route.websocket", line).parse().problems.empty(), line);
  }
  for (const char* line : {"load_factor = 0", "load_factor = 1", "load_factor = 1.25", "load_factor = 100.0"}) {
    BOOST_TEST(Document().set("pool", line).parse().problems.empty(), line);
  }
}

BOOST_AUTO_TEST_CASE(a_text_of_the_wrong_form_says_which_form_was_expected) {
  const std::string long_name(129, 'a');
  check_mistakes({
      {"log", "level = \"loud\"", "'level': expected \"debug\", \"info\", \"warn\" or \"error\", found \"loud\""},
      {"log", "format = \"xml\"", "'format': expected \"text\" or \"json\", found \"xml\""},
      {"log", "access = \"on\"", "'access': expected \"off\", \"stdout\" or a path"},
      {"admin", "socket = \"unix:/x\"", "'socket': expected a path such as \"/run/limpet/admin.sock\" (without unix:)"},
      {"admin", "address = \"9901\"", "bad address '9901': expected host:port"},
      {"listener", "name = \"\"", "'name': expected a name of 1 to 128 printable characters without '/', found \"\""},
      {"listener", "name = \"a\\tb\"", "'name': expected a name"},
      {"listener", "address = \"127.0.0.1\"",
       "bad address '127.0.0.1': expected host:port, [v6]:port, :port or unix:/path"},
      {"listener", "address = \"127.0.0.1:99999\"", "bad address '127.0.0.1:99999': the port"},
      {"listener", "address = \"::1:80\"", "bad address '::1:80': an IPv6 address needs brackets"},
      {"listener", "address = []", "'address': expected at least one address, found an empty list"},
      {"listener", "address = [\"127.0.0.1:0\", \"x\"]", "bad address 'x'", 27},
      {"listener", "trusted_proxies = [\"10.0.0.0/33\"]", "'trusted_proxies': expected an address or a block", 20},
      {"route", "host = \"a.example:80\"",
       "'host': expected a host such as \"chat.example.com\" or \"*.example.com\", without a port"},
      {"route", "host = \"*\"", "'host': expected a host"},
      {"route", "host = \"*.\"", "'host': expected a host"},
      {"route", "host = \"a.*.example\"", "'host': expected a host"},
      {"route", "host = \"*example.com\"", "'host': expected a host"},
      {"route", "host = \"http://a.example\"", "'host': expected a host"},
      {"route", "path = \"chat\"", "'path': expected a normalised path that begins with '/'"},
      {"route", "path = \"\"", "'path': expected a normalised path"},
      {"route", "path = \"/a/../b\"", "'path': expected a normalised path"},
      {"route", "path = \"/a//b\"", "'path': expected a normalised path"},
      {"route", "path = \"/a?b\"", "'path': expected a normalised path"},
      {"route.websocket", "allowed_origins = [\"https://a.*.example\"]", "'allowed_origins': expected an origin", 20},
      {"route.websocket", "allowed_origins = [\"app.example\"]", "'allowed_origins': expected an origin", 20},
      {"route.websocket", "allowed_origins = [\"https://a.example/\"]", "'allowed_origins': expected an origin", 20},
      {"pool.backend", "name = \"a/b\"", "'name': expected a name"},
      {"pool", "algorithm = \"rings\"",
       "'algorithm': expected \"ring\", \"maglev\" or \"rendezvous\", found \"rings\""},
      {"pool", "balance = \"random\"", "'balance': expected \"least_sessions\" or \"round_robin\""},
      {"pool.affinity", "keys = [\"cookie:sid\", \"path:0\"]",
       "'keys': expected cookie:NAME, header:NAME, query:NAME, path:N", 23},
      {"pool.affinity", "keys = [\"header:X Y\"]", "'keys': expected cookie:NAME", 9},
      {"pool.affinity", "keys = [3]", "'keys': expected cookie:NAME", 9},
      {"pool.affinity", "learn = [\"query:sid\"]", "'learn': expected engine.io, header:NAME or cookie:NAME", 10},
      {"pool.affinity.cookie", "name = \"a b\"", "'name': expected a cookie's name (a token), found \"a b\""},
      {"pool.affinity.cookie", "path = \"a\"", "'path': expected a path that begins with '/'"},
      {"pool.affinity.cookie", "path = \"/;a\"", "'path': expected a path that begins with '/'"},
      {"pool.affinity.cookie", "same_site = \"Lax\"", "'same_site': expected \"lax\", \"strict\" or \"none\""},
      {"pool.affinity.cookie", "secure = \"yes\"", "'secure': expected \"auto\", true or false, found \"yes\""},
      {"pool.health", "check = \"ping\"", "'check': expected \"tcp\", \"http\" or \"none\", found \"ping\""},
      {"pool.health", "path = \"healthz\"", "'path': expected a path that begins with '/'"},
      {"pool.backend", "name = \"" + long_name + "\"",
       "'name': expected a name of 1 to 128 printable characters without '/', found a string of 129 bytes"},
      {"pool.backend", "address = \"127.0.0.2:0\"", "'address': expected a port from 1 to 65535 to connect to"},
  });
}

BOOST_AUTO_TEST_CASE(what_this_version_lacks_is_refused_and_never_ignored) {
  check_mistakes({
      {"listener", "protocol = \"mqtt\"", "'protocol' = \"mqtt\" is not available in this version", 1},
      {"listener", "proxy_protocol = true", "'proxy_protocol' = true is not available in this version", 1},
      {"listener", "proxy_protocol_timeout = \"4s\"", "'proxy_protocol_timeout' = \"4s\" is not available", 1},
      {"listener", "h2c = true", "'h2c' = true is not available in this version", 1},
      {"listener", "h2c = \"false\"", "'h2c' = \"false\" is not available in this version", 1},
      {"listener", "tls = {}", "[listener.tls] is not available in this version", 1},
      {"route.websocket", "max_message = \"1MiB\"", "'max_message' = \"1MiB\" is not available in this version", 1},
      {"route.websocket", "max_frame = \"1MiB\"", "'max_frame' = \"1MiB\" is not available in this version", 1},
      {"route.websocket", "messages_per_second = 5", "'messages_per_second' = 5 is not available in this version", 1},
      {"route.websocket", "resume = true", "'resume' = true is not available in this version", 1},
      {"route.sse", "resume = true", "'resume' = true is not available in this version", 1},
      {"route.sse", "resume_timeout = \"1s\"", "'resume_timeout' = \"1s\" is not available in this version", 1},
      {"pool", "on_ring_change = \"migrate\"", "'on_ring_change' = \"migrate\" is not available in this version", 1},
      {"pool", "migrate_over = \"1m\"", "'migrate_over' = \"1m\" is not available in this version", 1},
      {"pool", "handshake_rate = 5", "'handshake_rate' = 5 is not available in this version", 1},
      {"pool", "handshake_queue = 5", "'handshake_queue' = 5 is not available in this version", 1},
      {"pool", "send_proxy_protocol = \"v2\"", "'send_proxy_protocol' = \"v2\" is not available in this version", 1},
      {"pool", "tls = { ca = \"x\" }", "[pool.tls] is not available in this version", 1},
      {"pool", "mqtt = {}", "[pool.mqtt] is not available in this version", 1},
      {"pool", "stomp = { error = false }", "[pool.stomp] is not available in this version", 1},
      {"pool", "discovery = {}", "[pool.discovery] is not available in this version", 1},
      {"pool.health", "check = \"mqtt\"", "'check': \"mqtt\" is not available in this version"},
      {"pool.health", "check = \"amqp\"", "'check': \"amqp\" is not available in this version"},
      {"pool.health", "check = \"stomp\"", "'check': \"stomp\" is not available in this version"},
      {"pool.affinity", "keys = [\"sni\"]", "'keys': \"sni\" is not available in this version", 9},
      {"pool.affinity", "keys = [\"tls:subject\"]", "'keys': \"tls:subject\" is not available in this version", 9},
      {"pool.affinity", "keys = [\"mqtt:client_id\"]", "'keys': \"mqtt:client_id\" is not available in this version",
       9},
      {"pool.affinity", "keys = [\"stomp:login\"]", "'keys': \"stomp:login\" is not available in this version", 9},
      {"pool.affinity", "keys = [\"amqp:vhost\"]", "'keys': \"amqp:vhost\" is not available in this version", 9},
  });
}

BOOST_AUTO_TEST_CASE(what_this_version_lacks_may_be_written_with_its_default) {
  const ConfigResult result = Document()
                                  .set("proxy", "io = \"epoll\"")
                                  .set("listener", "protocol = \"http\"")
                                  .set("listener", "proxy_protocol = false")
                                  .set("listener", "proxy_protocol_timeout = \"3000ms\"")
                                  .set("listener", "h2c = false")
                                  .set("route.websocket", "max_message = \"0\"")
                                  .set("route.websocket", "max_frame = \"0B\"")
                                  .set("route.websocket", "messages_per_second = 0")
                                  .set("route.websocket", "resume = false")
                                  .set("route.sse", "resume = false")
                                  .set("route.sse", "resume_timeout = \"10s\"")
                                  .set("pool", "on_ring_change = \"hold\"")
                                  .set("pool", "migrate_over = \"5m\"")
                                  .set("pool", "handshake_rate = 0")
                                  .set("pool", "handshake_queue = 1024")
                                  .set("pool", "send_proxy_protocol = \"off\"")
                                  .parse();
  check_equal(problems(result), {});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::config
