// SPDX-License-Identifier: Apache-2.0
// The reading half of json.h. nlohmann/json reports by exceptions: none leaves this file.
#include <limits>
#include <nlohmann/json.hpp>

#include "proxy/admin/json.h"
#include "proxy/admin/session_filter.h"
#include "proxy/config/config.h"

namespace limpet::admin {

using config::parse_duration;

namespace {

using nlohmann::json;

Error bad(std::string what) {
  return Error{Fault::Downstream, std::move(what)};
}

// The body of a request: an object, or nothing at all, which is the empty one.
Result<json> read_object(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return json::object();
  json value = json::parse(body, nullptr, false);
  if (value.is_discarded()) return bad("the body is not valid JSON");
  if (!value.is_object()) return bad(std::string("the body must be a JSON object, not ") + value.type_name());
  return value;
}

std::optional<std::string> read_bool(const std::string& name, const json& value, bool& to) {
  if (!value.is_boolean()) return name + " must be true or false";
  to = value.get<bool>();
  return std::nullopt;
}

std::optional<std::string> read_duration(const std::string& name, const json& value, std::optional<milliseconds>& to) {
  if (value.is_string()) to = parse_duration(value.get_ref<const std::string&>());
  return to ? std::nullopt : std::optional(name + " must be a duration in a string, such as \"30s\"");
}

std::optional<std::string> read_action(const json& value, std::optional<DrainAction>& to) {
  if (value == "pause") to = DrainAction::Pause;
  if (value == "resume") to = DrainAction::Resume;
  if (value == "hurry") to = DrainAction::Hurry;
  return to ? std::nullopt : std::optional<std::string>("action must be \"pause\", \"resume\" or \"hurry\"");
}

std::optional<std::string> read_drain_member(const std::string& name, const json& value, DrainRequest& request) {
  if (name == "action") return read_action(value, request.action);
  if (name == "over") return read_duration(name, value, request.over);
  if (name == "deadline") return read_duration(name, value, request.deadline);
  if (name == "soft") return read_bool(name, value, request.soft);
  if (name == "whole_keys") return read_bool(name, value, request.whole_keys);
  if (name == "force") return read_bool(name, value, request.force);
  if (name == "dry_run") return read_bool(name, value, request.dry_run);
  return "unknown '" + name + "'; expected over, deadline, soft, whole_keys, force, dry_run or action";
}

// Answers: a member that is missing or null keeps what is there.
template <typename T>
void take(const json& from, const char* name, T& to) {
  const auto it = from.find(name);
  if (it != from.end() && !it->is_null()) it->get_to(to);
}

// A duration in seconds; null is one without end.
void take_seconds(const json& from, const char* name, double& to) {
  const auto it = from.find(name);
  if (it == from.end()) return;
  to = it->is_null() ? std::numeric_limits<double>::infinity() : it->get<double>();
}

void take_heavy(const json& from, std::vector<std::pair<std::string, std::uint64_t>>& to) {
  const auto it = from.find("heavy");
  if (it == from.end()) return;
  for (const json& key : *it)
    to.emplace_back(key.at("key").get<std::string>(), key.at("sessions").get<std::uint64_t>());
}

DrainStatus drain_from(const json& from) {
  DrainStatus drain;
  take(from, "total", drain.total);
  take(from, "remaining", drain.remaining);
  take(from, "moved", drain.moved);
  take(from, "cut", drain.cut);
  take_seconds(from, "over_s", drain.over_s);
  take_seconds(from, "deadline_s", drain.deadline_s);
  take_seconds(from, "elapsed_s", drain.elapsed_s);
  take_seconds(from, "eta_s", drain.eta_s);
  take(from, "paused", drain.paused);
  take_heavy(from, drain.heavy);
  return drain;
}

BackendStatus backend_from(const json& from) {
  BackendStatus backend;
  from.at("name").get_to(backend.name);
  take(from, "address", backend.address);
  from.at("state").get_to(backend.state);
  take(from, "health", backend.health);
  take(from, "weight", backend.weight);
  take(from, "share", backend.share);
  take(from, "keys", backend.keys);
  take(from, "sessions", backend.sessions);
  if (from.contains("drain") && from["drain"].is_object()) backend.drain = drain_from(from["drain"]);
  return backend;
}

PoolStatus pool_from(const json& from) {
  PoolStatus pool;
  from.at("name").get_to(pool.name);
  take(from, "algorithm", pool.algorithm);
  take(from, "digest", pool.digest);
  take(from, "misplaced_keys", pool.misplaced_keys);
  for (const json& backend : from.at("backends")) pool.backends.push_back(backend_from(backend));
  return pool;
}

std::vector<PoolStatus> pools_from(const json& from) {
  std::vector<PoolStatus> pools;
  for (const json& pool : from.at("pools")) pools.push_back(pool_from(pool));
  return pools;
}

SessionInfo session_from(const json& from) {
  SessionInfo session;
  from.at("id").get_to(session.id);
  take(from, "protocol", session.protocol);
  take(from, "pool", session.pool);
  take(from, "backend", session.backend);
  take(from, "key", session.key);
  take(from, "pick_reason", session.pick_reason);
  take(from, "client", session.client);
  take(from, "route", session.route);
  take(from, "listener", session.listener);
  take(from, "state", session.state);
  take_seconds(from, "age_s", session.age_s);
  take_seconds(from, "idle_s", session.idle_s);
  take(from, "bytes_to_client", session.bytes_to_client);
  take(from, "bytes_to_backend", session.bytes_to_backend);
  take(from, "messages_to_client", session.messages_to_client);
  take(from, "messages_to_backend", session.messages_to_backend);
  return session;
}

std::vector<SessionInfo> sessions_from(const json& from) {
  std::vector<SessionInfo> sessions;
  for (const json& session : from.at("sessions")) sessions.push_back(session_from(session));
  return sessions;
}

// What `build` makes of the parsed text; nullopt where the text is not JSON or `build` finds it of another shape.
template <typename Build>
auto parsed(std::string_view text, Build build) -> std::optional<decltype(build(json()))> {
  try {
    return build(json::parse(text));
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

Result<DrainRequest> parse_drain_request(std::string_view body) {
  const auto object = read_object(body);
  if (!object) return object.error();
  DrainRequest request;
  for (const auto& [name, value] : object.value().items()) {
    if (auto problem = read_drain_member(name, value, request)) return bad(*problem);
  }
  if (request.action && object.value().size() > 1) return bad("action stands alone, without other members");
  return request;
}

Result<SessionFilter> parse_close_request(std::string_view body) {
  const auto object = read_object(body);
  if (!object) return object.error();
  SessionFilter filter;
  for (const auto& [name, value] : object.value().items()) {
    if (name == "limit") return bad("limit does not apply to closing: all sessions that match are closed");
    if (!value.is_string()) return bad(name + " must be a string");
    const auto& text = value.get_ref<const std::string&>();
    if (text.empty()) return bad(name + " is empty: leave it out to match any");
    if (auto problem = set_filter_member(filter, name, text)) return bad(*problem);
  }
  return filter;
}

std::optional<std::string> problem_of_empty_request(std::string_view body) {
  const auto object = read_object(body);
  if (!object) return object.error().what;
  if (object.value().empty()) return std::nullopt;
  return "unknown '" + object.value().begin().key() + "': this call takes no members";
}

std::optional<Status> parse_status(std::string_view text) {
  return parsed(text, [](const json& from) {
    Status status;
    from.at("version").get_to(status.version);
    take_seconds(from, "uptime_s", status.uptime_s);
    take(from, "pid", status.pid);
    take(from, "workers", status.workers);
    take(from, "state", status.state);
    take(from, "sessions", status.sessions);
    status.pools = pools_from(from);
    return status;
  });
}

std::optional<std::vector<PoolStatus>> parse_pools(std::string_view text) {
  return parsed(text, pools_from);
}

std::optional<PoolStatus> parse_pool(std::string_view text) {
  return parsed(text, pool_from);
}

std::optional<DrainPlan> parse_plan(std::string_view text) {
  return parsed(text, [](const json& from) {
    DrainPlan plan;
    from.at("sessions").get_to(plan.sessions);
    take(from, "keys", plan.keys);
    take_seconds(from, "takes_s", plan.takes_s);
    take(from, "goes_to", plan.goes_to);
    take(from, "load_after", plan.load_after);
    take_heavy(from, plan.heavy);
    return plan;
  });
}

std::optional<Where> parse_where(std::string_view text) {
  return parsed(text, [](const json& from) {
    Where where;
    from.at("key").get_to(where.key);
    from.at("backend").get_to(where.backend);
    take(from, "reason", where.reason);
    take(from, "ranking", where.ranking);
    where.sessions = sessions_from(from);
    return where;
  });
}

std::optional<std::vector<SessionInfo>> parse_sessions(std::string_view text) {
  return parsed(text, sessions_from);
}

std::optional<std::uint64_t> parse_closing(std::string_view text) {
  return parsed(text, [](const json& from) { return from.at("closing").get<std::uint64_t>(); });
}

std::string parse_error(std::string_view text) {
  return parsed(text, [](const json& from) { return from.at("error").get<std::string>(); }).value_or("");
}

}  // namespace limpet::admin
