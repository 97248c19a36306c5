// SPDX-License-Identifier: Apache-2.0
// An id that nobody holds any more is given to the next listener that comes.
#include "proxy/session/listener.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace limpet::session {

ListenerId ListenerTable::add(std::shared_ptr<const Listener> listener) {
  auto free = std::ranges::find(states_, nullptr, &State::listener);
  if (free == states_.end()) free = states_.emplace(states_.end());
  *free = {std::move(listener)};
  assert(free - states_.begin() <= UINT16_MAX);
  return static_cast<ListenerId>(free - states_.begin());
}

void ListenerTable::retire(ListenerId id) {
  states_[id].retired = true;
  free_if_unused(states_[id]);
}

void ListenerTable::let_go(ListenerId id) {
  --states_[id].held;
  free_if_unused(states_[id]);
}

void ListenerTable::free_if_unused(State& state) {
  if (state.retired && state.held == 0) state = {};
}

}  // namespace limpet::session
