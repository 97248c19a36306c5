// SPDX-License-Identifier: Apache-2.0
// A program that asks many things over one kept connection: GETs, HEADs, POSTs in both framings, some of which wait for
// a 100, and long polls, several at once. Each answer has to be whole, and the one to its request.
#pragma once

#include <map>

#include "tests/sim/actors/client.h"

namespace limpet::sim {

class HttpClient final : public Client {
 public:
  HttpClient(Nature& nature, Commons& commons, std::string name, Manner manner)
      : Client(nature, commons, std::move(name), std::move(manner)), line_(nature, *this), next_(nature) {}

  void start() override { ask_more(); }

  std::uint64_t answered() const { return answered_; }

 private:
  struct Asked {
    Tag tag;
    Time at;
    bool safe;
    std::size_t size;  // of what is to come back
  };

  std::string unrest() const override;
  void on_left(HttpLine&) override { open_.clear(); }
  void on_head(HttpLine& line, const Head& head) override;
  void on_body(HttpLine& line, std::string_view piece) override;
  void on_answered(HttpLine& line) override;
  void on_lost(HttpLine& line, const Lost& lost) override;
  void ask_more();
  void ask_one();
  void check_acknowledged(const Asked& asked);
  void own_answer(const Head& head, const Asked& asked);
  const Asked& answered_now() const { return open_.at(line_.oldest().turn); }

  HttpLine line_;
  Alarm next_;
  std::map<std::string, Asked> open_;  // by turn
  std::string body_;
  bool own_ = false;  // the answer that is being read is the proxy's own
  std::uint64_t number_ = 0;
  std::uint64_t answered_ = 0;
};

}  // namespace limpet::sim
