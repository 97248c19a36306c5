// SPDX-License-Identifier: Apache-2.0
// The calls of the admin API, one table row and one function each. Checks in order: who calls (guard.h), path,
// method, body. What the process can do and why it refuses is Control's to say.
#include "proxy/admin/admin.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "proxy/admin/dashboard_page.h"
#include "proxy/admin/endpoint.h"
#include "proxy/admin/events.h"
#include "proxy/admin/exchange.h"
#include "proxy/admin/guard.h"
#include "proxy/admin/json.h"
#include "proxy/admin/session_filter.h"
#include "proxy/admin/socket.h"
#include "proxy/base/clock.h"
#include "proxy/base/crypto.h"
#include "proxy/wire/uri.h"

namespace limpet::admin {

namespace {

// What the '*' of a call's path stand for, percent-decoded.
using Names = std::vector<std::string>;

// Takes the first segment off `path`, which begins with '/'.
std::string_view next_segment(std::string_view& path) {
  path.remove_prefix(1);
  const auto segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

std::optional<Names> match(std::string_view pattern, std::string_view path) {
  Names names;
  while (!pattern.empty() && path.starts_with('/')) {
    const auto wanted = next_segment(pattern);
    const auto found = next_segment(path);
    if (wanted == "*") {
      if (found.empty()) return std::nullopt;
      names.push_back(wire::percent_decode(found));
    } else if (wanted != found) {
      return std::nullopt;
    }
  }
  return pattern.empty() && path.empty() ? std::optional(names) : std::nullopt;
}

}  // namespace

struct Admin::Parts {
  Parts(event_base* event_base, Control& asked, const session::AdminSettings& admin_settings)
      : base(event_base), control(asked), settings(admin_settings) {}
  ~Parts() {
    lives.reset();
    events.reset();  // before the connections that it uses
  }

  // Without problem: the socket is open.
  std::optional<std::string> open_unix();
  std::optional<std::string> open_tcp();
  void serve(AdminExchange exchange, bool over_tcp);
  bool admitted(AdminExchange& exchange);

  using Call = void (Parts::*)(AdminExchange&, const Names&);
  struct Row {
    std::string_view method;
    std::string_view path;
    Call call;
  };
  static std::span<const Row> table();

  void healthz(AdminExchange& exchange, const Names&);
  void readyz(AdminExchange& exchange, const Names&);
  void metrics(AdminExchange& exchange, const Names&);
  void dashboard(AdminExchange& exchange, const Names&);
  void status(AdminExchange& exchange, const Names&);
  void pools(AdminExchange& exchange, const Names&);
  void pool(AdminExchange& exchange, const Names& names);
  void drain(AdminExchange& exchange, const Names& names);
  void drain_action(AdminExchange& exchange, const Names& names, DrainAction action);
  void ready(AdminExchange& exchange, const Names& names);
  void where(AdminExchange& exchange, const Names& names);
  void sessions(AdminExchange& exchange, const Names&);
  void close(AdminExchange& exchange, const Names&);
  void stop(AdminExchange& exchange, const Names&);
  void watch(AdminExchange& exchange, const Names&);
  void not_available(AdminExchange& exchange, const Names&);

  std::optional<BackendStatus> find_backend(const std::string& pool, const std::string& backend);
  void send_dashboard(AdminExchange& exchange, unsigned status);

  event_base* const base;
  Control& control;
  const session::AdminSettings settings;

