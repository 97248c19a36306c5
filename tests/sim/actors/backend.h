// SPDX-License-Identifier: Apache-2.0
// A backend: takes the proxy's connections and serves every path of commons.h on each, one request after the other. Its
// character tells which troubles it makes; each trouble that a client may feel is told to Troubles before. What it
// hears is checked as strictly as what clients hear: a request belongs to one client, and so does its body.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/actors/commons.h"
#include "tests/sim/actors/draw.h"
#include "tests/sim/actors/engine_sessions.h"

namespace limpet::sim {

class Visit;

// Chances, each per request unless it says otherwise.
struct Character {
  double slow_answers = 0;  // some time passes before the answer, and within it
  double slow_uploads = 0;  // takes a request's body at `slow_rate`
  double head_alone = 0;    // the head goes first, the body later
  double lies = 0;          // wrong lengths, wrong accept keys, heads that are none
  double surplus = 0;       // a second answer that nobody asked for, up to 5 ms behind the first
  double closes_kept = 0;   // closes the connection some time after an answer
  double ends_streams = 0;  // an event stream or WebSocket ends by itself, after a while
  double dies = 0;          // dies at some byte of what it sends on this connection
  Duration down_for = std::chrono::seconds(5);
  std::uint64_t slow_rate = 2000;  // bytes a second
};

class Backend final : public Actor {
 public:
  Backend(Nature& nature, Commons& commons, std::string name, Character character);
  ~Backend() override;

  void on_open(End& end) override;
  void on_bytes(End& end, std::string_view bytes) override;
  void on_fin(End& end) override;
  void on_closed(End& end, bool by_reset) override;
  std::string name() const override { return name_; }
  std::string complaint() const override { return up_ ? "" : "is down"; }
  void heal() override;

  // Whether it takes connections: where not, the world refuses them.
  bool up() const { return up_; }
  // All its connections end at once, by reset or by FIN, and it forgets its sessions; with `down_for` it comes back.
  void die(bool by_reset);
  void come_back();
  bool healthy = true;  // what its health check says

  // Whose conversation a connection carries at the moment; "": nobody's.
  std::string client_of(const End& end) const;

  Nature& nature() { return nature_; }
  Commons& commons() { return commons_; }
  EngineSessions& sessions() { return sessions_; }
  const Character& character() const { return character_; }
  Random& random() { return nature_.random(); }
  bool happens(double probability) { return chance(nature_.random(), probability); }

 private:
  Nature& nature_;
  Commons& commons_;
  const std::string name_;
  Character character_;
  std::map<std::uint64_t, std::unique_ptr<Visit>> visits_;  // by the connection's id
  std::vector<std::unique_ptr<Visit>> gone_;                // to be freed where none of their functions runs
  EngineSessions sessions_;
  Alarm back_;
  bool up_ = true;
};

}  // namespace limpet::sim
