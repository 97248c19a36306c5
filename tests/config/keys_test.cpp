// SPDX-License-Identifier: Apache-2.0
// Every key of the configuration by name: it reaches its own member of Settings and no other, its absence leaves the
// default, and conf/limpet.toml shows it with that default. A new key that is missing in one of the three places fails
// here.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/config/document.h"

namespace limpet::config {

namespace {

using Values = std::map<std::string, std::string>;  // by dotted key

std::string as_text(const std::string& value) {
  return value;
}
std::string as_text(bool value) {
  return value ? "true" : "false";
}
std::string as_text(std::chrono::milliseconds value) {
  return duration_text(value);
}
std::string as_text(double value) {
  return std::to_string(value);
}
template <typename E>
requires std::is_enum_v<E> std::string as_text(E value) {
  return "#" + std::to_string(static_cast<int>(value));
}
template <std::integral I>
requires(!std::same_as<I, bool>) std::string as_text(I value) {
  return std::to_string(value);
}
std::string as_text(const net::Address& value) {
  return value.text();
}
std::string as_text(const net::Cidr& value) {
  return value.network.text() + "/" + std::to_string(value.prefix);
}
std::string as_text(const session::KeySource& value) {
  return as_text(value.kind) + value.name;
}
std::string as_text(const session::LearnSource& value) {
  return as_text(value.kind) + value.name;
}
template <typename V>
std::string as_text(const std::vector<V>& values) {
  std::string text;
  for (const V& value : values) text += as_text(value) + ";";
  return text;
}

void dump_process(const session::Settings& settings, Values& out) {
  const auto& proxy = settings.proxy;
  out["proxy.workers"] = as_text(proxy.workers);
  out["proxy.max_sessions"] = as_text(proxy.max_sessions);
  out["proxy.max_keys"] = as_text(proxy.max_keys);
  out["proxy.memory_budget"] = as_text(proxy.memory_budget);
  out["proxy.drain_delay"] = as_text(proxy.drain_delay);
  out["proxy.drain_over"] = as_text(proxy.drain_over);
  out["proxy.drain_deadline"] = as_text(proxy.drain_deadline);
  out["proxy.crash_spread"] = as_text(proxy.crash_spread);
  out["proxy.pid_file"] = as_text(proxy.pid_file);
  out["proxy.io"] = as_text(proxy.io);
  out["admin.socket"] = as_text(settings.admin.socket);
  out["admin.address"] = as_text(settings.admin.address);
  out["admin.token_file"] = as_text(settings.admin.token);
  out["admin.metrics_public"] = as_text(settings.admin.metrics_public);
  out["log.level"] = as_text(settings.log.level);
  out["log.format"] = as_text(settings.log.json);
  out["log.access"] = as_text(settings.log.access);
}

void dump_listener(const session::ListenerSettings& listener, Values& out) {
  out["listener.name"] = as_text(listener.name);
  out["listener.address"] = as_text(listener.addresses);
  out["listener.mode"] = as_text(listener.mode);
  out["listener.pool"] = as_text(listener.pool);
  out["listener.trusted_proxies"] = as_text(listener.trusted_proxies);
  out["listener.keepalive_timeout"] = as_text(listener.keepalive_timeout);
  out["listener.limits.sessions"] = as_text(listener.limits.sessions);
  out["listener.limits.new_sessions_per_second"] = as_text(listener.limits.new_sessions_per_second);
  out["listener.limits.requests_per_second"] = as_text(listener.limits.requests_per_second);
  out["listener.limits.ipv6_prefix"] = as_text(listener.limits.ipv6_prefix);
}

void dump_route(const session::RouteSettings& route, Values& out) {
  out["route.host"] = as_text(route.host);
  out["route.listener"] = as_text(route.listener);
  out["route.path"] = as_text(route.path);
  out["route.pool"] = as_text(route.pool);
  out["route.websocket.allowed_origins"] = as_text(route.websocket.allowed_origins);
  out["route.websocket.idle_timeout"] = as_text(route.websocket.idle_timeout);
  out["route.websocket.ping_interval"] = as_text(route.websocket.ping_interval);
  out["route.websocket.close_timeout"] = as_text(route.websocket.close_timeout);
  out["route.websocket.drain_code"] = as_text(route.websocket.drain_code);
  out["route.websocket.crash_code"] = as_text(route.websocket.crash_code);
  out["route.sse.heartbeat"] = as_text(route.sse.heartbeat);
  out["route.sse.retry"] = as_text(route.sse.retry);
  out["route.sse.retry_jitter"] = as_text(route.sse.retry_jitter);
  out["route.long_poll.always"] = as_text(route.long_poll.always);
  out["route.long_poll.after"] = as_text(route.long_poll.after);
  out["route.long_poll.timeout"] = as_text(route.long_poll.timeout);
  out["route.http.request_header_timeout"] = as_text(route.http.request_header_timeout);
  out["route.http.response_timeout"] = as_text(route.http.response_timeout);
  out["route.http.max_head"] = as_text(route.http.max_head);
  out["route.http.max_body"] = as_text(route.http.max_body);
  out["route.http.stall_timeout"] = as_text(route.http.stall_timeout);
  out["route.http.high_water"] = as_text(route.http.high_water);
}

void dump_pool(const session::PoolSettings& pool, Values& out) {
  out["pool.name"] = as_text(pool.name);
  out["pool.algorithm"] = as_text(pool.algorithm);
  out["pool.balance"] = as_text(pool.balance);
  out["pool.load_factor"] = as_text(pool.load_factor);
  out["pool.hash_seed"] = as_text(pool.hash_seed);
  out["pool.linger"] = as_text(pool.linger);
  out["pool.connect_timeout"] = as_text(pool.connect_timeout);
  out["pool.keepalive_timeout"] = as_text(pool.keepalive_timeout);
  out["pool.keepalive_connections"] = as_text(pool.keepalive_connections);
  out["pool.affinity.keys"] = as_text(pool.keys);
  out["pool.affinity.learn"] = as_text(pool.learn);
  out["pool.affinity.learn_ttl"] = as_text(pool.learn_ttl);
  out["pool.affinity.cookie.name"] = as_text(pool.cookie.name);
  out["pool.affinity.cookie.max_age"] = as_text(pool.cookie.max_age);
  out["pool.affinity.cookie.same_site"] = as_text(pool.cookie.same_site);
  out["pool.affinity.cookie.secure"] = as_text(pool.cookie.secure);
  out["pool.affinity.cookie.path"] = as_text(pool.cookie.path);
  out["pool.health.check"] = as_text(pool.health.check);
  out["pool.health.path"] = as_text(pool.health.path);
  out["pool.health.host"] = as_text(pool.health.host);
  out["pool.health.interval"] = as_text(pool.health.interval);
  out["pool.health.timeout"] = as_text(pool.health.timeout);
  out["pool.health.rise"] = as_text(pool.health.rise);
  out["pool.health.fall"] = as_text(pool.health.fall);
  out["pool.health.eject_after"] = as_text(pool.health.eject_after);
  out["pool.health.eject_on_5xx"] = as_text(pool.health.eject_on_5xx);
  out["pool.health.eject_for"] = as_text(pool.health.eject_for);
  out["pool.health.slow_start"] = as_text(pool.health.slow_start);
  const session::BackendSettings backend = pool.backends.empty() ? session::BackendSettings{} : pool.backends[0];
  out["pool.backend.name"] = as_text(backend.name);
  out["pool.backend.address"] = as_text(backend.address);
  out["pool.backend.weight"] = as_text(backend.weight);
}

// The first of each.
Values dump(const session::Settings& settings) {
  Values out;
  dump_process(settings, out);
  dump_listener(settings.listeners[0], out);
  dump_route(*settings.routes[0], out);
  dump_pool(*settings.pools[0], out);
  return out;
}

void require_right(const ConfigResult& result) {
  for (const Problem& problem : result.problems) BOOST_ERROR(render(problem, false));
  BOOST_REQUIRE(result.settings.has_value());
}

Values dump(const Document& document) {
  const ConfigResult result = document.parse();
  require_right(result);
  return dump(*result.settings);
}

std::string file(const std::string& name) {
  std::ifstream in(std::string(LIMPET_SOURCE_DIR) + "/conf/" + name);
  std::stringstream content;
  content << in.rdbuf();
  BOOST_REQUIRE(!content.str().empty());
  return content.str();
}

// The first value that a file shows for each dotted key, on a live line or one that is commented out.
Values shown_values(const std::string& content) {
  const std::vector<std::string> known = known_keys();
  Values shown;
  std::string table;
  std::istringstream in(content);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("# ")) line = line.substr(2);
    if (line.starts_with('['))
      table = line.substr(line.find_first_not_of('['), line.find(']') - line.find_first_not_of('['));
    const auto equals = line.find(" = ");
    if (equals == std::string::npos) continue;
    const std::string key = table + "." + line.substr(0, equals);
    if (std::find(known.begin(), known.end(), key) == known.end()) continue;
    const std::string rest = line.substr(equals + 3);
    const auto comment = rest.find(" #");
    const std::string value = rest.substr(0, comment);
    shown.emplace(key, value.substr(0, value.find_last_not_of(' ') + 1));
    BOOST_TEST((comment != std::string::npos || shown[key] != value || table == "pool.backend"),
               key << " has a comment");
  }
  return shown;
}

