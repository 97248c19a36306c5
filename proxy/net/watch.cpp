// SPDX-License-Identifier: Apache-2.0
// See watch.h.
#include "proxy/net/watch.h"

#include <sys/epoll.h>

namespace limpet::net {

bool Watch::start() {
  started_ = started_ || loop_.change(descriptor_, *this, 0, EPOLLIN);
  return started_;
}

void Watch::stop() {
  if (!started_) return;
  started_ = false;
  loop_.change(descriptor_, *this, EPOLLIN, 0);
  loop_.forget(*this);
}

}  // namespace limpet::net
