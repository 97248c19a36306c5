// SPDX-License-Identifier: Apache-2.0
// Listener: what workers know of one place where clients arrive. Immutable but for its gate; shared by all workers.
// ListenerTable: one worker's listeners by id. A connection and a session keep the id, which is two bytes, and not
// their place in a configuration, which may have been exchanged before they end. Used by the worker's thread alone.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/session/client_limits.h"
#include "proxy/session/settings.h"

namespace limpet::session {

struct Listener {
  ListenerSettings settings;
  HttpSettings before_routing;  // the limits of a head whose route is not known yet (Router)
  std::shared_ptr<ClientGate> gate;
};

using ListenerId = std::uint16_t;

class ListenerTable {
 public:
  // The smallest id that is free. Requires: fewer than 65,536 are in use.
  ListenerId add(std::shared_ptr<const Listener> listener);
  // No connection will come from it any more: its id is free, and the listener let go, when nobody holds it.
  void retire(ListenerId id);

  // Requires: somebody holds the id, or it is not retired; until then it stays valid.
  const Listener& operator[](ListenerId id) const { return *states_[id].listener; }

  // Each connection and each session holds its listener's id from when it begins until it is destroyed.
  void hold(ListenerId id) { ++states_[id].held; }
  void let_go(ListenerId id);

 private:
  struct State {
    std::shared_ptr<const Listener> listener;  // null: the id is free
    std::uint32_t held = 0;
    bool retired = false;
  };
  static void free_if_unused(State& state);

  std::vector<State> states_;
};

}  // namespace limpet::session