std::string table_of(const std::string& dotted) {
  return dotted.substr(0, dotted.rfind('.'));
}
std::string name_of(const std::string& dotted) {
  return dotted.substr(dotted.rfind('.') + 1);
}

// A value that is not the default, as TOML and as dump() writes it.
struct Other {
  std::string key;
  std::string toml;
  std::string dumped;
};

const std::vector<Other> kOthers = {
    {"proxy.workers", "1024", "1024"},
    {"proxy.max_sessions", "10", "10"},
    {"proxy.max_keys", "7", "7"},
    {"proxy.memory_budget", "\"1GiB\"", "1073741824"},
    {"proxy.drain_delay", "\"0s\"", "0s"},
    {"proxy.drain_over", "\"1m\"", "1m"},
    {"proxy.drain_deadline", "\"2m\"", "2m"},
    {"proxy.crash_spread", "\"250ms\"", "250ms"},
    {"proxy.pid_file", "\"/run/limpet.pid\"", "/run/limpet.pid"},
    {"proxy.io", "\"uring\"", "#1"},
    {"admin.socket", "\"\"", ""},
    {"admin.address", "\"[::1]:9901\"", "[::1]:9901"},
    {"admin.token_file", "\"" LIMPET_SOURCE_DIR "/tests/config/data/token\"", "tide"},
    {"admin.metrics_public", "true", "true"},
    {"log.level", "\"error\"", "#3"},
    {"log.format", "\"json\"", "true"},
    {"log.access", "\"/var/log/limpet.log\"", "/var/log/limpet.log"},
    {"listener.name", "\"public\"", "public"},
    {"listener.address", "[\":8080\", \"[::1]:81\", \"unix:/run/web\"]", "0.0.0.0:8080;[::1]:81;unix:/run/web;"},
    {"listener.mode", "\"0600\"", "384"},
    {"listener.pool", "\"chat\"", "chat"},
    {"listener.trusted_proxies", "[\"10.0.0.0/8\", \"fd00::/8\", \"192.0.2.1\"]",
     "10.0.0.0/104;fd00::/8;192.0.2.1/128;"},
    {"listener.keepalive_timeout", "\"1s\"", "1s"},
    {"listener.limits.sessions", "1", "1"},
    {"listener.limits.new_sessions_per_second", "2", "2"},
    {"listener.limits.requests_per_second", "4294967295", "4294967295"},
    {"listener.limits.ipv6_prefix", "48", "48"},
    {"route.host", "\"*.Example.com\"", "*.example.com"},
    {"route.listener", "\"web\"", "web"},
    {"route.path", "\"/socket.io/\"", "/socket.io/"},
    {"route.pool", "", ""},  // see the test: only one pool is there
    {"route.websocket.allowed_origins", "[\"https://App.example:8443\", \"https://*.b.example\", \"null\"]",
     "https://app.example:8443;https://*.b.example;null;"},
    {"route.websocket.idle_timeout", "\"2h\"", "2h"},
    {"route.websocket.ping_interval", "\"0s\"", "0s"},
    {"route.websocket.close_timeout", "\"1s\"", "1s"},
    {"route.websocket.drain_code", "4999", "4999"},
    {"route.websocket.crash_code", "1014", "1014"},
    {"route.sse.heartbeat", "\"0s\"", "0s"},
    {"route.sse.retry", "\"1s\"", "1s"},
    {"route.sse.retry_jitter", "\"3s\"", "3s"},
    {"route.long_poll.always", "true", "true"},
    {"route.long_poll.after", "\"6s\"", "6s"},
    {"route.long_poll.timeout", "\"3m\"", "3m"},
    {"route.http.request_header_timeout", "\"11s\"", "11s"},
    {"route.http.response_timeout", "\"61s\"", "61s"},
    {"route.http.max_head", "\"16KiB\"", "16384"},
    {"route.http.max_body", "\"1MiB\"", "1048576"},
    {"route.http.stall_timeout", "\"62s\"", "62s"},
    {"route.http.high_water", "\"128KiB\"", "131072"},
    {"pool.name", "", ""},
    {"pool.algorithm", "\"rendezvous\"", "#2"},
    {"pool.balance", "\"round_robin\"", "#1"},
    {"pool.load_factor", "1.25", "1.250000"},
    {"pool.hash_seed", "9223372036854775807", "9223372036854775807"},
    {"pool.linger", "\"0s\"", "0s"},
    {"pool.connect_timeout", "\"1s\"", "1s"},
    {"pool.keepalive_timeout", "\"5s\"", "5s"},
    {"pool.keepalive_connections", "0", "0"},
    {"pool.affinity.keys", "[\"header:X-User-Id\", \"client_ip\"]", "#1X-User-Id;#5;"},
    {"pool.affinity.learn", "[\"engine.io\", \"cookie:JSESSIONID\"]", "#0;#2JSESSIONID;"},
    {"pool.affinity.learn_ttl", "\"1d\"", "1d"},
    {"pool.affinity.cookie.name", "\"home\"", "home"},
    {"pool.affinity.cookie.max_age", "\"30d\"", "30d"},
    {"pool.affinity.cookie.same_site", "\"strict\"", "strict"},
    {"pool.affinity.cookie.secure", "false", "#2"},
    {"pool.affinity.cookie.path", "\"/app\"", "/app"},
    {"pool.health.check", "\"http\"", "#1"},
    {"pool.health.path", "\"/up?full=1\"", "/up?full=1"},
    {"pool.health.host", "\"chat.example:8080\"", "chat.example:8080"},
    {"pool.health.interval", "\"3s\"", "3s"},
    {"pool.health.timeout", "\"4s\"", "4s"},
    {"pool.health.rise", "1", "1"},
    {"pool.health.fall", "4", "4"},
    {"pool.health.eject_after", "6", "6"},
    {"pool.health.eject_on_5xx", "true", "true"},
    {"pool.health.eject_for", "\"1m\"", "1m"},
    {"pool.health.slow_start", "\"30s\"", "30s"},
    {"pool.backend.name", "\"chat-7\"", "chat-7"},
    {"pool.backend.address", "\"unix:/run/chat\"", "unix:/run/chat"},
    {"pool.backend.weight", "256", "256"},
};

