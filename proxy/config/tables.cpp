// SPDX-License-Identifier: Apache-2.0
// The list of keys: each with its member of Settings and its rule. Defaults are those of session/settings.h: a key that
// is absent leaves its member alone. A key that comes here belongs into conf/limpet.toml, too; a test compares the two.
#include "proxy/config/tables.h"

#include <algorithm>

#include "proxy/config/rules.h"
#include "proxy/wire/grammar.h"

namespace limpet::config {

namespace {

using session::AdminSettings;
using session::ClientLimits;
using session::HealthSettings;
using session::HttpSettings;
using session::ListenerSettings;
using session::LogSettings;
using session::LongPollSettings;
using session::PoolSettings;
using session::ProxySettings;
using session::RouteSettings;
using session::SessionCookie;
using session::SseSettings;
using session::WebSocketSettings;

constexpr std::int64_t kMax32 = std::numeric_limits<std::uint32_t>::max();

TableReader<ProxySettings> proxy_table() {
  using Io = ProxySettings::Io;
  return {"proxy",
          {field("workers", &ProxySettings::workers, whole<unsigned>(0, 1024)),
           field("max_sessions", &ProxySettings::max_sessions, whole<std::uint64_t>(0)),
           field("max_keys", &ProxySettings::max_keys, whole<std::uint64_t>(1)),
           field("memory_budget", &ProxySettings::memory_budget, size(0)),
           field("drain_delay", &ProxySettings::drain_delay, duration(Zero::Allowed)),
           field("drain_over", &ProxySettings::drain_over, duration(Zero::Allowed)),
           field("drain_deadline", &ProxySettings::drain_deadline, duration(Zero::Allowed)),
           field("crash_spread", &ProxySettings::crash_spread, duration(Zero::Allowed)),
           field("pid_file", &ProxySettings::pid_file, text()),
           field("io", &ProxySettings::io, one_of<ProxySettings::Io>({{"epoll", Io::Epoll}, {"uring", Io::Uring}}))}};
}

TableReader<AdminSettings> admin_table() {
  return {"admin",
          {field("socket", &AdminSettings::socket, socket_path()),
           field("address", &AdminSettings::address, address_text()),
           field("token_file", &AdminSettings::token, token_file()),
           field("metrics_public", &AdminSettings::metrics_public, flag())}};
}

TableReader<LogSettings> log_table() {
  using Level = LogSettings::Level;
  return {"log",
          {field("level", &LogSettings::level,
                 one_of<Level>(
                     {{"debug", Level::Debug}, {"info", Level::Info}, {"warn", Level::Warn}, {"error", Level::Error}})),
           field("format", &LogSettings::json, one_of<bool>({{"text", false}, {"json", true}})),
           field("access", &LogSettings::access, text(access_log()))}};
}

TableReader<ListenerSettings> listener_table() {
  TableReader<ClientLimits> limits(
      "listener.limits",
      {field("sessions", &ClientLimits::sessions, whole<std::uint32_t>(0, kMax32)),
       field("new_sessions_per_second", &ClientLimits::new_sessions_per_second, whole<std::uint32_t>(0, kMax32)),
       field("requests_per_second", &ClientLimits::requests_per_second, whole<std::uint32_t>(0, kMax32)),
       field("ipv6_prefix", &ClientLimits::ipv6_prefix, whole<unsigned>(1, 128))});
  return {"listener",
          {field("name", &ListenerSettings::name, text(good_name()), Need::Required),
           field("address", &ListenerSettings::addresses, addresses(), Need::Required),
           field("mode", &ListenerSettings::mode, file_mode()), field("pool", &ListenerSettings::pool, text()),
           field("trusted_proxies", &ListenerSettings::trusted_proxies,
                 list_of<net::Cidr>(cidr(), R"(a list of address blocks such as ["10.0.0.0/8"])")),
           field("keepalive_timeout", &ListenerSettings::keepalive_timeout, duration(Zero::Refused)),
           table("limits", &ListenerSettings::limits, std::move(limits))}};
}

TableReader<WebSocketSettings> websocket_table() {
  return {"route.websocket",
          {field("allowed_origins", &WebSocketSettings::allowed_origins,
                 list_of<std::string>(origin(), R"(a list of origins such as ["https://example.com"])")),
           field("idle_timeout", &WebSocketSettings::idle_timeout, duration(Zero::Refused)),
           field("ping_interval", &WebSocketSettings::ping_interval, duration(Zero::Allowed)),
           field("close_timeout", &WebSocketSettings::close_timeout, duration(Zero::Refused)),
           field("drain_code", &WebSocketSettings::drain_code, close_code()),
           field("crash_code", &WebSocketSettings::crash_code, close_code())}};
}

TableReader<SseSettings> sse_table() {
  return {"route.sse",
          {field("heartbeat", &SseSettings::heartbeat, duration(Zero::Allowed)),
           field("retry", &SseSettings::retry, duration(Zero::Allowed)),
           field("retry_jitter", &SseSettings::retry_jitter, duration(Zero::Allowed))}};
}

TableReader<LongPollSettings> long_poll_table() {
  return {"route.long_poll",
          {field("always", &LongPollSettings::always, flag()),
           field("after", &LongPollSettings::after, duration(Zero::Refused)),
           field("timeout", &LongPollSettings::timeout, duration(Zero::Refused))}};
}

TableReader<HttpSettings> http_table() {
  return {"route.http",
          {field("request_header_timeout", &HttpSettings::request_header_timeout, duration(Zero::Refused)),
           field("response_timeout", &HttpSettings::response_timeout, duration(Zero::Refused)),
           field("max_head", &HttpSettings::max_head, size(256)), field("max_body", &HttpSettings::max_body, size(0)),
           field("stall_timeout", &HttpSettings::stall_timeout, duration(Zero::Refused)),
           field("high_water", &HttpSettings::high_water, size(1))}};
}

TableReader<RouteSettings> route_table() {
  return {
      "route",
      {field("host", &RouteSettings::host, host_pattern()), field("listener", &RouteSettings::listener, text()),
       field("path", &RouteSettings::path, text(route_path())),
       field("pool", &RouteSettings::pool, text(), Need::Required),
       table("websocket", &RouteSettings::websocket, websocket_table()), table("sse", &RouteSettings::sse, sse_table()),
       table("long_poll", &RouteSettings::long_poll, long_poll_table()),
       table("http", &RouteSettings::http, http_table())}};
}

// [pool.affinity.cookie], or `cookie = false`.
Field<PoolSettings> cookie_field() {
  using Secure = SessionCookie::Secure;
  const Rule<Secure> secure = [](Reader& reader, const Node& node, Secure& into) {
    if (node.kind == Node::Kind::Boolean) {
      into = node.boolean ? Secure::Always : Secure::Never;
    } else if (node.kind == Node::Kind::String && node.text == "auto") {
      into = Secure::Auto;
    } else {
      reader.expected(node, R"("auto", true or false)");
    }
  };
  TableReader<SessionCookie> inner(
      "pool.affinity.cookie",
      {field("name", &SessionCookie::name, text({wire::is_token, "a cookie's name (a token)"})),
       field("max_age", &SessionCookie::max_age, duration(Zero::Allowed)),
       field("same_site", &SessionCookie::same_site,
             one_of<std::string>({{"lax", "lax"}, {"strict", "strict"}, {"none", "none"}})),
       field("secure", &SessionCookie::secure, secure), field("path", &SessionCookie::path, text(cookie_path()))});
  auto below = inner.keys();
  const auto read = [inner = std::move(inner)](Reader& reader, const Node& node, PoolSettings& into) {
    if (node.kind == Node::Kind::Boolean && !node.boolean) {
      into.cookie.enabled = false;
      return;
    }
    if (node.kind != Node::Kind::Table) {
      reader.expected(node, R"(false or a table such as { name = "limpet" })");
      return;
    }
    inner.read(reader, node, into.cookie);
    if (into.cookie.same_site == "none" && into.cookie.secure == Secure::Never) {
      reader.problem(
          node.find("same_site")->place,
          R"('same_site': browsers drop a cookie of "none" with secure = false, expected secure = "auto" or true)");
    }
  };
  return Field<PoolSettings>{"cookie", false, std::move(below), read};
}

TableReader<PoolSettings> affinity_table() {
  return {"pool.affinity",
          {field("keys", &PoolSettings::keys,
                 list_of<session::KeySource>(key_source(), R"(a list of key sources such as ["cookie:sid"])")),
           field("learn", &PoolSettings::learn,
                 list_of<session::LearnSource>(learn_source(), R"(a list of sources such as ["engine.io"])")),
           field("learn_ttl", &PoolSettings::learn_ttl, duration(Zero::Refused)), cookie_field()}};
}

TableReader<HealthSettings> health_table() {
  using Check = HealthSettings::Check;
  return {"pool.health",
          {field("check", &HealthSettings::check,
                 one_of<Check>({{"tcp", Check::Tcp}, {"http", Check::Http}, {"none", Check::None}})),
           field("path", &HealthSettings::path, text(request_path())),
           field("host", &HealthSettings::host, text(request_host())),
           field("interval", &HealthSettings::interval, duration(Zero::Refused)),
           field("timeout", &HealthSettings::timeout, duration(Zero::Refused)),
           field("rise", &HealthSettings::rise, whole<unsigned>(1, kMax32)),
           field("fall", &HealthSettings::fall, whole<unsigned>(1, kMax32)),
           field("eject_after", &HealthSettings::eject_after, whole<unsigned>(1, kMax32)),
           field("eject_on_5xx", &HealthSettings::eject_on_5xx, flag()),
           field("eject_for", &HealthSettings::eject_for, duration(Zero::Refused)),
           field("slow_start", &HealthSettings::slow_start, duration(Zero::Allowed))}};
}

TableReader<session::BackendSettings> backend_table() {
  using session::BackendSettings;
  return {"pool.backend",
          {field("name", &BackendSettings::name, text(good_name()), Need::Required),
           field("address", &BackendSettings::address, backend_address(), Need::Required),
           field("weight", &BackendSettings::weight, whole<unsigned>(1, 256))}};
}

TableReader<PoolSettings> pool_table() {
  using balancer::Algorithm;
  using balancer::Balance;
  return {
      "pool",
      {field("name", &PoolSettings::name, text(good_name()), Need::Required),
       field("algorithm", &PoolSettings::algorithm,
             one_of<Algorithm>(
                 {{"ring", Algorithm::Ring}, {"maglev", Algorithm::Maglev}, {"rendezvous", Algorithm::Rendezvous}})),
       field("balance", &PoolSettings::balance,
             one_of<Balance>({{"least_sessions", Balance::LeastSessions}, {"round_robin", Balance::RoundRobin}})),
       field("load_factor", &PoolSettings::load_factor, load_factor()),
       field("hash_seed", &PoolSettings::hash_seed, whole<std::uint64_t>(0)),
       field("linger", &PoolSettings::linger, duration(Zero::Allowed)),
       field("connect_timeout", &PoolSettings::connect_timeout, duration(Zero::Refused)),
       field("keepalive_timeout", &PoolSettings::keepalive_timeout, duration(Zero::Refused)),
       field("keepalive_connections", &PoolSettings::keepalive_connections, whole<unsigned>(0, 65535)),
       part("affinity", affinity_table()), table("health", &PoolSettings::health, health_table()),
       tables("backend", &PoolSettings::backends, backend_table())}};
}

}  // namespace

TableReader<Draft> root_table() {
  return {"",
          {table("proxy", &Draft::proxy, proxy_table()), table("admin", &Draft::admin, admin_table()),
           table("log", &Draft::log, log_table()), tables("listener", &Draft::listeners, listener_table()),
           tables("route", &Draft::routes, route_table()), tables("pool", &Draft::pools, pool_table())}};
}

}  // namespace limpet::config
