// SPDX-License-Identifier: Apache-2.0
// A browser's EventSource (WHATWG HTML §9.2) over events that have ids: it comes back after each end and each network
// error, with Last-Event-ID, and fails for good on whatever is no event stream. Its user wants each event once.
#pragma once

#include <memory>

#include "tests/sim/actors/client.h"
#include "tests/sim/actors/event_parser.h"

namespace limpet::sim {

class EventSource final : public Client {
 public:
  EventSource(Nature& nature, Commons& commons, std::string name, Manner manner);

  void start() override;
  void rest() override;

  std::uint64_t seen() const { return seen_; }
  bool open() const { return state_ == State::Open; }

 private:
  enum class State { Waiting, Connecting, Open, Failed };

  std::string unrest() const override;
  void on_left(HttpLine&) override { come_back(); }
  void on_head(HttpLine& line, const Head& head) override;
  void on_body(HttpLine& line, std::string_view piece) override;
  void on_answered(HttpLine& line) override;
  void on_lost(HttpLine& line, const Lost& lost) override;
  void connect();
  void come_back();
  void take(const StreamEvent& event);

  HttpLine line_;
  Alarm back_;
  std::unique_ptr<EventParser> parser_;
  State state_ = State::Waiting;
  Duration retry_;
  std::string last_id_;
  std::uint64_t seen_ = 0;  // the number of the last event
  std::uint64_t tries_ = 0;
};

}  // namespace limpet::sim
