// SPDX-License-Identifier: Apache-2.0
// One listening socket of the admin API with its evhttp: bounds on heads, bodies, times and connections. evhttp has no
// limit on connections and no hook for their end, so a reference to each connection's bufferevent is held and looked at
// now and then: past the limit accepting pauses. Every connection serves one request. Owned by Admin, used on the
// control loop.
#pragma once

#include <functional>
#include <vector>

#include "proxy/base/fd.h"

struct bufferevent;
struct event;
struct event_base;
struct evconnlistener;
struct evhttp;
struct evhttp_request;

namespace limpet::admin {

class AdminEndpoint {
 public:
  using Serve = std::function<void(evhttp_request*)>;

  static constexpr std::size_t kMaxConnections = 100;
  static constexpr long kMaxHead = 16 * 1024;
  static constexpr long kMaxBody = 64 * 1024;
  static constexpr int kTimeoutSeconds = 10;  // for a whole head or body without progress, and for a reader that stalls

  // `listening` is bound, listens and is non-blocking. `serve` answers every request, now or later.
  AdminEndpoint(event_base* base, Fd listening, Serve serve);
  ~AdminEndpoint();
  AdminEndpoint(const AdminEndpoint&) = delete;
  AdminEndpoint& operator=(const AdminEndpoint&) = delete;

 private:
  bufferevent* open_connection();
  void sweep();  // lets ended connections go; accepts again where there is room

  const Serve serve_;
  event_base* const base_;
  evhttp* http_ = nullptr;
  evconnlistener* listener_ = nullptr;
  event* sweeping_ = nullptr;
  std::vector<bufferevent*> connections_;  // one reference each
};

}  // namespace limpet::admin
