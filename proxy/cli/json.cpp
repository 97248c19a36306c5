// SPDX-License-Identifier: Apache-2.0
// See json.h. Members are added, never renamed: scripts read them.
#include "proxy/cli/json.h"

#include "proxy/admin/json_text.h"

namespace limpet::cli {

using config::ConfigResult;
using config::Problem;
using nlohmann::ordered_json;

std::string check_json(const std::string& path, const ConfigResult& config) {
  ordered_json json = {{"file", path}, {"ok", config.settings.has_value()}, {"problems", ordered_json::array()}};
  for (const Problem& problem : config.problems) {
    json["problems"].push_back(
        {{"file", problem.file}, {"line", problem.line}, {"column", problem.column}, {"error", problem.what}});
  }
  if (!config.settings) return admin::json_text(json);
  std::size_t backends = 0;
  for (const auto& pool : config.settings->pools) backends += pool->backends.size();
  json["listeners"] = config.settings->listeners.size();
  json["routes"] = config.settings->routes.size();
  json["pools"] = config.settings->pools.size();
  json["backends"] = backends;
  return admin::json_text(json);
}

std::string version_json(const std::string& version, const std::string& build,
                         const std::vector<std::pair<std::string, std::string>>& libraries) {
  ordered_json json = {{"version", version}, {"build", build}, {"libraries", ordered_json::object()}};
  for (const auto& [name, its_version] : libraries) json["libraries"][name] = its_version;
  return admin::json_text(json);
}

std::string json_library_version() {
  return std::to_string(NLOHMANN_JSON_VERSION_MAJOR) + "." + std::to_string(NLOHMANN_JSON_VERSION_MINOR) + "." +
         std::to_string(NLOHMANN_JSON_VERSION_PATCH);
}

std::string drains_json(const std::vector<DrainView>& drains) {
  ordered_json json = {{"backends", ordered_json::array()}};
  for (const DrainView& view : drains) {
    ordered_json one = {{"pool", view.name.pool},           {"backend", view.name.backend}, {"state", view.state},
                        {"total", view.drain.total},        {"moved", view.drain.moved},    {"cut", view.drain.cut},
                        {"elapsed_s", view.drain.elapsed_s}};
    if (!view.error.empty()) one["error"] = view.error;
    json["backends"].push_back(std::move(one));
  }
  return admin::json_text(json);
}

std::string answers_json(const std::vector<std::pair<BackendName, std::string>>& answers) {
  ordered_json json = {{"backends", ordered_json::array()}};
  for (const auto& [name, answer] : answers) {
    ordered_json one = {{"pool", name.pool}, {"backend", name.backend}};
    const ordered_json members = ordered_json::parse(answer, nullptr, false);
    if (members.is_object()) one.update(members);
    json["backends"].push_back(std::move(one));
  }
  return admin::json_text(json);
}

}  // namespace limpet::cli