// Keys that have no default; the files show examples.
const std::set<std::string> kExamples = {"listener.name", "listener.address",  "route.pool",
                                         "pool.name",     "pool.backend.name", "pool.backend.address"};

}  // namespace

BOOST_AUTO_TEST_SUITE(config_keys)

BOOST_AUTO_TEST_CASE(every_known_key_has_a_member_and_a_row_in_this_test) {
  const std::vector<std::string> known = known_keys();
  std::vector<std::string> rows;
  for (const Other& other : kOthers) rows.push_back(other.key);
  BOOST_TEST(rows == known, boost::test_tools::per_element());
  std::set<std::string> dumped;
  for (const auto& [key, value] : dump(Document())) dumped.insert(key);
  BOOST_TEST(dumped == std::set<std::string>(known.begin(), known.end()), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_key_reaches_its_own_member_and_no_other) {
  const Values defaults = dump(Document());
  for (const Other& other : kOthers) {
    if (other.toml.empty()) continue;
    BOOST_TEST_CONTEXT(other.key << " = " << other.toml) {
      Values expected = defaults;
      BOOST_TEST(expected[other.key] != other.dumped);
      expected[other.key] = other.dumped;
      const Values found = dump(Document().set(table_of(other.key), name_of(other.key) + " = " + other.toml));
      for (const auto& [key, value] : found) BOOST_TEST(value == expected[key], key << " is " << value);
    }
  }
  const Values renamed = dump(Document().set("pool", "name = \"games\"").set("route", "pool = \"games\""));
  BOOST_TEST(renamed.at("pool.name") == "games");
  BOOST_TEST(renamed.at("route.pool") == "games");
}

BOOST_AUTO_TEST_CASE(a_key_that_is_absent_has_the_default_of_its_member) {
  session::Settings settings;
  settings.listeners.emplace_back();
  settings.routes.push_back(std::make_shared<session::RouteSettings>());
  settings.pools.push_back(std::make_shared<session::PoolSettings>());
  const Values defaults = dump(settings);
  for (const auto& [key, value] : dump(Document())) {
    if (!kExamples.contains(key)) BOOST_TEST(value == defaults.at(key), key << " is " << value);
  }
}

BOOST_AUTO_TEST_CASE(the_full_file_shows_every_key_with_its_default) {
  const std::string content = file("limpet.toml");
  const ConfigResult result = parse_config(content, "limpet.toml");
  require_right(result);
  const Values shown = shown_values(content);
  const Values defaults = dump(Document());
  for (const std::string& key : known_keys()) {
    BOOST_TEST_CONTEXT(key) {
      BOOST_REQUIRE(shown.contains(key));
      if (kExamples.contains(key)) continue;
      const Values found = dump(Document().set(table_of(key), name_of(key) + " = " + shown.at(key)));
      BOOST_TEST(found.at(key) == defaults.at(key));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_minimal_file_parses) {
  const ConfigResult result = parse_config(file("minimal.toml"), "minimal.toml");
  require_right(result);
  BOOST_TEST(result.settings->pools.size() == 1U);
  BOOST_TEST(result.settings->pools[0]->backends.size() == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::config
