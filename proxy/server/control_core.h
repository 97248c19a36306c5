// SPDX-License-Identifier: Apache-2.0
// ControlCore: what a running proxy decides: health, drains, reports, its own leaving. It is what process.h runs on the
// main thread, without what only a process has: signals, resource limits, sockets, threads. So a test, and the
// simulated world, can run it on a loop, a clock and a transport of their own. Used on the control loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "metrics/registry.h"
#include "proxy/admin/control.h"
#include "proxy/base/random.h"
#include "proxy/net/loop.h"
#include "proxy/net/transport.h"
#include "proxy/server/drains.h"
#include "proxy/server/health_checks.h"
#include "proxy/server/reports.h"
#include "proxy/server/session_list.h"
#include "proxy/server/shrinkage.h"
#include "proxy/session/worker.h"

namespace limpet::server {

class ControlCore final : public admin::Control {
 public:
  // What it is run on. All of it outlives the core.
  struct Ground {
    net::Loop& loop;            // the control loop
    net::Transport& transport;  // for health checks; of that loop's thread
    session::Protocols& protocols;
    Random& random;
    const WallClock& wall_clock;
  };

  ControlCore(const session::Settings& settings, unsigned workers, Ground ground);
  ~ControlCore() override;
  ControlCore(const ControlCore&) = delete;
  ControlCore& operator=(const ControlCore&) = delete;

  // Called as often as there are workers, before tick(). The core owns the worker; who calls runs it.
  session::Worker& add_worker(net::Io io, const Clock* clock = nullptr, Random* random = nullptr);
  void set_max_connections(std::uint64_t most) { shared_.max_connections = most; }
  // Null: no access log. It outlives the workers.
  void set_access_log(log::LineSink* sink) { shared_.access_log = sink; }
  // Gives to the system what the heap does not need; called now and then. May hold up whoever allocates meanwhile.
  void set_trim_heap(std::function<void()> trim) { trim_heap_ = std::move(trim); }
  // Called once, just before the workers are told to close their listeners: what is still ours alone by then, and a
  // successor's from then on.
  void set_before_listeners_close(std::function<void()> work) { before_listeners_close_ = std::move(work); }

  // Does what is due; returns when there will be something to do again.
  Time tick();
  // As SIGTERM: the proxy drains itself, then has_left().
  void stop() override;
  bool has_left() const { return has_left_; }
  bool is_leaving() const { return leaving_; }
  // The workers' threads have ended: their sessions go.
  void drop_workers();

  const session::Snapshot& snapshot() const { return *snapshot_; }
  session::Shared& shared() { return shared_; }
  const std::vector<std::unique_ptr<session::Worker>>& workers() const { return workers_; }

  // --- Control ---
  bool accepting() const override { return !leaving_; }
  admin::Status status() override { return reports_.status(leaving_, loop_.now()); }
  std::string metrics() override { return reports_.metrics(loop_.now()); }
  std::optional<admin::Refusal> drain(const std::string& pool, const std::string& backend,
                                      const admin::DrainOrder& order, admin::DrainPlan& plan) override;
  std::optional<admin::Refusal> drain_action(const std::string& pool, const std::string& backend,
                                             admin::DrainAction action) override;
  std::optional<admin::Refusal> ready(const std::string& pool, const std::string& backend) override;
  void where(const std::string& pool, const std::string& key,
             std::function<void(std::optional<admin::Where>)> done) override;
  void sessions(const admin::SessionFilter& filter,
                std::function<void(std::vector<admin::SessionInfo>)> done) override {
    session_list_.find(filter, std::move(done));
  }
  void close(const admin::SessionFilter& filter, std::function<void(std::uint64_t)> done) override {
    session_list_.close(filter, std::move(done));
  }

 private:
  void give_back_memory(Time now);
  void leave(Time now);
  std::optional<admin::Refusal> look_up(const std::string& pool, const std::string& backend, session::Pool*& p,
                                        session::Backend*& b);

  net::Loop& loop_;
  session::Protocols& protocols_;
  metrics::Registry registry_;
  session::Shared shared_;
  const std::shared_ptr<const session::Snapshot> snapshot_;
  HealthChecks checks_;
  std::vector<std::unique_ptr<session::Worker>> workers_;
  Drains drains_;
  Reports reports_;
  SessionList session_list_;
  std::function<void()> trim_heap_ = [] {};
  std::function<void()> before_listeners_close_ = [] {};

  Time next_sweep_{};
  Shrinkage shrinkage_;  // of connections and keys
  bool trims_next_ = false;
  bool busy_ = false;
  bool leaving_ = false;
  bool listeners_closed_ = false;
  bool has_left_ = false;
  Time leaving_since_{};
};

}  // namespace limpet::server
