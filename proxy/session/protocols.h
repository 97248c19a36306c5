// SPDX-License-Identifier: Apache-2.0
// Protocols: what a worker does with an accepted connection. The worker knows no protocol: whoever makes it says who
// speaks on which listener (session/http/http_protocol.h, for listeners that speak HTTP).
#pragma once

#include <cstdint>
#include <memory>

#include "proxy/net/address.h"
#include "proxy/net/stream.h"
#include "proxy/session/listener.h"

namespace limpet::session {

class Worker;

struct Accepted {
  ListenerId listener = 0;  // of the worker's table
  std::unique_ptr<net::Stream> stream;
  net::Address peer;
};

class Protocols {
 public:
  // Takes the connection over: it is counted as open until Worker::connection_closed(). On the worker's thread; called
  // by several workers at once.
  virtual void begin(Worker& worker, Accepted connection) = 0;

 protected:
  ~Protocols() = default;
};

}  // namespace limpet::session
