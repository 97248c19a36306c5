// SPDX-License-Identifier: Apache-2.0
// See guest_waiter.h. The one file of this folder that includes libevent.
#include "proxy/net/guest_waiter.h"

#include <event2/event.h>

#include <stdexcept>

namespace limpet::net {

namespace {

void wake_up(evutil_socket_t, short, void*) {}

}  // namespace

GuestWaiter::GuestWaiter() {
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_config_avoid_method(config, "select");
  event_config_avoid_method(config, "poll");
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  if (base_ == nullptr) throw std::runtime_error("no event loop: out of descriptors");
  host_ = event_new(base_, poller_.descriptor(), EV_READ | EV_PERSIST, wake_up, nullptr);
  event_add(host_, nullptr);
  timeout_ = event_new(base_, -1, 0, wake_up, nullptr);
}

GuestWaiter::~GuestWaiter() {
  event_free(timeout_);
  event_free(host_);
  event_base_free(base_);
}

std::size_t GuestWaiter::wait(int ms) {
  if (ms >= 0) {
    const timeval delay{ms / 1000, ms % 1000 * 1000};
    event_add(timeout_, &delay);
  }
  event_base_loop(base_, EVLOOP_ONCE);
  event_del(timeout_);
  return poller_.wait(0);
}

}  // namespace limpet::net
