// SPDX-License-Identifier: Apache-2.0
// What the configuration says, as plain values. config/config.h reads them from TOML, one struct per table, one member
// per key and with the key's default; the data path only reads them. Immutable once published; shared between threads
// by shared_ptr. A session keeps the settings of its route, never the whole configuration. All but Settings itself,
// whose parts are compared one by one, compare by value: a reload leaves alone what says the same as before.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "balancer/choice.h"
#include "balancer/ranker.h"
#include "proxy/net/address.h"

namespace limpet::session {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Where an affinity key comes from: "header:X-User-Id" is {Header, "X-User-Id"}; "path:2" is {Path, "2"}.
struct KeySource {
  enum class Kind : std::uint8_t { Cookie, Header, Query, Path, Subprotocol, ClientIp, Jwt };
  Kind kind = Kind::ClientIp;
  std::string name;
  unsigned segment = 0;  // of a Path
  bool operator==(const KeySource&) const = default;
};

// A session id that the server hands out: "engine.io", "header:NAME", "cookie:NAME".
struct LearnSource {
  enum class Kind : std::uint8_t { EngineIo, Header, Cookie };
  Kind kind = Kind::EngineIo;
  std::string name;
  bool operator==(const LearnSource&) const = default;
};

struct SessionCookie {
  bool enabled = true;
  std::string name = "limpet";
  milliseconds max_age{0};  // 0: a cookie of the browser's session
  std::string same_site = "lax";
  enum class Secure : std::uint8_t {
    Auto,
    Always,
    Never
  } secure = Secure::Auto;  // auto: where the client came over TLS
  std::string path = "/";
  bool operator==(const SessionCookie&) const = default;
};

struct HealthSettings {
  enum class Check : std::uint8_t { Tcp, Http, None } check = Check::Tcp;
  std::string path = "/healthz";
  std::string host;  // "": the backend's address
  milliseconds interval{2000};
  milliseconds timeout{1000};
  unsigned rise = 2;
  unsigned fall = 3;
  unsigned eject_after = 5;
  bool eject_on_5xx = false;
  milliseconds eject_for{10000};
  milliseconds slow_start{0};
  bool operator==(const HealthSettings&) const = default;
};

struct BackendSettings {
  std::string name;
  net::Address address;
  unsigned weight = 1;
  bool operator==(const BackendSettings&) const = default;
};

struct PoolSettings {
  std::string name;
  balancer::Algorithm algorithm = balancer::Algorithm::Ring;
  balancer::Balance balance = balancer::Balance::LeastSessions;
  double load_factor = 0;
  std::uint64_t hash_seed = 0;
  milliseconds linger{30000};
  milliseconds connect_timeout{3000};
  milliseconds keepalive_timeout{60000};  // an idle upstream connection is closed after so long
  unsigned keepalive_connections = 64;    // idle ones kept per worker and backend; 0: none
  std::vector<KeySource> keys;
  std::vector<LearnSource> learn;
  milliseconds learn_ttl{3600000};
  SessionCookie cookie;
  HealthSettings health;
  std::vector<BackendSettings> backends;
  bool operator==(const PoolSettings&) const = default;
};

struct WebSocketSettings {
  std::vector<std::string> allowed_origins;  // for SSE, too
  milliseconds idle_timeout{3600000};
  milliseconds ping_interval{30000};  // 0: off
  milliseconds close_timeout{5000};   // from when the peer has acknowledged all; ten times this at most
  std::uint16_t drain_code = 1012;
  std::uint16_t crash_code = 1001;
  bool operator==(const WebSocketSettings&) const = default;
};

struct SseSettings {
  milliseconds heartbeat{15000};  // 0: off
  milliseconds retry{2000};
  milliseconds retry_jitter{8000};
  bool operator==(const SseSettings&) const = default;
};

struct LongPollSettings {
  bool always = false;
  milliseconds after{5000};
  milliseconds timeout{120000};
  bool operator==(const LongPollSettings&) const = default;
};

struct HttpSettings {
  milliseconds request_header_timeout{10000};
  milliseconds response_timeout{60000};
  std::uint64_t max_head = 64 * 1024;
  std::uint64_t max_body = 0;  // 0: any; beyond it 413
  milliseconds stall_timeout{60000};
  std::uint64_t high_water = 64 * 1024;
  bool operator==(const HttpSettings&) const = default;
};

struct RouteSettings {
  std::string host;      // "", "chat.example.com" or "*.example.com"; lower case
  std::string listener;  // "": every one
  std::string path = "/";
  std::string pool;
  WebSocketSettings websocket;
  SseSettings sse;
  LongPollSettings long_poll;
  HttpSettings http;
  bool operator==(const RouteSettings&) const = default;
};

struct ClientLimits {  // per client address; 0: none
  std::uint32_t sessions = 0;
  std::uint32_t new_sessions_per_second = 0;
  std::uint32_t requests_per_second = 0;
  unsigned ipv6_prefix = 64;
  bool operator==(const ClientLimits&) const = default;
};

struct ListenerSettings {
  std::string name;
  std::vector<net::Address> addresses;
  unsigned mode = 0660;  // of a unix socket
  std::string pool;      // where no route matches; "": 404
  std::vector<net::Cidr> trusted_proxies;
  milliseconds keepalive_timeout{75000};  // an idle client connection is closed after so long
  ClientLimits limits;
  bool operator==(const ListenerSettings&) const = default;
};

struct ProxySettings {
  enum class Io : std::uint8_t { Epoll, Uring };

  unsigned workers = 0;
  std::uint64_t max_sessions = 0;
  std::uint64_t max_keys = 1000000;
  std::uint64_t memory_budget = 0;
  milliseconds drain_delay{5000};
  milliseconds drain_over{30000};
  milliseconds drain_deadline{60000};
  milliseconds crash_spread{5000};
  std::string pid_file;
  Io io = Io::Epoll;
  bool operator==(const ProxySettings&) const = default;
};

struct AdminSettings {
  std::string socket = "/run/limpet/admin.sock";  // "": none
  std::string address;                            // "": none
  std::string token;                              // the content of token_file
  bool metrics_public = false;
  bool operator==(const AdminSettings&) const = default;
};

struct LogSettings {
  enum class Level : std::uint8_t { Debug, Info, Warn, Error } level = Level::Info;
  bool json = false;
  std::string access = "off";  // off, stdout or a path
  bool operator==(const LogSettings&) const = default;
};

struct Settings {
  ProxySettings proxy;
  AdminSettings admin;
  LogSettings log;
  std::vector<ListenerSettings> listeners;
  std::vector<std::shared_ptr<const RouteSettings>> routes;  // in file order
  std::vector<std::shared_ptr<const PoolSettings>> pools;
};

}  // namespace limpet::session
