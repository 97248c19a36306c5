// SPDX-License-Identifier: Apache-2.0
// What is known of a client's connection, and the token by which it counts as one. Both live with whatever owns the
// connection, not with its stream: a stream of HTTP/2 is no connection, and a session that goes on after its HTTP
// connection (an upgrade) takes the token along. Used by the worker's thread.
#pragma once

#include <string>
#include <utility>

#include "proxy/base/recycled.h"
#include "proxy/net/address.h"

namespace limpet::session {

class SessionRecord;
class Worker;

// Constant once the connection's handshakes (PROXY, TLS) are over.
struct ConnectionInfo : Recycled<ConnectionInfo> {
  net::Address peer;           // the client, or whoever stands in front of it
  net::Address local;          // where it came in; unset where the listener is bound to no one address
  bool secure = false;         // over TLS
  std::string alpn;            // the protocol that TLS agreed on; "": none
  std::string sni;             // the name that the client asked for; "": none
  std::string client_subject;  // of a verified client certificate, as RFC 4514 text; "": none
};

// Counts one client connection from its making to its end.
class ConnectionToken {
 public:
  explicit ConnectionToken(Worker& worker);
  ConnectionToken(ConnectionToken&& other) noexcept : worker_(std::exchange(other.worker_, nullptr)) {}
  ConnectionToken& operator=(ConnectionToken&&) = delete;
  ~ConnectionToken() { give_back(); }

  // The connection ends now. Idempotent.
  void give_back();
  // The connection is the session's from here on, and ends with it.
  void move_to(SessionRecord& record);

 private:
  Worker* worker_;  // null: given back
};

}  // namespace limpet::session
