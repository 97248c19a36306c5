// SPDX-License-Identifier: Apache-2.0
// The writing half of json.h. Names and shapes are the public contract: members are added, never renamed.
#include "proxy/admin/json.h"

#include <algorithm>
#include <cmath>

#include "proxy/admin/json_text.h"
#include "proxy/config/config.h"

namespace limpet::admin {

using config::duration_text;

namespace {

using nlohmann::ordered_json;

// Milliseconds are enough, and read better. Not finite: null.
ordered_json seconds(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::round(value * 1000) / 1000;
}

ordered_json counts(const std::map<std::string, std::uint64_t>& values) {
  ordered_json json = ordered_json::object();
  for (const auto& [name, n] : values) json[name] = n;
  return json;
}

ordered_json heavy_keys(const std::vector<std::pair<std::string, std::uint64_t>>& heavy) {
  ordered_json json = ordered_json::array();
  for (const auto& [key, sessions] : heavy) json.push_back({{"key", key}, {"sessions", sessions}});
  return json;
}

ordered_json drain_members(const DrainStatus& drain) {
  return {{"total", drain.total},
          {"remaining", drain.remaining},
          {"moved", drain.moved},
          {"cut", drain.cut},
          {"over_s", seconds(drain.over_s)},
          {"deadline_s", seconds(drain.deadline_s)},
          {"elapsed_s", seconds(drain.elapsed_s)},
          {"eta_s", seconds(drain.eta_s)},
          {"paused", drain.paused},
          {"heavy", heavy_keys(drain.heavy)}};
}

ordered_json backend_members(const BackendStatus& backend) {
  return {{"name", backend.name},
          {"address", backend.address},
          {"state", backend.state},
          {"health", backend.health},
          {"weight", backend.weight},
          {"share", backend.share},
          {"keys", backend.keys},
          {"sessions", counts(backend.sessions)},
          {"drain", backend.drain ? drain_members(*backend.drain) : ordered_json(nullptr)}};
}

ordered_json pool_members(const PoolStatus& pool) {
  ordered_json backends = ordered_json::array();
  for (const auto& backend : pool.backends) backends.push_back(backend_members(backend));
  return {{"name", pool.name},
          {"algorithm", pool.algorithm},
          {"digest", pool.digest},
          {"misplaced_keys", pool.misplaced_keys},
          {"backends", std::move(backends)}};
}

ordered_json pool_list(const std::vector<PoolStatus>& pools) {
  ordered_json json = ordered_json::array();
  for (const auto& pool : pools) json.push_back(pool_members(pool));
  return json;
}

ordered_json session_members(const SessionInfo& session) {
  return {{"id", session.id},
          {"protocol", session.protocol},
          {"pool", session.pool},
          {"backend", session.backend},
          {"key", session.key},
          {"pick_reason", session.pick_reason},
          {"client", session.client},
          {"route", session.route},
          {"listener", session.listener},
          {"state", session.state},
          {"age_s", seconds(session.age_s)},
          {"idle_s", seconds(session.idle_s)},
          {"bytes_to_client", session.bytes_to_client},
          {"bytes_to_backend", session.bytes_to_backend},
          {"messages_to_client", session.messages_to_client},
          {"messages_to_backend", session.messages_to_backend}};
}

ordered_json session_list(const std::vector<SessionInfo>& sessions) {
  ordered_json json = ordered_json::array();
  for (const auto& session : sessions) json.push_back(session_members(session));
  return json;
}

std::string_view name(DrainAction action) {
  switch (action) {
  case DrainAction::Pause:
    return "pause";
  case DrainAction::Resume:
    return "resume";
  case DrainAction::Hurry:
    return "hurry";
  }
  return "";
}

}  // namespace

DrainOrder order_of(const DrainRequest& request) {
  DrainOrder order;
  order.over = request.over.value_or(order.over);
  order.deadline = request.deadline.value_or(std::max(order.deadline, order.over + milliseconds(30000)));
  order.soft = request.soft;
  order.whole_keys = request.whole_keys;
  order.force = request.force;
  order.dry_run = request.dry_run;
  return order;
}

std::string status_json(const Status& status) {
  return json_text({{"version", status.version},
                    {"uptime_s", seconds(status.uptime_s)},
                    {"pid", status.pid},
                    {"workers", status.workers},
                    {"state", status.state},
                    {"sessions", counts(status.sessions)},
                    {"pools", pool_list(status.pools)}});
}

std::string pools_json(const std::vector<PoolStatus>& pools) {
  ordered_json json = ordered_json::object();
  json["pools"] = pool_list(pools);
  return json_text(json);
}

std::string pool_json(const PoolStatus& pool) {
  return json_text(pool_members(pool));
}

std::string backend_json(const BackendStatus& backend) {
  return json_text(backend_members(backend));
}

std::string drain_json(const DrainStatus& drain, const DrainPlan& plan, bool dry_run) {
  ordered_json json = drain_members(drain);
  json["dry_run"] = dry_run;
  json["sessions"] = plan.sessions;
  json["keys"] = plan.keys;
  json["takes_s"] = seconds(plan.takes_s);
  json["goes_to"] = counts(plan.goes_to);
  json["load_after"] = counts(plan.load_after);
  json["heavy"] = heavy_keys(plan.heavy);
  return json_text(json);
}

std::string where_json(const Where& where) {
  return json_text({{"key", where.key},
                    {"backend", where.backend},
                    {"reason", where.reason},
                    {"ranking", where.ranking},
                    {"sessions", session_list(where.sessions)}});
}

std::string sessions_json(const std::vector<SessionInfo>& sessions) {
  ordered_json json = ordered_json::object();
  json["sessions"] = session_list(sessions);
  return json_text(json);
}

std::string closing_json(std::uint64_t n) {
  return json_text(ordered_json{{"closing", n}});
}

std::string stopping_json(int pid) {
  return json_text(ordered_json{{"stopping", true}, {"pid", pid}});
}

std::string error_json(std::string_view what) {
  return json_text(ordered_json{{"error", what}});
}

std::string drain_request_json(const DrainRequest& request) {
  ordered_json json = ordered_json::object();
  if (request.action) json["action"] = name(*request.action);
  if (request.over) json["over"] = duration_text(*request.over);
  if (request.deadline) json["deadline"] = duration_text(*request.deadline);
  if (request.soft) json["soft"] = true;
  if (request.whole_keys) json["whole_keys"] = true;
  if (request.force) json["force"] = true;
  if (request.dry_run) json["dry_run"] = true;
  return json_text(json);
}

std::string close_request_json(const SessionFilter& filter) {
  ordered_json json = ordered_json::object();
  if (!filter.pool.empty()) json["pool"] = filter.pool;
  if (!filter.backend.empty()) json["backend"] = filter.backend;
  if (!filter.protocol.empty()) json["protocol"] = filter.protocol;
  if (!filter.key.empty()) json["key"] = filter.key;
  if (filter.min_age.count() > 0) json["min_age"] = duration_text(filter.min_age);
  if (filter.min_idle.count() > 0) json["min_idle"] = duration_text(filter.min_idle);
  return json_text(json);
}

}  // namespace limpet::admin
