// SPDX-License-Identifier: Apache-2.0
// LoneWorker: a base for fixtures that need a worker but no pool: one worker without a thread, which accepts nothing,
// under a clock that the test moves.
#pragma once

#include <memory>
#include <vector>

#include "metrics/registry.h"
#include "proxy/base/clock.h"
#include "proxy/session/worker.h"
#include "tests/session/no_protocol.h"

namespace limpet::session {

struct LoneWorker {
  ManualClock clock;
  metrics::Registry registry{1, "test"};
  Shared shared{1000, registry};
  NoProtocol no_protocol;
  Worker worker{shared, 0, std::make_shared<const Snapshot>(Settings{}, std::vector<std::shared_ptr<Pool>>{}),
                no_protocol, &clock};
};

}  // namespace limpet::session
