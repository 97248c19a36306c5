// SPDX-License-Identifier: Apache-2.0
// What the proxy says of itself: the status for people and programs, and the page for Prometheus. Owned by the process,
// used on the control loop's thread; registry, pools and drains outlive it. Changes nothing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "metrics/registry.h"
#include "proxy/admin/control.h"
#include "proxy/base/clock.h"
#include "proxy/server/drains.h"
#include "proxy/session/backend.h"

namespace limpet::server {

using admin::BackendStatus;
using admin::PoolStatus;
using admin::Status;

// "ready", "draining" or "drained".
const char* state_text(session::BackendState state);

class Reports {
 public:
  Reports(metrics::Registry& registry, const std::vector<std::shared_ptr<session::Pool>>& pools, const Drains& drains,
          unsigned workers, const WallClock& wall_clock, Time started)
      : registry_(registry),
        pools_(pools),
        drains_(drains),
        workers_(workers),
        wall_clock_(wall_clock),
        started_(started) {}

  Status status(bool leaving, Time now);
  std::string metrics(Time now);

 private:
  PoolStatus pool_status(const session::Pool& pool, Time now);
  BackendStatus backend_status(const session::Backend& backend, unsigned weight, double share, Time now);
  const std::vector<double>& shares_of(const session::Pool& pool);

  metrics::Registry& registry_;
  const std::vector<std::shared_ptr<session::Pool>>& pools_;
  const Drains& drains_;
  const unsigned workers_;
  const WallClock& wall_clock_;
  const Time started_;

  struct Shares {
    std::uint32_t view = 0;  // for which they were computed
    std::vector<double> of;  // its backends
  };
  std::map<const session::Pool*, Shares> shares_;
};

}  // namespace limpet::server
