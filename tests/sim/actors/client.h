// SPDX-License-Identifier: Apache-2.0
// What all clients are: somebody with a name, a manner and connections over which requests are asked. Each kind derives
// from it. Knows what was done to it by the world, so that it complains only of what the proxy did.
#pragma once

#include <map>
#include <string>

#include "tests/sim/actors/commons.h"
#include "tests/sim/actors/draw.h"
#include "tests/sim/actors/http_line.h"

namespace limpet::sim {

// How a client behaves; drawn by whoever makes it.
struct Manner {
  std::string host = "sim.test";
  std::string key;                            // of its affinity; "": none
  double leaves = 0;                          // the chance of leaving a connection abruptly …
  Duration stays = std::chrono::seconds(20);  // … within this time of its opening
  double slow = 0;                            // the chance of reading a connection slowly, at this many bytes a second
  std::uint64_t slow_rate = 2000;
  Duration pace = std::chrono::milliseconds(500);  // about what lies between two things that it says
};

class Client : public Actor, public Asker {
 public:
  Client(Nature& nature, Commons& commons, std::string name, Manner manner)
      : nature_(nature), commons_(commons), name_(std::move(name)), manner_(std::move(manner)) {}

  void on_open(End& end) final;
  void on_refused(End& end) final;
  void on_bytes(End& end, std::string_view bytes) final;
  void on_fin(End& end) final;
  void on_closed(End& end, bool by_reset) final;
  std::string name() const final { return name_; }
  std::string complaint() const final { return complaint_.empty() ? unrest() : complaint_; }
  void heal() override;
  void rest() override { resting_ = true; }

 protected:
  // What is not as its user wants it right now, or "".
  virtual std::string unrest() const = 0;
  // It has just left `line` abruptly; on_lost() does not follow.
  virtual void on_left(HttpLine& line) = 0;

  // A request of this client's, with its name, key and turn.
  Ask ask(std::string method, std::string target, const Tag& turn) const;
  Random& random() const { return nature_.random(); }
  Time now() const { return nature_.now(); }
  Duration pace() const { return between(random(), manner_.pace / 2, manner_.pace * 3 / 2); }
  // Whether the world has done it something since `from`, or so shortly before that its effects may come now.
  bool wronged_since(Time from) const;
  // Whether a backend has closed a kept connection about then: a request that is not safe may have been on it.
  bool raced_since(Time from) const { return commons_.troubles.closed_since(from - std::chrono::seconds(2)); }
  // Fails the run, unless the client was wronged since `from`: then it is counted.
  void blame(std::string_view check, std::string_view why, Time from);
  void complain(const std::string& what);
  // Checks a message; false: it was not `expected`, and the run has failed or the world had a hand in it.
  bool is_mine(std::string_view bytes, const Tag& expected, Time from);

  Nature& nature_;
  Commons& commons_;
  const std::string name_;
  const Manner manner_;
  Time slow_since_{};  // when it last opened a connection that it reads slowly
  bool healed_ = false;
  bool resting_ = false;

 private:
  friend class HttpLine;
  void dial(HttpLine& line);
  void forget(std::uint64_t end) { lines_.erase(end); }
  HttpLine* line_of(const End& end) const;

  std::map<std::uint64_t, HttpLine*> lines_;
  std::string complaint_;
};

}  // namespace limpet::sim
