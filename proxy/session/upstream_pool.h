// SPDX-License-Identifier: Apache-2.0
// Idle upstream connections of one worker, kept for the next request to the same backend (RFC 9112 §9.3). One that the
// backend closes, or that says anything unasked, is dropped at once.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "proxy/session/idle_upstream.h"

namespace limpet::session {

class Worker;

class UpstreamPool final : public IdleUpstream::Keeper {
 public:
  explicit UpstreamPool(Worker& worker);
  ~UpstreamPool();

  // The connection that was used last; null where there is none. With `check`, one that has become readable is dropped
  // first (one more system call: for requests that could not be repeated).
  std::unique_ptr<net::Stream> take(const Backend& backend, bool check);
  void put(const Backend& backend, std::unique_ptr<net::Stream> stream);
  // Closes the idle connections to a backend that leaves.
  void drop(const Backend& backend);

 private:
  void ended(IdleUpstream& idle, bool spoke) override;

  Worker& worker_;
  std::unordered_map<const Backend*, std::vector<std::unique_ptr<IdleUpstream>>> idle_;
};

}  // namespace limpet::session
