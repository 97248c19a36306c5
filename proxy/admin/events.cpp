// SPDX-License-Identifier: Apache-2.0
// See events.h. When a client vanishes, evhttp detaches the request (which is ours to free then), calls back, and
// frees the connection.
#include "proxy/admin/events.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include <algorithm>

#include "proxy/admin/endpoint.h"

namespace limpet::admin {

namespace {

constexpr timeval kEvery{1, 0};
// Bytes that may wait for a client before it misses an event.
constexpr std::size_t kMaxWaiting = 256 * 1024;

std::string event_text(const std::string& status) {
  return "event: status\ndata: " + status + "\n\n";
}

}  // namespace

AdminEvents::AdminEvents(event_base* base, std::function<std::string()> status) : status_(std::move(status)) {
  tick_ = event_new(
      base, -1, EV_PERSIST, [](evutil_socket_t, short, void* self) { static_cast<AdminEvents*>(self)->publish(); },
      this);
}

AdminEvents::~AdminEvents() {
  event_free(tick_);
  for (const Stream& stream : streams_) evhttp_connection_set_closecb(stream.connection, nullptr, nullptr);
}

void AdminEvents::add(evhttp_request* request) {
  evhttp_connection* connection = evhttp_request_get_connection(request);
  evhttp_connection_set_closecb(
      connection, [](evhttp_connection* closed, void* self) { static_cast<AdminEvents*>(self)->client_left(closed); },
      this);
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", "text/event-stream; charset=utf-8");
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
  evhttp_add_header(headers, "Connection", "close");
  evhttp_send_reply_start(request, 200, "OK");
  // A client of a stream is silent for good: only its not reading has a time limit.
  const timeval write_timeout{AdminEndpoint::kTimeoutSeconds, 0};
  bufferevent_set_timeouts(evhttp_connection_get_bufferevent(connection), nullptr, &write_timeout);
  send(request, "retry: 2000\n" + event_text(status_()));
  if (streams_.empty()) event_add(tick_, &kEvery);
  streams_.push_back({request, connection});
}

void AdminEvents::publish() {
  if (streams_.empty()) return;
  const std::string text = event_text(status_());
  for (const Stream& stream : streams_) {
    evbuffer* waiting = bufferevent_get_output(evhttp_connection_get_bufferevent(stream.connection));
    if (evbuffer_get_length(waiting) < kMaxWaiting) send(stream.request, text);
  }
}

void AdminEvents::send(evhttp_request* request, const std::string& text) {
  evbuffer* chunk = evbuffer_new();
  evbuffer_add(chunk, text.data(), text.size());
  evhttp_send_reply_chunk(request, chunk);
  evbuffer_free(chunk);
}

void AdminEvents::client_left(evhttp_connection* connection) {
  const auto gone = std::find_if(streams_.begin(), streams_.end(),
                                 [&](const Stream& stream) { return stream.connection == connection; });
  if (gone == streams_.end()) return;
  if (evhttp_request_get_connection(gone->request) == nullptr) evhttp_request_free(gone->request);
  streams_.erase(gone);
  if (streams_.empty()) event_del(tick_);
}

}  // namespace limpet::admin
