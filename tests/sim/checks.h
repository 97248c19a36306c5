// SPDX-License-Identifier: Apache-2.0
// Checks: what must hold after every step, whatever happened, and at the end. They look at what the proxy shares with
// its operator and its tests (records, counters, the affinity table), never change anything, and speak through
// World::fail(). What an actor's user would see the actors check themselves. Owned by the world.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "proxy/admin/control.h"
#include "proxy/base/log.h"
#include "proxy/session/worker.h"

namespace limpet::sim {

class Link;
class SimStream;
class World;

class Checks {
 public:
  explicit Checks(World& world) : world_(world) {}

  // --- the world tells ---
  void before_round(session::Worker& worker);
  void after_round(session::Worker& worker);
  void after_control_round();
  void after_step();
  void stream_opened(const Link& link);
  void stream_closed(const Link& link);
  void first_write(SimStream& stream);
  // A line of the access log: a session has finished.
  void finished(const std::string& line);
  void logged(log::Level level, std::string_view message);

  // The name of the client whose session a backend's link serves now; empty where it serves none.
  std::string client_behind(const Link& link) const;

  // --- the operator tells ---
  void drain_began(const std::string& backend, const admin::DrainOrder& order, const admin::DrainPlan& plan);
  // Somebody has paused, hurried or otherwise changed its pace.
  void drain_disturbed(const std::string& backend);
  void made_ready(const std::string& backend);
  void process_leaves() { leaving_ = true; }

  // --- the end ---
  // When all clients have gone and all that is kept for a while has expired.
  void nothing_is_left();

 private:
  using Ref = std::tuple<std::uint16_t, std::uint32_t, std::uint32_t>;
  struct Seen {
    const session::Backend* backend = nullptr;
    bool leaving = false;
    bool joined_leaving = false;
    Time leaving_since{};
  };
  struct Drain {
    Duration over{};
    bool has_pace = false;  // not soft, not whole keys, nobody disturbed it
    std::vector<std::string> heavy;
    std::map<std::string, Time, std::less<>> turned;  // keys whose turn has come
    std::vector<Time> farewells;
  };

  void look_at_sessions();
  void look_at_counters();
  void look_at_drain(const std::string& backend, const Drain& drain);
  void look_at_goodbyes();
  session::Session* session_of(const SimStream& stream) const;
  bool may_be_split(const session::Backend& backend, std::string_view key) const;

  World& world_;
  std::map<Ref, Seen> seen_;
  std::map<std::string, Drain> drains_;
  std::map<std::string, std::uint64_t> ends_;  // lines of the access log, by backend
  std::vector<std::shared_ptr<Link>> said_goodbye_;
  std::map<std::string, std::weak_ptr<Link>> clients_;  // by their address
  std::uint64_t steps_ = 0;
  std::size_t last_count_ = 0;
  std::size_t check_streams_ = 0;
  std::set<std::string, std::less<>> split_;  // keys whose spread turns were called off half-way
  bool leaving_ = false;
};

}  // namespace limpet::sim
