// SPDX-License-Identifier: Apache-2.0
// A nature for the actors' own test: joins clients to backends with nothing between them but pipes that lose nothing
// and cut the bytes where they like. A test may have every byte that goes to clients pass through its hands.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/actors/backend.h"
#include "tests/sim/actors/draw.h"

namespace limpet::sim {

class PipeNature;

class PipeEnd final : public End {
 public:
  PipeEnd(PipeNature& nature, Actor& actor, std::uint64_t id) : nature_(nature), actor_(actor), id_(id) {}

  void send(std::string_view bytes) override;
  std::size_t unsent() const override { return peer_->in_.size(); }
  void shut() override;
  void reset() override;
  void close() override;
  void reads_at(std::uint64_t rate) override;
  std::uint64_t id() const override { return id_; }
  Actor& actor() override { return actor_; }
  // Both sides are reset, and nobody is told the reason.
  void lose();

 private:
  friend class PipeNature;
  void wake();
  void deliver();
  void be_reset();
  void lose_bytes();
  void gone(bool by_reset);

  PipeNature& nature_;
  Actor& actor_;
  const std::uint64_t id_;
  PipeEnd* peer_ = nullptr;
  std::string in_;
  std::uint64_t rate_ = kAtOnce;
  bool to_client_ = false, fin_ = false, fin_told_ = false, gone_ = false, woken_ = false, shut_ = false;
};

class PipeNature final : public Nature {
 public:
  explicit PipeNature(std::uint64_t seed) : random_(seed) {}

  Time now() const override { return now_; }
  Random& random() override { return random_; }
  std::uint64_t after(Duration delay, std::function<void()> work) override;
  void cancel(std::uint64_t alarm) override;
  End& connect(Actor& client) override;
  void note(const Actor&, std::string_view) override {}
  void fail(std::string_view check, std::string_view why) override {
    failures.push_back(std::string(check));
    reasons += std::string(check) + ": " + std::string(why) + "\n";
  }
  void count(std::string_view event) override { ++tally[std::string(event)]; }

  void run_for(Duration time);
  bool failed_by(const std::string& check) const {
    return std::find(failures.begin(), failures.end(), check) != failures.end();
  }

  std::vector<Backend*> backends;  // a connection goes to one of those that are up
  std::function<void(std::string& bytes, End& client)> tamper;
  std::function<void(std::string& bytes, End& backend)> tamper_requests;
  Troubles* troubles = nullptr;  // told whose bytes were lost by a reset, and who was refused
  std::vector<std::string> failures;
  std::string reasons;
  std::map<std::string, std::uint64_t> tally;

 private:
  friend class PipeEnd;
  Time now_{std::chrono::hours(1)};
  SeededRandom random_;
  std::map<std::pair<Time, std::uint64_t>, std::function<void()>> alarms_;
  std::map<std::uint64_t, Time> due_;
  std::uint64_t next_ = 0;
  std::vector<std::unique_ptr<PipeEnd>> ends_;
};

}  // namespace limpet::sim
