// SPDX-License-Identifier: Apache-2.0
// socket.io's client over Engine.IO 4, as its library does it: a polling handshake, a poll that always waits and one
// POST at a time beside it, then a WebSocket that is probed and changed over to. Any error of a transport, and the
// close packet, end the session; a new one follows after 1 s, doubled up to 5 s, times 1 ± 0.5. Its user has lost
// something where a message was acknowledged and no backend got it.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/actors/client.h"
#include "tests/sim/actors/frame.h"

namespace limpet::sim {

class SocketIo final : public Client {
 public:
  SocketIo(Nature& nature, Commons& commons, std::string name, Manner manner);

  void start() override { connect(); }

  std::uint64_t echoed() const { return echoed_in_all_; }
  std::uint64_t sessions() const { return conversation_; }
  std::uint64_t upgrades() const { return upgrades_; }

 private:
  enum class State { Away, Handshake, Polling, Probing, Pausing, Upgraded };

  std::string unrest() const override;
  void on_left(HttpLine&) override { lose("left"); }
  void on_head(HttpLine& line, const Head& head) override;
  void on_body(HttpLine& line, std::string_view piece) override;
  void on_answered(HttpLine& line) override;
  void on_raw(HttpLine& line, std::string_view bytes) override;
  void on_lost(HttpLine& line, const Lost& lost) override;

  void connect();
  void lose(std::string_view why);
  void act();
  void poll();
  void post();
  void send(std::string packet);
  void send_frame(const Frame& frame) { socket_.send_raw(masked(frame, random())); }
  void take_handshake(const std::string& packet);
  void take_packets(const std::string& body);
  void take(const std::string& packet);
  void take_frame(const Frame& frame);
  void take_echo(const std::string& text);
  void probe();
  void change_over();
  void wait_for_ping();
  void refused(int status);
  std::string target(std::string_view transport) const;
  Time since() const { return since_; }

  HttpLine poll_, post_, socket_;
  Alarm back_, next_, ping_, probe_;
  State state_ = State::Away;
  std::string sid_, key_;
  std::string poll_body_, post_body_;
  int poll_status_ = 0, post_status_ = 0;
  std::unique_ptr<FrameReader> reader_;
  std::deque<std::string> waiting_;         // packets that nobody was given yet
  std::vector<std::uint64_t> posted_;       // the numbers of the messages in the POST under way
  bool polling_ = false, posting_ = false;  // under way
  bool joined_ = false;                     // socket.io's connect was answered
  bool socket_closed_ = false;
  Time since_{};
  std::uint64_t conversation_ = 0, said_ = 0, echoed_ = 0, echoed_in_all_ = 0, failures_ = 0, requests_ = 0,
                upgrades_ = 0;
  std::vector<Tag> acknowledged_;
};

}  // namespace limpet::sim
