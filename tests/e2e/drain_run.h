// SPDX-License-Identifier: Apache-2.0
// DrainRun: the whole play on one stage: three backends, a fleet of clients with one to five sessions per key, traffic
// both ways, the drain of the first backend through whatever stands between them (limpet, or the FaultRelay), and a
// quiet end. It yields the log; it judges nothing itself, but that the play could be performed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/backend.h"
#include "tests/e2e/event_client.h"
#include "tests/e2e/event_log.h"
#include "tests/e2e/request_client.h"
#include "tests/e2e/ws_client.h"

namespace limpet::e2e {

struct DrainPlan {
  std::size_t websockets = 300;
  bool mixed = true;    // event streams and long polls beside the WebSockets of a key
  bool deflate = true;  // for every other WebSocket
  double over = 5;      // seconds
  double before = 3;    // seconds of traffic before the drain
  double after = 6;     // and after it
  double connects_per_second = 400;
  double rest = 4;  // seconds for the last messages to arrive before the clients leave
  Traffic traffic;
};

// What stands between clients and backends.
struct Middle {
  std::uint16_t port = 0;
  std::function<void(const std::string& backend, double over)> drain;
  std::function<bool(const std::string& backend)> drained;
};

class DrainRun {
 public:
  explicit DrainRun(DrainPlan plan);

  Loop& loop() { return loop_; }
  const std::vector<std::unique_ptr<Backend>>& backends() const { return backends_; }
  // Throws where the fleet does not come up, or the drain does not end.
  const EventLog& play(const Middle& middle);

 private:
  void make_fleet(std::uint16_t port);
  void ramp_up();
  bool all_open() const;
  bool all_gone() const;
  void leave();

  const DrainPlan plan_;

  Loop loop_;
  EventLog log_;
  EventHub hub_{loop_, 1.0};
  std::vector<std::unique_ptr<Backend>> backends_;
  std::vector<std::unique_ptr<WsClient>> websockets_;
  std::vector<std::unique_ptr<EventClient>> streams_;
  std::vector<std::unique_ptr<RequestClient>> polls_;
  std::vector<std::function<void()>> starts_;
};

// A configuration for a drain of a few seconds: two workers, a listener on `port`, then `routes_and_pool`, which ends
// in the pool that the backends are of.
std::string config_for(std::uint16_t port, const std::string& routes_and_pool,
                       const std::vector<std::unique_ptr<Backend>>& backends);

// Raises the soft limit of descriptors to the hard one.
void allow_many_descriptors();

}  // namespace limpet::e2e
