// SPDX-License-Identifier: Apache-2.0
// Looks at one byte at most: what it is does not matter, the connection is not used any more.
#include "proxy/session/idle_upstream.h"

#include <utility>

#include "proxy/base/planted_fault.h"
#include "proxy/session/worker.h"

namespace limpet::session {

IdleUpstream::IdleUpstream(Worker& worker, Keeper& keeper, const Backend& backend, UpstreamOwner* client,
                           std::unique_ptr<net::Stream> stream)
    : backend(backend), client(client), keeper_(keeper), stream_(std::move(stream)) {
  stream_->set_handler(this);
  stream_->watch(true, false);
  worker.wheel().arm(*this, worker.now() + backend.pool.settings().keepalive_timeout);
}

std::unique_ptr<net::Stream> IdleUpstream::take() {
  disarm();
  stream_->set_handler(nullptr);
  return std::move(stream_);
}

void IdleUpstream::on_ready(net::Stream&, bool, bool) {
  if (planted(Planted::SurplusRead)) return stream_->watch(false, false);
  char byte;
  const auto got = stream_->read(&byte, 1);
  if (got.status != net::IoStatus::WouldBlock) keeper_.ended(*this, got.status == net::IoStatus::Ok);
}

}  // namespace limpet::session
