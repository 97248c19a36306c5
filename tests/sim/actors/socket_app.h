// SPDX-License-Identifier: Apache-2.0
// An application over WebSocket that numbers what it says and gets each message back (RFC 6455). It fragments, puts
// control frames between fragments, pings, answers a Close and reconnects after any end. Its user has lost something
// where a message from before a clean Close never reached the backend.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "tests/sim/actors/client.h"
#include "tests/sim/actors/frame.h"

namespace limpet::sim {

class SocketApp final : public Client {
 public:
  SocketApp(Nature& nature, Commons& commons, std::string name, Manner manner)
      : Client(nature, commons, std::move(name), std::move(manner)),
        line_(nature, *this),
        next_(nature),
        back_(nature),
        patience_(nature) {}

  void start() override { connect(); }

  std::uint64_t echoed() const { return echoed_in_all_; }
  std::uint64_t conversations() const { return conversation_; }

 private:
  enum class State { Away, Connecting, Open, Closing, Closed };

  std::string unrest() const override;
  void on_left(HttpLine&) override { come_back(); }
  void on_head(HttpLine& line, const Head& head) override;
  void on_body(HttpLine&, std::string_view) override {}
  void on_answered(HttpLine& line) override;
  void on_raw(HttpLine& line, std::string_view bytes) override;
  void on_lost(HttpLine& line, const Lost& lost) override;

  void connect();
  void come_back();
  void opened(const Head& head);
  void act();
  void send(const Frame& frame) { line_.send_raw(masked(frame, random())); }
  void say_next();
  void send_fragment();
  void ping();
  void close();
  void take(const Frame& frame);
  void take_close(const Frame& frame);
  void take_pong(const std::string& payload);

  HttpLine line_;
  Alarm next_, back_, patience_;
  std::unique_ptr<FrameReader> reader_;
  std::string key_;
  std::string pending_;  // what is left of a fragmented message
  bool fragmenting_ = false;
  std::string message_;  // what has come of one that arrives in fragments
  std::vector<std::string> pings_;
  State state_ = State::Away;
  Time since_{};
  std::uint64_t conversation_ = 0, said_ = 0, echoed_ = 0, echoed_in_all_ = 0, failures_ = 0;
  bool both_closed_ = false;
  Time closed_at_{};

  struct Owed {  // everything up to this number was said before a clean Close
    std::uint64_t conversation, said;
    Time since;
  };
  std::vector<Owed> owed_;
};

}  // namespace limpet::sim
