// SPDX-License-Identifier: Apache-2.0
// See http_protocol.h.
#include "proxy/session/http/http_protocol.h"

#include "proxy/session/http/connection.h"

namespace limpet::session {

void HttpProtocol::begin(Worker& worker, Accepted accepted) {
  auto connection = std::make_unique<HttpConnection>(worker, std::move(accepted));
  HttpConnection& started = *connection;
  worker.own(std::move(connection));
  started.start();
}

}  // namespace limpet::session
