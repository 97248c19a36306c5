// SPDX-License-Identifier: Apache-2.0
// Backend: one server of the tests, in the tests' own process and loop. By path it serves a WebSocket (/ws), an event
// stream
// (/events), a long poll (/poll) or a slow response (/slow); each answer names the backend in X-Backend.
// It writes into the same log as the clients, under the connection number that the request brings in `conn`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/event_hub.h"
#include "tests/e2e/event_log.h"
#include "tests/e2e/http_head.h"
#include "tests/e2e/stream.h"
#include "tests/e2e/ws_peer.h"

namespace limpet::e2e {

// What answers one request on a connection.
class Serving {
 public:
  virtual ~Serving() = default;
  virtual void on_bytes(std::string_view bytes) = 0;
  virtual void on_end() = 0;
  virtual void stop_sending() {}
  virtual bool done() const = 0;  // the connection is ready for its next request
};

class Backend {
 public:
  struct Options {
    std::string name;
    Traffic traffic;
    double poll_hold = 0.5;  // seconds, at most, before a long poll is answered
    double slow_body = 3.0;  // seconds that a response of /slow takes
  };

  Backend(Loop& loop, EventLog& log, EventHub& hub, Options options);
  ~Backend();

  std::uint16_t port() const { return acceptor_.port(); }
  const std::string& name() const { return options_.name; }
  std::size_t requests() const { return requests_; }
  void stop_sending();  // of its own accord, over WebSockets

 private:
  class Incoming;
  std::unique_ptr<Serving> serve(const HttpHead& head, Stream& stream);

  Loop& loop_;
  EventLog& log_;
  EventHub& hub_;
  const Options options_;

  Acceptor acceptor_;
  std::vector<std::unique_ptr<Incoming>> incoming_;

  std::size_t requests_ = 0;
};

}  // namespace limpet::e2e
