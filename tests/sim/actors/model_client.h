// SPDX-License-Identifier: Apache-2.0
// Somebody who asks a language model: a POST, whose answer streams, as an event stream read over fetch() or as plain
// lines. It never resumes; half an answer has to look broken. Its user asks again after a pause.
#pragma once

#include <memory>

#include "tests/sim/actors/client.h"
#include "tests/sim/actors/event_parser.h"

namespace limpet::sim {

class ModelClient final : public Client {
 public:
  ModelClient(Nature& nature, Commons& commons, std::string name, Manner manner)
      : Client(nature, commons, std::move(name), std::move(manner)), line_(nature, *this), next_(nature) {}

  void start() override { question(); }

  std::uint64_t answered() const { return answered_; }

 private:
  std::string unrest() const override { return asking_ ? "waits for an answer" : ""; }
  void on_left(HttpLine&) override { over(); }
  void on_head(HttpLine& line, const Head& head) override;
  void on_body(HttpLine& line, std::string_view piece) override;
  void on_answered(HttpLine& line) override;
  void on_lost(HttpLine& line, const Lost& lost) override;
  void question();
  void over();
  void take_token(const std::string& token);

  HttpLine line_;
  Alarm next_;
  std::unique_ptr<EventParser> parser_;
  std::string text_;  // of a plain answer: the line that has not ended
  bool asking_ = false;
  bool refused_ = false;  // an answer that is no stream
  bool done_ = false;     // the answer has said that it is whole
  Time asked_at_{};
  std::uint64_t conversation_ = 0;
  std::uint64_t tokens_ = 0;
  std::uint64_t answered_ = 0;
};

}  // namespace limpet::sim
