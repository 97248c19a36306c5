// SPDX-License-Identifier: Apache-2.0
// What the actors of one world have in common behind the proxy's back: who has been wronged by the world, so that the
// proxy is not blamed for it; which messages have reached a backend; which events each client is to see. Owned by the
// world, outlives the actors.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "proxy/base/clock.h"
#include "tests/sim/actors/payload.h"

namespace limpet::sim {

// Cuts and lies that are not the proxy's doing. Told by backends, by links and by whoever plays the operator.
class Troubles {
 public:
  // Something was done to this client, by which it may see an error or an end from now on.
  void befall(const std::string& client, Time now);
  void befall_all(Time now);
  // A backend has closed a connection that carried nothing, as far as it knew: a request may have been on its way.
  void kept_connection_closed(Time now) { closed_ = now; }

  bool since(const std::string& client, Time from) const;
  bool closed_since(Time from) const { return closed_ && *closed_ >= from; }

 private:
  std::map<std::string, Time> last_;
  std::optional<Time> all_;
  std::optional<Time> closed_;
};

// What has reached the backends.
class Ledger {
 public:
  // False: it had arrived before.
  bool note(const Tag& tag);
  bool has(const Tag& tag) const;

 private:
  std::map<std::pair<std::string, std::uint64_t>, std::set<std::uint64_t>> got_;
};

// Each client's events, numbered from 1, one every so often, whether anybody listens or not.
class History {
 public:
  void begin(const std::string& client, Time now, Duration period);
  void stop(const std::string& client, Time now);
  // How many there are by now.
  std::uint64_t count(const std::string& client, Time now) const;
  // When event `number` comes; nothing where it never will.
  std::optional<Time> due(const std::string& client, std::uint64_t number) const;

 private:
  struct Run {
    Time began;
    Duration period;
    std::optional<Time> stopped;
  };
  std::map<std::string, Run> runs_;
};

struct Commons {
  Troubles troubles;
  Ledger ledger;
  History history;
};

// Fields by which the actors know each other, and the paths of what backends serve.
constexpr const char* kClientField = "x-sim-client";
constexpr const char* kTurnField = "x-sim-turn";  // conversation.number
constexpr const char* kBackendField = "x-sim-backend";
constexpr const char* kKeyField = "x-sim-key";  // also the cookie "sim"
constexpr const char* kEchoPath = "/echo";
constexpr const char* kPollPath = "/poll";
constexpr const char* kEventsPath = "/events";
constexpr const char* kWebSocketPath = "/ws";
constexpr const char* kEnginePath = "/socket.io/";
constexpr const char* kModelPath = "/llm";
constexpr const char* kHealthPath = "/health";

}  // namespace limpet::sim
