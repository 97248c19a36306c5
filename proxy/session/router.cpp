// SPDX-License-Identifier: Apache-2.0
// Matching is three look-ups: the exact host, wildcards from the longest suffix on, routes without a host. Each leads
// to routes in order, of which the first that fits the listener and the path is the answer.
#include "proxy/session/router.h"

#include <algorithm>

#include "proxy/wire/uri.h"

namespace limpet::session {

namespace {

Pool* pool_named(const std::vector<std::shared_ptr<Pool>>& pools, std::string_view name) {
  for (const auto& pool : pools) {
    if (pool->name == name) return pool.get();
  }
  return nullptr;
}

std::string_view without_final_slash(std::string_view path) {
  return path.size() > 1 && path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
}

std::vector<std::shared_ptr<const Listener>> make_listeners(const Settings& settings, const Router& router,
                                                            std::uint64_t gate_seed) {
  std::vector<std::shared_ptr<const Listener>> result;
  for (const auto& listener : settings.listeners) {
    result.push_back(std::make_shared<const Listener>(Listener{
        listener, router.before_routing(listener.name), std::make_shared<ClientGate>(listener.limits, gate_seed)}));
  }
  return result;
}

}  // namespace

Router::Router(const Settings& settings, const std::vector<std::shared_ptr<Pool>>& pools) {
  for (const auto& route : settings.routes) {
    const Route entry{route, pool_named(pools, route->pool)};
    if (route->host.empty()) {
      any_.push_back(entry);
    } else if (route->host.starts_with("*.")) {
      const std::string suffix = route->host.substr(1);
      auto found = std::find_if(wildcard_.begin(), wildcard_.end(), [&](const auto& w) { return w.first == suffix; });
      if (found == wildcard_.end()) found = wildcard_.insert(wildcard_.end(), {suffix, {}});
      found->second.push_back(entry);
    } else {
      exact_[route->host].push_back(entry);
    }
  }
  const auto longest_first = [](Routes& routes) {
    std::stable_sort(routes.begin(), routes.end(), [](const Route& a, const Route& b) {
      return without_final_slash(a.settings->path).size() > without_final_slash(b.settings->path).size();
    });
  };
  for (auto& [host, routes] : exact_) longest_first(routes);
  for (auto& [suffix, routes] : wildcard_) longest_first(routes);
  longest_first(any_);
  std::stable_sort(wildcard_.begin(), wildcard_.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });

  for (const auto& listener : settings.listeners) {
    HttpSettings widest;
    bool first = true;
    const auto widen = [&](const HttpSettings& http) {
      widest.max_head = first ? http.max_head : std::max(widest.max_head, http.max_head);
      widest.request_header_timeout =
          first ? http.request_header_timeout : std::max(widest.request_header_timeout, http.request_header_timeout);
      first = false;
    };
    for (const auto& route : settings.routes) {
      if (route->listener.empty() || route->listener == listener.name) widen(route->http);
    }
    if (!listener.pool.empty()) {
      auto implied = std::make_shared<RouteSettings>();
      implied->pool = listener.pool;
      if (first) widen(implied->http);
      fallback_[listener.name] = {implied, pool_named(pools, listener.pool)};
    }
    before_routing_[listener.name] = widest;
  }
}

const Route* Router::match_in(const Routes& routes, std::string_view listener, std::string_view path) {
  for (const auto& route : routes) {
    if (!route.settings->listener.empty() && route.settings->listener != listener) continue;
    if (wire::path_has_prefix(path, route.settings->path)) return &route;
  }
  return nullptr;
}

const Route* Router::match(std::string_view listener, std::string_view host, std::string_view path) const {
  if (const auto found = exact_.empty() ? exact_.end() : exact_.find(std::string(host)); found != exact_.end()) {
    if (const Route* route = match_in(found->second, listener, path)) return route;
  }
  for (const auto& [suffix, routes] : wildcard_) {
    if (host.size() <= suffix.size() || !host.ends_with(suffix)) continue;
    if (const Route* route = match_in(routes, listener, path)) return route;
  }
  if (const Route* route = match_in(any_, listener, path)) return route;
  const auto found = fallback_.find(std::string(listener));
  return found == fallback_.end() ? nullptr : &found->second;
}

const HttpSettings& Router::before_routing(std::string_view listener) const {
  static const HttpSettings kDefaults;
  const auto found = before_routing_.find(std::string(listener));
  return found == before_routing_.end() ? kDefaults : found->second;
}

Snapshot::Snapshot(Settings from, std::vector<std::shared_ptr<Pool>> all, std::uint64_t gate_seed)
    : settings(std::move(from)),
      pools(std::move(all)),
      router(settings, pools),
      listeners(make_listeners(settings, router, gate_seed)) {}

Pool* Snapshot::find_pool(std::string_view name) const {
  return pool_named(pools, name);
}

}  // namespace limpet::session
