// SPDX-License-Identifier: Apache-2.0
// What a loop of the simulated world stands on: SimWaiter, in which nothing waits (the world decides whose round
// comes), SimTransport, which dials the world's backends, and SimListener, whose clients the world brings. One thread.
#pragma once

#include <deque>
#include <memory>

#include "proxy/net/acceptor.h"
#include "proxy/net/transport.h"
#include "tests/sim/sim_stream.h"

namespace limpet::session {
class Worker;
}

namespace limpet::sim {

class SimWaiter final : public net::Waiter {
 public:
  explicit SimWaiter(bool& woken) : woken_(woken) {}
  std::size_t wait(int) override {
    woken_ = false;
    return 0;
  }
  void dispatch() override {}
  void wake() override { woken_ = true; }
  bool change(int, net::Pollable&, std::uint32_t, std::uint32_t) override { return true; }
  void forget(const net::Pollable&) override {}

 private:
  bool& woken_;  // the world's
};

class SimTransport final : public net::Transport {
 public:
  SimTransport(World& world, std::size_t thread) : world_(world), thread_(thread) {}
  std::unique_ptr<net::Stream> open(net::Loop&, Fd, const net::Address&) override { return nullptr; }
  Result<std::unique_ptr<net::Stream>> dial(net::Loop& loop, const net::Target& to) override;

 private:
  World& world_;
  const std::size_t thread_;
};

// As net::Acceptor; its queue holds what has connected and is not accepted yet.
class SimListener final : public net::Listener, private net::Pollable {
 public:
  static constexpr std::size_t kBacklog = 16;

  SimListener(World& world, session::Worker& worker, std::size_t thread)
      : world_(world), worker_(worker), thread_(thread) {}
  ~SimListener();

  void pause() override { paused_ = true; }
  bool resume() override;
  void close_after_queue() override;

  bool is_full() const { return queue_.size() >= kBacklog; }
  void queue(std::shared_ptr<Link> link);

 private:
  void on_poll(std::uint32_t events) override;
  void mark();
  bool accept();

  World& world_;
  session::Worker& worker_;
  const std::size_t thread_;
  std::deque<std::shared_ptr<Link>> queue_;
  bool paused_ = false;
  bool closing_ = false;
  bool again_ = false;
};

}  // namespace limpet::sim
