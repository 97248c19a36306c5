// SPDX-License-Identifier: Apache-2.0
// The open sessions of all workers, described, chosen and closed. Owned by the process. Asked on the control loop's
// thread, where the answer comes later; each worker describes its own sessions on its own thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "proxy/admin/control.h"
#include "proxy/net/loop.h"
#include "proxy/session/worker.h"
#include "proxy/session/workers.h"

namespace limpet::server {

using admin::SessionFilter;
using admin::SessionInfo;

class SessionList {
 public:
  SessionList(net::Loop& control, const std::vector<session::Worker*>& workers)
      : workers_(workers), all_(control, workers) {}

  // At most filter.limit of those that match.
  void find(const SessionFilter& filter, std::function<void(std::vector<SessionInfo>)> done);
  // Farewell to all that match, whatever the limit; `done` gets their number.
  void close(const SessionFilter& filter, std::function<void(std::uint64_t)> done);

 private:
  // Runs `collect` on each worker, then `done` on the control loop with all that they returned, in the workers' order.
  void gather(std::function<std::vector<SessionInfo>(session::Worker&)> collect,
              std::function<void(std::vector<SessionInfo>)> done);

  const std::vector<session::Worker*>& workers_;
  session::PostedWorkers all_;
};

}  // namespace limpet::server
