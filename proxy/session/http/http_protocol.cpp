// SPDX-License-Identifier: Apache-2.0
// See http_protocol.h.
#include "proxy/session/http/http_protocol.h"

#include "proxy/session/http/connection.h"

namespace limpet::session {

void HttpProtocol::begin(Worker& worker, Accepted accepted) {
  auto connection =
      std::make_unique<HttpConnection>(worker, accepted.listener, std::move(accepted.stream), accepted.peer);
  HttpConnection& started = *connection;
  worker.own(std::move(connection));
  started.start();
}

}  // namespace limpet::session
