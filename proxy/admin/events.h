// SPDX-License-Identifier: Apache-2.0
// GET /v1/events: the open event streams (WHATWG HTML, server-sent events) to which each status goes. A client that
// does not read misses events rather than filling memory, and is dropped by the write timeout. Owned by Admin, on the
// control loop.
#pragma once

#include <functional>
#include <string>
#include <vector>

struct event;
struct event_base;
struct evhttp_connection;
struct evhttp_request;

namespace limpet::admin {

class AdminEvents {
 public:
  // `status` gives the JSON of the moment; called only while somebody listens.
  AdminEvents(event_base* base, std::function<std::string()> status);
  // Leaves the connections to their evhttp: Requires that it is freed afterwards.
  ~AdminEvents();
  AdminEvents(const AdminEvents&) = delete;
  AdminEvents& operator=(const AdminEvents&) = delete;

  // Takes over a request whose answer has not begun; sends a status at once and one each second.
  void add(evhttp_request* request);
  // Sends one status to everybody now.
  void publish();

 private:
  static void send(evhttp_request* request, const std::string& text);
  void client_left(evhttp_connection* connection);

  const std::function<std::string()> status_;
  event* tick_ = nullptr;
  struct Stream {
    evhttp_request* request;
    evhttp_connection* connection;
  };
  std::vector<Stream> streams_;
};

}  // namespace limpet::admin
