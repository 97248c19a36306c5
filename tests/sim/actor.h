// SPDX-License-Identifier: Apache-2.0
// Who lives in the simulated world beside the proxy: clients, backends, operators. An actor speaks over Ends of links
// and by alarms; it has no clock, no randomness and no order of its own, so that a seed repeats everything.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "proxy/base/clock.h"
#include "proxy/base/random.h"

namespace limpet::sim {

class Actor;

// An actor's end of a link; the other end is a SimStream of the proxy. Owned by the world; valid until on_closed().
class End {
 public:
  // Bytes leave at once and arrive when the link lets them, in whatever pieces; what the other side does not read waits
  // in its bounded receive buffer and then here: unsent() tells how much.
  virtual void send(std::string_view bytes) = 0;
  virtual std::size_t unsent() const = 0;
  virtual void shut() = 0;   // FIN, behind what was sent
  virtual void reset() = 0;  // RST; on_closed() follows
  virtual void close() = 0;  // as close(2): RST where something was not read, else FIN; on_closed() follows
  // How fast the actor takes what arrives: bytes per second; 0: nothing. The default is as fast as it comes.
  virtual void reads_at(std::uint64_t bytes_per_second) = 0;
  virtual std::uint64_t id() const = 0;  // in the order of their opening: for traces
  virtual Actor& actor() = 0;

 protected:
  ~End() = default;
};

class Actor {
 public:
  virtual ~Actor() = default;
  virtual void on_open(End&) {}     // the connect was accepted (a client), or the proxy has connected (a backend)
  virtual void on_refused(End&) {}  // a client's connect was; the end is gone after this
  virtual void on_bytes(End& end, std::string_view bytes) = 0;
  virtual void on_fin(End& end) = 0;
  virtual void on_closed(End& end, bool by_reset) = 0;  // nothing follows; the end is gone after this
  virtual std::string name() const = 0;
  // At the end, after healing: "" where its user would call its state fine, else what is wrong.
  virtual std::string complaint() const = 0;
  virtual void start() {}  // its first deed; on a backend nothing
  virtual void heal() {}   // from now on no trouble of its own making: it is quick, and leaves nobody
  virtual void rest() {}   // begins nothing new; what it holds open stays open
};

// What an actor may ask of the world.
class Nature {
 public:
  virtual Time now() const = 0;
  virtual Random& random() = 0;
  // Calls `work` at now() + `delay`, exactly then. Returns a number for cancel(). The actor outlives it.
  virtual std::uint64_t after(Duration delay, std::function<void()> work) = 0;
  virtual void cancel(std::uint64_t alarm) = 0;
  // Connects to the proxy's listener (through whichever worker the world chooses); on_open() or on_refused() follows.
  virtual End& connect(Actor& client) = 0;
  // A line of the trace.
  virtual void note(const Actor& who, std::string_view what) = 0;
  // Fails the run: `check` is its name in the last line ("seed N: CHECK").
  virtual void fail(std::string_view check, std::string_view why) = 0;
  // A class of event has occurred (for the tally).
  virtual void count(std::string_view event) = 0;

 protected:
  ~Nature() = default;
};

}  // namespace limpet::sim