  std::shared_ptr<const void> lives = std::make_shared<int>();
  std::optional<UnixListener> unix_file;
  std::optional<AdminGuard> guard;  // of TCP
  std::uint16_t tcp_port = 0;
  std::unique_ptr<AdminEndpoint> unix_endpoint, tcp_endpoint;
  std::unique_ptr<AdminEvents> events;
};

Admin::Admin(event_base* base, Control& control, const session::AdminSettings& settings)
    : parts_(std::make_unique<Parts>(base, control, settings)) {}

Admin::~Admin() = default;

std::optional<std::string> Admin::start() {
  auto problem = parts_->open_unix();
  if (!problem) problem = parts_->open_tcp();
  if (problem) {
    parts_ = std::make_unique<Parts>(parts_->base, parts_->control, parts_->settings);
    return "admin: " + *problem;
  }
  parts_->events = std::make_unique<AdminEvents>(
      parts_->base, [parts = parts_.get()] { return status_json(parts->control.status()); });
  return std::nullopt;
}

std::uint16_t Admin::port() const {
  return parts_->tcp_port;
}

void Admin::publish() {
  if (parts_->events) parts_->events->publish();
}

std::optional<std::string> Admin::Parts::open_unix() {
  if (settings.socket.empty()) return std::nullopt;
  auto opened = UnixListener::open(settings.socket);
  if (!opened) return opened.error().what;
  unix_file.emplace(std::move(*opened));
  unix_endpoint = std::make_unique<AdminEndpoint>(
      base, unix_file->take_fd(), [this](evhttp_request* request) { serve(AdminExchange(request, lives), false); });
  return std::nullopt;
}

std::optional<std::string> Admin::Parts::open_tcp() {
  if (settings.address.empty()) return std::nullopt;
  auto address = net::Address::parse(settings.address);
  if (!address) return address.error().what;
  if (address->is_unix()) return settings.address + ": expected HOST:PORT; a unix socket is `socket`";
  if (settings.token.empty() && !address->is_loopback()) {
    return settings.address + " is not loopback: token_file is required";
  }
  auto listening = listen_tcp(*address);
  if (!listening) return listening.error().what;
  tcp_port = bound_port(listening->value());
  guard.emplace(settings.address, tcp_port, settings.token, settings.metrics_public);
  tcp_endpoint = std::make_unique<AdminEndpoint>(
      base, std::move(*listening), [this](evhttp_request* request) { serve(AdminExchange(request, lives), true); });
  return std::nullopt;
}

std::span<const Admin::Parts::Row> Admin::Parts::table() {
  static constexpr std::array<Row, 17> kTable = {{
      {"GET", "/healthz", &Parts::healthz},
      {"GET", "/readyz", &Parts::readyz},
      {"GET", "/metrics", &Parts::metrics},
      {"GET", "/", &Parts::dashboard},
      {"GET", "/v1/status", &Parts::status},
      {"GET", "/v1/pools", &Parts::pools},
      {"GET", "/v1/pools/*", &Parts::pool},
      {"GET", "/v1/pools/*/where", &Parts::where},
      {"POST", "/v1/pools/*/backends/*/drain", &Parts::drain},
      {"POST", "/v1/pools/*/backends/*/ready", &Parts::ready},
      {"POST", "/v1/pools/*/rebalance", &Parts::not_available},
      {"GET", "/v1/sessions", &Parts::sessions},
      {"POST", "/v1/close", &Parts::close},
      {"POST", "/v1/stop", &Parts::stop},
      {"POST", "/v1/reload", &Parts::not_available},
      {"POST", "/v1/upgrade", &Parts::not_available},
      {"GET", "/v1/events", &Parts::watch},
  }};
  return kTable;
}

void Admin::Parts::serve(AdminExchange exchange, bool over_tcp) {
  if (over_tcp && !admitted(exchange)) return;
  if (!exchange.path().starts_with('/')) return exchange.refuse(400, "the target must be a path");
  for (const Row& row : table()) {
    const auto names = match(row.path, exchange.path());
    if (!names) continue;
    const bool is_get = row.method == "GET";
    if (exchange.method() == row.method || (is_get && exchange.method() == "HEAD")) {
      return (this->*row.call)(exchange, *names);
    }
    exchange.add_field("Allow", is_get ? "GET, HEAD" : "POST");
    return exchange.refuse(405, exchange.path() + " takes " + std::string(row.method) + " only");
  }
  exchange.refuse(404, "no such call: " + exchange.path());
}

bool Admin::Parts::admitted(AdminExchange& exchange) {
  Caller caller;
  caller.is_post = exchange.method() == "POST";
  caller.path = exchange.path();
  caller.host = exchange.field("Host");
  caller.origin = exchange.field("Origin");
  caller.has_origin = exchange.has_field("Origin");
  caller.authorization = exchange.field("Authorization");
  caller.content_type = exchange.field("Content-Type");
  caller.local_ip = local_ip(exchange.fd());
  const auto denial = guard->check(caller);
  if (!denial) return true;
  if (denial->status == 401) exchange.add_field("WWW-Authenticate", "Bearer realm=\"limpet\"");
  if (denial->status == 401 && exchange.method() == "GET" && exchange.path() == "/") {
    send_dashboard(exchange, 401);  // a browser shows it, and it asks for the token; it holds no secret
  } else {
    exchange.refuse(denial->status, denial->why);
  }
  return false;
}

void Admin::Parts::healthz(AdminExchange& exchange, const Names&) {
  exchange.answer(200, "text/plain", "ok\n");
}

void Admin::Parts::readyz(AdminExchange& exchange, const Names&) {
  const bool accepting = control.accepting();
  exchange.answer(accepting ? 200 : 503, "text/plain", accepting ? "ready\n" : "not taking new sessions\n");
}

void Admin::Parts::metrics(AdminExchange& exchange, const Names&) {
  exchange.answer(200, "text/plain; version=0.0.4; charset=utf-8", control.metrics());
}

void Admin::Parts::dashboard(AdminExchange& exchange, const Names&) {
  send_dashboard(exchange, 200);
}

void Admin::Parts::send_dashboard(AdminExchange& exchange, unsigned status) {
  const std::string nonce = base64_encode(std::to_string(random64()) + std::to_string(random64()));
  exchange.add_field("Content-Security-Policy", dashboard_policy(nonce));
  exchange.add_field("Referrer-Policy", "no-referrer");
  exchange.answer(status, "text/html; charset=utf-8", dashboard_page(nonce));
}

void Admin::Parts::status(AdminExchange& exchange, const Names&) {
  exchange.answer_json(200, status_json(control.status()));
}

void Admin::Parts::pools(AdminExchange& exchange, const Names&) {
  exchange.answer_json(200, pools_json(control.status().pools));
}

void Admin::Parts::pool(AdminExchange& exchange, const Names& names) {
  for (const PoolStatus& pool : control.status().pools) {
    if (pool.name == names[0]) return exchange.answer_json(200, pool_json(pool));
  }
  exchange.refuse(404, "no pool '" + names[0] + "'");
}

void Admin::Parts::drain(AdminExchange& exchange, const Names& names) {
  const auto request = parse_drain_request(exchange.body());
  if (!request) return exchange.refuse(400, request.error().what);
  if (request.value().action) return drain_action(exchange, names, *request.value().action);
  const DrainOrder order = order_of(request.value());
  DrainPlan plan;
  if (const auto refusal = control.drain(names[0], names[1], order, plan)) {
    return exchange.refuse(refusal->status, refusal->why);
  }
  // What a drain that has already ended, or is only thought of, looks like.
  DrainStatus drain;
  drain.total = plan.sessions;
  drain.remaining = order.dry_run ? plan.sessions : 0;
  drain.over_s = in_seconds(order.over);
  drain.deadline_s = in_seconds(order.deadline);
  drain.eta_s = order.dry_run ? plan.takes_s : 0;
  const auto backend = find_backend(names[0], names[1]);
  if (!order.dry_run && backend && backend->drain) drain = *backend->drain;
  exchange.answer_json(202, drain_json(drain, plan, order.dry_run));
}

void Admin::Parts::drain_action(AdminExchange& exchange, const Names& names, DrainAction action) {
  if (const auto refusal = control.drain_action(names[0], names[1], action)) {
    return exchange.refuse(refusal->status, refusal->why);
  }
  const auto backend = find_backend(names[0], names[1]);
  const DrainStatus drain = backend && backend->drain ? *backend->drain : DrainStatus();
  DrainPlan plan;
  plan.sessions = drain.remaining;
  plan.takes_s = drain.eta_s;
  plan.heavy = drain.heavy;
  exchange.answer_json(202, drain_json(drain, plan, false));
}

void Admin::Parts::ready(AdminExchange& exchange, const Names& names) {
  if (const auto problem = problem_of_empty_request(exchange.body())) return exchange.refuse(400, *problem);
  if (const auto refusal = control.ready(names[0], names[1])) return exchange.refuse(refusal->status, refusal->why);
  const auto backend = find_backend(names[0], names[1]);
  exchange.answer_json(200, backend_json(backend.value_or(BackendStatus())));
}

std::optional<BackendStatus> Admin::Parts::find_backend(const std::string& pool, const std::string& backend) {
  for (const PoolStatus& one : control.status().pools) {
    if (one.name != pool) continue;
    const auto found = std::find_if(one.backends.begin(), one.backends.end(),
                                    [&](const BackendStatus& candidate) { return candidate.name == backend; });
    if (found != one.backends.end()) return *found;
  }
  return std::nullopt;
}

void Admin::Parts::where(AdminExchange& exchange, const Names& names) {
  const auto key = wire::query_value(exchange.query(), "key");
  if (!key || key->empty()) return exchange.refuse(400, "key is missing: …/where?key=K");
  control.where(names[0], *key, [exchange, pool = names[0]](std::optional<Where> where) mutable {
    if (!where) return exchange.refuse(404, "no pool '" + pool + "'");
    exchange.answer_json(200, where_json(*where));
  });
}

void Admin::Parts::sessions(AdminExchange& exchange, const Names&) {
  const auto filter = filter_from_query(exchange.query());
  if (!filter) return exchange.refuse(400, filter.error().what);
  control.sessions(filter.value(), [exchange](const std::vector<SessionInfo>& sessions) mutable {
    exchange.answer_json(200, sessions_json(sessions));
  });
}

void Admin::Parts::close(AdminExchange& exchange, const Names&) {
  const auto filter = parse_close_request(exchange.body());
  if (!filter) return exchange.refuse(400, filter.error().what);
  control.close(filter.value(), [exchange](std::uint64_t n) mutable { exchange.answer_json(200, closing_json(n)); });
}

void Admin::Parts::stop(AdminExchange& exchange, const Names&) {
  if (const auto problem = problem_of_empty_request(exchange.body())) return exchange.refuse(400, *problem);
  const int pid = control.status().pid;
  control.stop();
  exchange.answer_json(202, stopping_json(pid));
}

void Admin::Parts::watch(AdminExchange& exchange, const Names&) {
  if (exchange.method() == "HEAD") return exchange.answer(200, "text/event-stream; charset=utf-8", "");
  if (evhttp_request* request = exchange.release()) events->add(request);
}

void Admin::Parts::not_available(AdminExchange& exchange, const Names& names) {
  const auto& path = exchange.path();
  const auto what = names.empty() ? path.substr(path.rfind('/') + 1) : "rebalance";
  exchange.refuse(501, what + " is not available in this version");
}

}  // namespace limpet::admin
