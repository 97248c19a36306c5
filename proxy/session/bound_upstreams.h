// SPDX-License-Identifier: Apache-2.0
// BoundUpstreams: the idle connections of one worker on which a backend has logged in a client's user, or is about to
// (wire/http/connection_auth.h). Each serves the connection of that client alone, and ends with it: no other client
// ever gets it. A client has one for each backend at most; where a connection knows no such authentication nothing is
// kept for it here.
//
// keepalive_connections does not count them, since a login takes several requests; keepalive_timeout ends them.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "proxy/session/idle_upstream.h"

namespace limpet::session {

class BoundUpstreams final : public IdleUpstream::Keeper {
 public:
  explicit BoundUpstreams(Worker& worker) : worker_(worker) {}
  ~BoundUpstreams();

  // The client's own connection to that backend; null where it has none. Those to backends that its key has had to
  // leave end here.
  std::unique_ptr<net::Stream> take(UpstreamOwner& client, const Backend& backend);
  // False where it cannot be kept, and is closed.
  bool put(UpstreamOwner& client, const Backend& backend, std::unique_ptr<net::Stream> stream);
  // The client's connection ends, or is a WebSocket's from here on.
  void release(UpstreamOwner& client);
  // Closes those to a backend that has left, and tells their clients, who was kept first before who was kept later.
  void drop(const Backend& backend);

 private:
  struct Bound {
    std::uint64_t number;  // in the order in which they were kept
    std::unique_ptr<IdleUpstream> idle;
  };
  using Idles = std::vector<Bound>;
  void ended(IdleUpstream& idle, bool spoke) override;

  Worker& worker_;
  std::unordered_map<UpstreamOwner*, Idles> idles_;
  std::uint64_t numbers_ = 0;
};

}  // namespace limpet::session
