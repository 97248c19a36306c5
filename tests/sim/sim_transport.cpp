// SPDX-License-Identifier: Apache-2.0
// See sim_transport.h.
#include "tests/sim/sim_transport.h"

#include "proxy/session/worker.h"
#include "tests/sim/world.h"

namespace limpet::sim {

namespace {

constexpr int kBurst = 64;

}  // namespace

Result<std::unique_ptr<net::Stream>> SimTransport::dial(net::Loop& loop, const net::Target& to) {
  return world_.dial(thread_, loop, to.address);
}

SimListener::~SimListener() {
  worker_.loop().forget(*this);
  for (auto& link : queue_) link->detach(true);
  world_.listener_closed(*this);
}

void SimListener::queue(std::shared_ptr<Link> link) {
  queue_.push_back(std::move(link));
  mark();
}

void SimListener::mark() {
  if (again_ || paused_ || queue_.empty()) return;
  again_ = true;
  worker_.loop().again(*this);
}

bool SimListener::resume() {
  paused_ = false;
  mark();
  return true;
}

// True where more may be taken.
bool SimListener::accept() {
  if (queue_.empty()) return false;
  if (world_.lacks_descriptors(thread_)) {
    world_.count("EMFILE at an accept");
    paused_ = true;
    worker_.out_of_descriptors();
    return false;
  }
  const auto link = std::move(queue_.front());
  queue_.pop_front();
  world_.accepted(thread_, *link);
  worker_.accepted(0, std::make_unique<SimStream>(world_, worker_.loop(), link, false), link->peer);
  return closing_ || !paused_;
}

void SimListener::on_poll(std::uint32_t) {
  again_ = false;
  for (int i = 0; i < kBurst && !paused_ && accept(); ++i) {
  }
  mark();
}

void SimListener::close_after_queue() {
  closing_ = true;
  while (accept()) {
  }
  paused_ = true;
  worker_.loop().forget(*this);
  again_ = false;
}

}  // namespace limpet::sim
