// SPDX-License-Identifier: Apache-2.0
// HttpProtocol: every accepted connection speaks HTTP/1. Has no state: one serves all workers.
#pragma once

#include "proxy/session/protocols.h"

namespace limpet::session {

class HttpProtocol final : public Protocols {
 public:
  void begin(Worker& worker, Accepted connection) override;
};

}  // namespace limpet::session
