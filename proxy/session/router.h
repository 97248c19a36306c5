// SPDX-License-Identifier: Apache-2.0
// Snapshot and Router: what one configuration means to the workers. Immutable, and exchanged as a whole; workers share
// it. A session keeps its route's settings, its backend and its listener's id, not the snapshot. Pools are no part of
// it: they stay, and exchange their own views (pool.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/base/crypto.h"
#include "proxy/session/listener.h"
#include "proxy/session/pool.h"
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

  // Whether match() looks at the host.
  bool names_hosts() const { return !exact_.empty() || !wildcard_.empty(); }
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

struct Snapshot {
  // `gate_seed`: of the listeners' gates (ClientGate).
  Snapshot(Settings from, std::vector<std::shared_ptr<Pool>> pools, std::uint64_t gate_seed = random64());

  const Settings settings;
  const std::vector<std::shared_ptr<Pool>> pools;
  const Router router;
  const std::vector<std::shared_ptr<const Listener>> listeners;  // in the order of the settings

  Pool* find_pool(std::string_view name) const;
};

}  // namespace limpet::session
