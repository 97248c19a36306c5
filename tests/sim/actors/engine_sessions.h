// SPDX-License-Identifier: Apache-2.0
// The Engine.IO sessions (protocol 4) that one backend has handed out, and what it says in them: socket.io's answer to
// a connect, and each message back. Owned by the backend; another backend knows nothing of them. What carries packets,
// a poll that waits or a WebSocket, is an EngineCarrier.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/actors/draw.h"
#include "tests/sim/actors/payload.h"

namespace limpet::sim {

class Backend;

constexpr char kPacketEnd = '\x1e';  // between the packets of a polling body

class EngineCarrier {
 public:
  virtual ~EngineCarrier() = default;
  virtual void deliver(const std::deque<std::string>& packets) = 0;
  virtual void drop() = 0;  // its session has ended
};

struct EngineSession {
  explicit EngineSession(Nature& nature) : ping(nature), timeout(nature), noop(nature) {}

  std::string id;
  Tag owner;  // whose it is; the number means nothing
  std::deque<std::string> waiting;
  EngineCarrier* poll = nullptr;
  EngineCarrier* socket = nullptr;  // probing until upgraded
  bool upgraded = false;
  Alarm ping, timeout, noop;
};

class EngineSessions {
 public:
  explicit EngineSessions(Backend& backend) : backend_(backend) {}

  EngineSession& open(const Tag& owner);
  EngineSession* find(const std::string& id);  // nullptr: it knows no such session
  // What has come from the client: a packet of Engine.IO, by whichever way.
  void take(EngineSession& session, std::string_view packet, EngineCarrier* socket);
  void attach_poll(EngineSession& session, EngineCarrier& poll);
  void flush(EngineSession& session);
  void end(const std::string& id);
  // The backend has died: its clients' sessions are lost.
  void forget();

 private:
  void say(EngineSession& session, std::string packet);
  void ping_later(EngineSession& session);
  void message(EngineSession& session, std::string_view packet);
  void probed(EngineSession& session);

  Backend& backend_;
  std::map<std::string, std::unique_ptr<EngineSession>> sessions_;
  std::vector<std::unique_ptr<EngineSession>> ended_;  // freed where none of their alarms runs
  std::uint64_t next_ = 0;
};

// The packets of a polling body.
std::vector<std::string> split_packets(std::string_view body);
std::string join_packets(const std::deque<std::string>& packets);
// The text of `42["m","text"]`; "" for anything else.
std::string event_text(std::string_view packet);

}  // namespace limpet::sim
