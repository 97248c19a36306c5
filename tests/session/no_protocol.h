// SPDX-License-Identifier: Apache-2.0
// For workers that accept nothing.
#pragma once

#include "proxy/session/protocols.h"

namespace limpet::session {

class NoProtocol final : public Protocols {
 public:
  void begin(Worker&, Accepted) override {}
};

}  // namespace limpet::session
