// SPDX-License-Identifier: Apache-2.0
// The plainest inhabitants: a backend that echoes (WebSocket) and answers (HTTP), a WebSocket user and a user who asks
// one thing after the other on a kept connection. They check every byte that they get. tests/sim/actors has those with
// the habits of real clients.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/sim/actor.h"

namespace limpet::sim {

class PlainBackend final : public Actor {
 public:
  struct Habits {
    bool says_too_much = false;  // after its answer, now and then, a second one that nobody asked for
    bool dies_in_mid_answer = false;
    bool quiet = false;  // pushes nothing
  };
  PlainBackend(Nature& nature, std::string name, Habits habits)
      : nature_(nature), name_(std::move(name)), habits_(habits) {}

  void on_open(End& end) override;
  void on_bytes(End& end, std::string_view bytes) override;
  void on_fin(End& end) override;
  void on_closed(End& end, bool by_reset) override;
  std::string name() const override { return name_; }
  std::string complaint() const override { return {}; }

 private:
  struct Connection {
    End* end;
    std::string input;
    std::string user;  // of a WebSocket
    bool websocket = false;
    bool busy = false;  // with a request
    bool fin = false;
    std::uint64_t pushed = 0;
    std::uint64_t received = 0;
  };
  Connection* find(std::uint64_t id);
  void take(Connection& connection);
  void take_request(Connection& connection);
  void answer(std::uint64_t id, const std::string& path);
  void take_frames(Connection& connection);
  void push(std::uint64_t id);

  Nature& nature_;
  const std::string name_;
  const Habits habits_;
  std::uint64_t answers_ = 0;
  std::map<std::uint64_t, Connection> connections_;
};

// What a client has in common: one connection at a time, and a pause before the next.
class PlainClient : public Actor {
 public:
  PlainClient(Nature& nature, std::string name) : nature_(nature), name_(std::move(name)) {}
  void start() override { connect(); }
  void on_refused(End&) override { gone(); }
  void on_closed(End&, bool) override { gone(); }
  std::string name() const override { return name_; }
  std::string complaint() const override;

 protected:
  // The connection has gone; it comes back.
  virtual void forget() = 0;
  void connect();
  void gone();
  void fail(std::string_view check, const std::string& why) { nature_.fail(check, name_ + ": " + why); }
  void is_well() { well_at_ = nature_.now(); }
  std::uint64_t below(std::uint64_t n) { return nature_.random().next() % n; }

  Nature& nature_;
  const std::string name_;
  End* end_ = nullptr;
  std::string input_;
  Time well_at_{};
  std::uint64_t failures_ = 0;
  std::uint64_t life_ = 0;  // counts connections, for alarms
};

class WebSocketUser final : public PlainClient {
 public:
  WebSocketUser(Nature& nature, std::string name, std::string key, bool stays)
      : PlainClient(nature, std::move(name)), key_(std::move(key)), stays_(stays) {}
  void on_open(End& end) override;
  void on_bytes(End& end, std::string_view bytes) override;
  void on_fin(End& end) override;

 private:
  void forget() override;
  void take(const std::string& payload);
  void say_something();

  const std::string key_;
  const bool stays_;
  bool open_ = false;
  bool said_close_ = false;
  bool got_close_ = false;
  std::uint64_t said_ = 0;
  std::uint64_t echoed_ = 0;
  std::uint64_t pushed_ = 0;
};

class RequestUser final : public PlainClient {
 public:
  // `pauses`: after an answer always, as who asks again at once on a connection whose backend says too much may get
  // what followed its own answer.
  RequestUser(Nature& nature, std::string name, std::string key, bool pauses)
      : PlainClient(nature, std::move(name)), key_(std::move(key)), pauses_(pauses) {}
  void on_open(End& end) override;
  void on_bytes(End& end, std::string_view bytes) override;
  void on_fin(End& end) override;

 private:
  void forget() override;
  void ask();

  const std::string key_;
  const bool pauses_;
  std::string asked_;
  std::uint64_t requests_ = 0;
};

}  // namespace limpet::sim
