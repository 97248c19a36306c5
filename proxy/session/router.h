// SPDX-License-Identifier: Apache-2.0
// Snapshot and Router: what one configuration means to the workers. Immutable; the control loop builds it and posts it
// to each worker. A session keeps its route and its backend, not the snapshot.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/session/backend.h"
#include "proxy/session/client_limits.h"
#include "proxy/session/settings.h"

namespace limpet::session {

struct Route {
  std::shared_ptr<const RouteSettings> settings;
  Pool* pool = nullptr;
};

// The most specific route wins: exact host before wildcard before none, then the longer path; file order breaks ties.
class Router {
 public:
  Router(const Settings& settings, const std::vector<std::shared_ptr<Pool>>& pools);

  // `host` in lower case without a port; `path` normalised. Null where none matches.
  const Route* match(std::string_view listener, std::string_view host, std::string_view path) const;

  // The limits of a head whose route is not known yet: the most generous that any route of the listener grants.
  const HttpSettings& before_routing(std::string_view listener) const;

 private:
  using Routes = std::vector<Route>;  // longest path first
  static const Route* match_in(const Routes& routes, std::string_view listener, std::string_view path);

  std::unordered_map<std::string, Routes> exact_;
  std::vector<std::pair<std::string, Routes>> wildcard_;  // ".example.com", longest first
  Routes any_;
  std::unordered_map<std::string, Route> fallback_;               // by listener: its pool
  std::unordered_map<std::string, HttpSettings> before_routing_;  // by listener
};

struct Listener {
  ListenerSettings settings;
  HttpSettings before_routing;  // as the router says
  std::unique_ptr<ClientGate> gate;
};

struct Snapshot {
  Snapshot(Settings from, std::vector<std::shared_ptr<Pool>> pools);

  const Settings settings;
  const std::vector<std::shared_ptr<Pool>> pools;
  const Router router;
  const std::vector<Listener> listeners;

  Pool* find_pool(std::string_view name) const;
};

}  // namespace limpet::session
