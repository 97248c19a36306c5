// SPDX-License-Identifier: Apache-2.0
// See connection.h.
#include "proxy/session/connection.h"

#include "proxy/session/worker.h"

namespace limpet::session {

ConnectionToken::ConnectionToken(Worker& worker) : worker_(&worker) {
  worker.connection_opened();
}

void ConnectionToken::give_back() {
  if (Worker* const worker = std::exchange(worker_, nullptr)) worker->connection_closed();
}

void ConnectionToken::move_to(SessionRecord& record) {
  if (std::exchange(worker_, nullptr) != nullptr) record.holds_connection();
}

}  // namespace limpet::session
