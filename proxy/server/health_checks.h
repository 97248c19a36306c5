// SPDX-License-Identifier: Apache-2.0
// Active and passive health of all backends (balancer/health.h decides, this file asks). Owned by the process, on the
// control loop's thread. One check per backend is under way at most, with a timeout; nothing blocks.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "balancer/health.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/net/transport.h"
#include "proxy/session/pool.h"

namespace limpet::server {

class HealthChecks {
 public:
  HealthChecks(net::Loop& loop, net::Transport& transport, const std::vector<std::shared_ptr<session::Pool>>& pools);
  ~HealthChecks();

  // Starts what is due, ends what took too long. Returns when there will be something to do again; ended checks and
  // what sessions saw may ask for it earlier.
  Time tick(Time now);
  // What a session saw of a backend.
  void observed(const session::Backend& backend, bool good, Time now);

  std::function<void(const session::Backend&)> on_down = [](const session::Backend&) {};  // called when one goes down

 private:
  class Probe;
  void publish(Probe& probe, Time now);
  bool may_eject(const session::Pool& pool) const;

  net::Loop& loop_;
  std::vector<std::unique_ptr<Probe>> probes_;
};

}  // namespace limpet::server
