// SPDX-License-Identifier: Apache-2.0
// See endpoint.h. A bufferevent that evhttp has let go of has lost its callbacks: that is how its end is seen.
#include "proxy/admin/endpoint.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#include <cstdlib>

namespace limpet::admin {

namespace {

constexpr timeval kSweepEvery{0, 250000};
// More than any head and body: what a client sends beyond is not read while it waits for its answer.
constexpr std::size_t kMaxUnread = AdminEndpoint::kMaxHead + AdminEndpoint::kMaxBody;

bool is_let_go(bufferevent* connection) {
  bufferevent_event_cb on_event = nullptr;
  bufferevent_getcb(connection, nullptr, nullptr, &on_event, nullptr);
  return on_event == nullptr;
}

}  // namespace

AdminEndpoint::AdminEndpoint(event_base* base, Fd listening, Serve serve) : serve_(std::move(serve)), base_(base) {
  http_ = evhttp_new(base);
  listener_ =
      evconnlistener_new(base, nullptr, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listening.release());
  if (http_ == nullptr || listener_ == nullptr) std::abort();  // out of memory at start
  evhttp_set_max_headers_size(http_, kMaxHead);
  evhttp_set_max_body_size(http_, kMaxBody);
  evhttp_set_timeout(http_, kTimeoutSeconds);
  evhttp_set_default_content_type(http_, nullptr);
  // All that it knows, so that the answer to a wrong one is ours: 405.
  evhttp_set_allowed_methods(http_, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                        EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT |
                                        EVHTTP_REQ_PATCH);
  evhttp_set_gencb(
      http_, [](evhttp_request* request, void* self) { static_cast<AdminEndpoint*>(self)->serve_(request); }, this);
  evhttp_set_bevcb(
      http_, [](event_base*, void* self) { return static_cast<AdminEndpoint*>(self)->open_connection(); }, this);
  evhttp_bind_listener(http_, listener_);
  sweeping_ = event_new(
      base, -1, EV_PERSIST, [](evutil_socket_t, short, void* self) { static_cast<AdminEndpoint*>(self)->sweep(); },
      this);
  // Out of descriptors, most likely: trying again at once would spin, so the next sweep does.
  evconnlistener_set_error_cb(listener_, [](evconnlistener* listener, void*) { evconnlistener_disable(listener); });
  event_add(sweeping_, &kSweepEvery);
}

AdminEndpoint::~AdminEndpoint() {
  event_free(sweeping_);
  evhttp_free(http_);  // the listener, too
  for (bufferevent* connection : connections_) bufferevent_decref(connection);
}

bufferevent* AdminEndpoint::open_connection() {
  bufferevent* connection = bufferevent_socket_new(base_, -1, BEV_OPT_CLOSE_ON_FREE);
  if (connection == nullptr) return nullptr;
  bufferevent_setwatermark(connection, EV_READ, 0, kMaxUnread);
  bufferevent_incref(connection);
  connections_.push_back(connection);
  if (connections_.size() >= kMaxConnections) evconnlistener_disable(listener_);
  return connection;
}

void AdminEndpoint::sweep() {
  std::erase_if(connections_, [](bufferevent* connection) {
    if (!is_let_go(connection)) return false;
    bufferevent_decref(connection);
    return true;
  });
  if (connections_.size() < kMaxConnections) evconnlistener_enable(listener_);
}

}  // namespace limpet::admin
