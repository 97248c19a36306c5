// SPDX-License-Identifier: Apache-2.0
// What can be asked of the running proxy: the one interface between the admin API (admin.h) and the process
// (server/process.h). Everything is called on the control loop's thread. Answers that need the workers come later, on
// the same thread, through the callback; the callback may be called before the function returns.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace limpet::admin {

using std::chrono::milliseconds;

struct DrainStatus {
  std::uint64_t total = 0;      // sessions when it began, or those open now where they are more
  std::uint64_t remaining = 0;  // sessions still open on the backend
  std::uint64_t moved = 0;      // sessions that got their farewell
  std::uint64_t cut = 0;
  double over_s = 0, deadline_s = 0, elapsed_s = 0, eta_s = 0;
  bool paused = false;
  std::vector<std::pair<std::string, std::uint64_t>> heavy;  // keys above 5% of the sessions
};

struct BackendStatus {
  std::string name;
  std::string address;
  std::string state;   // ready draining drained
  std::string health;  // up down ejected
  unsigned weight = 1;
  double share = 0;  // of the key space
  std::uint64_t keys = 0;
  std::map<std::string, std::uint64_t> sessions;  // by protocol, only those that are not 0
  std::optional<DrainStatus> drain;               // while draining
};

struct PoolStatus {
  std::string name;
  std::string algorithm;
  std::string digest;
  std::uint64_t misplaced_keys = 0;
  std::vector<BackendStatus> backends;
};

struct Status {
  std::string version;
  double uptime_s = 0;
  int pid = 0;
  unsigned workers = 0;
  std::string state;                              // running draining
  std::map<std::string, std::uint64_t> sessions;  // by protocol
  std::vector<PoolStatus> pools;
};

// An open session, as `limpet sessions` lists it.
struct SessionInfo {
  std::string id;  // "worker.slot.generation"
  std::string protocol, pool, backend, key, pick_reason, client, route, listener;
  std::string state;  // connecting open farewell
  double age_s = 0, idle_s = 0;
  std::uint64_t bytes_to_client = 0, bytes_to_backend = 0, messages_to_client = 0, messages_to_backend = 0;
};

struct SessionFilter {
  std::string pool, backend, protocol, key;  // "": any
  milliseconds min_age{0}, min_idle{0};
  std::size_t limit = 1000;
};

struct DrainOrder {
  milliseconds over{30000};
  milliseconds deadline{60000};
  bool soft = false;  // only wait: no farewells, no deadline
  bool whole_keys = false;
  bool force = false;
  bool dry_run = false;
};

enum class DrainAction : std::uint8_t { Pause, Resume, Hurry };

// What a drain would do, by a dry run; the same where it has begun.
struct DrainPlan {
  std::uint64_t sessions = 0;
  std::uint64_t keys = 0;
  double takes_s = 0;
  std::map<std::string, std::uint64_t> goes_to;     // backend -> sessions
  std::map<std::string, std::uint64_t> load_after;  // backend -> sessions it would have
  std::vector<std::pair<std::string, std::uint64_t>> heavy;
};

// Why a call was refused: `status` is the HTTP status that fits (400 404 409 …).
struct Refusal {
  unsigned status = 409;
  std::string why;
};

struct Where {
  std::string key, backend, reason;
  std::vector<std::string> ranking;
  std::vector<SessionInfo> sessions;
};

class Control {
 public:
  virtual ~Control() = default;

  virtual bool accepting() const = 0;  // /readyz: taking new sessions
  virtual Status status() = 0;
  virtual std::string metrics() = 0;  // Prometheus text

  // Refusal, or nullopt. `plan` is filled in either way where it can be.
  virtual std::optional<Refusal> drain(const std::string& pool, const std::string& backend, const DrainOrder& order,
                                       DrainPlan& plan) = 0;
  virtual std::optional<Refusal> drain_action(const std::string& pool, const std::string& backend,
                                              DrainAction action) = 0;
  virtual std::optional<Refusal> ready(const std::string& pool, const std::string& backend) = 0;

  // With pool "" the pool that holds the key is asked, and the first one where none does. nullopt: there is no such
  // pool.
  virtual void where(const std::string& pool, const std::string& key,
                     std::function<void(std::optional<Where>)> done) = 0;
  virtual void sessions(const SessionFilter& filter, std::function<void(std::vector<SessionInfo>)> done) = 0;
  // Farewell to all sessions that match, whatever the limit; the callback gets their number.
  virtual void close(const SessionFilter& filter, std::function<void(std::uint64_t)> done) = 0;

  virtual void stop() = 0;  // as SIGTERM
};

}  // namespace limpet::admin
