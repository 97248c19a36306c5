// SPDX-License-Identifier: Apache-2.0
// SimStream: the proxy's end of a Link. Readiness is a level, told by Loop::again(): as long as what is watched is
// ready each round of the loop calls the handler. Owned by the proxy; one thread.
#pragma once

#include <memory>

#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "tests/sim/link.h"

namespace limpet::sim {

class SimStream final : public net::Stream, private net::Pollable {
 public:
  SimStream(World& world, net::Loop& loop, std::shared_ptr<Link> link, bool connecting);
  ~SimStream() override;
  SimStream(const SimStream&) = delete;
  SimStream& operator=(const SimStream&) = delete;

  net::IoResult read(char* to, std::size_t size) override;
  net::IoResult write(const iovec* pieces, int count) override;
  void end_follows() override {}
  void shut_write() override;
  void close_with_reset() override { with_reset_ = true; }
  void probe_when_idle() override { link_->probe(); }
  void watch(bool readable, bool writable) override;
  void set_handler(net::StreamHandler* handler) override;
  net::StreamHandler* handler() const override { return handler_; }
  std::optional<Error> failure() override;
  bool connecting() const override { return connecting_; }
  bool silent() const override { return !is_readable(); }
  std::uint32_t unacknowledged() const override {
    return static_cast<std::uint32_t>(link_->to_actor().unacknowledged());
  }

  // --- the world ---
  // Something may be ready that was not.
  void mark();
  // The connect is over: 0, or the errno that it failed with.
  void connected(int error);
  Link& link() { return *link_; }
  bool was_connecting() const { return was_connecting_; }

 private:
  bool is_broken() const { return error_ != 0 || link_->to_proxy().reset_arrived; }
  bool is_readable() const;
  bool is_writable() const;
  void on_poll(std::uint32_t events) override;

  World& world_;
  net::Loop& loop_;
  const std::shared_ptr<Link> link_;
  net::StreamHandler* handler_ = nullptr;
  bool reads_ = false;
  bool writes_ = false;
  bool again_ = false;
  bool connecting_;
  const bool was_connecting_;
  bool reset_told_ = false;
  bool with_reset_ = false;
  bool shut_ = false;
  bool wrote_ = false;
  int error_ = 0;
};

}  // namespace limpet::sim
