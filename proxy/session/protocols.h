// SPDX-License-Identifier: Apache-2.0
// Protocols: what a worker does with an accepted connection. The worker knows no protocol: whoever makes it says who
// speaks on which listener (session/http/http_protocol.h, for listeners that speak HTTP).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "proxy/net/stream.h"
#include "proxy/session/connection.h"
#include "proxy/session/listener.h"

namespace limpet::session {

class Worker;

struct Accepted {
  ListenerId listener;  // of the worker's table
  std::unique_ptr<net::Stream> stream;
  std::unique_ptr<const ConnectionInfo> info;
  ConnectionToken token;
  std::string read_ahead;  // what was read before it was known who speaks: it comes first
};

class Protocols {
 public:
  // Takes the connection over. On the worker's thread; called by several workers at once.
  virtual void begin(Worker& worker, Accepted connection) = 0;

 protected:
  ~Protocols() = default;
};

}  // namespace limpet::session
