// SPDX-License-Identifier: Apache-2.0
// See sim_stream.h.
#include "tests/sim/sim_stream.h"

#include <algorithm>
#include <cstring>

#include "tests/sim/world.h"

namespace limpet::sim {

using net::IoResult;
using net::IoStatus;

SimStream::SimStream(World& world, net::Loop& loop, std::shared_ptr<Link> link, bool connecting)
    : world_(world), loop_(loop), link_(std::move(link)), connecting_(connecting), was_connecting_(connecting) {
  link_->attach(*this);
  world_.stream_opened(*link_);
}

SimStream::~SimStream() {
  loop_.forget(*this);
  world_.stream_closed(*link_);
  link_->detach(with_reset_);
}

bool SimStream::is_readable() const {
  if (connecting_) return false;
  const Pipe& pipe = link_->to_proxy();
  return !pipe.arrived.empty() || pipe.fin_arrived || is_broken();
}

bool SimStream::is_writable() const {
  if (connecting_) return false;
  if (is_broken()) return true;
  return 3 * link_->to_actor().unacknowledged() < 2 * link_->nature().send_buffer;
}

IoResult SimStream::read(char* to, std::size_t size) {
  Pipe& pipe = link_->to_proxy();
  if (!pipe.arrived.empty()) {
    const std::size_t n = std::min(size, pipe.arrived.size());
    std::memcpy(to, pipe.arrived.data(), n);
    pipe.arrived.erase(0, n);
    link_->transmit_to_proxy();
    return {IoStatus::Ok, n};
  }
  if (is_broken() && !reset_told_) {
    reset_told_ = true;
    return {IoStatus::Reset, 0};
  }
  if (pipe.fin_arrived || is_broken()) return {IoStatus::Eof, 0};
  return {IoStatus::WouldBlock, 0};
}

IoResult SimStream::write(const iovec* pieces, int count) {
  if (shut_) world_.fail("write_behind_fin", "the proxy writes on a connection whose end it has sent");
  if (is_broken()) return {IoStatus::Reset, 0};
  if (connecting_) return {IoStatus::WouldBlock, 0};
  if (!wrote_) {
    wrote_ = true;
    world_.first_write(*this);
  }
  std::size_t size = 0;
  std::size_t taken = 0;
  for (int i = 0; i < count; ++i) {
    size += pieces[i].iov_len;
    const std::size_t n = link_->write(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
    taken += n;
    if (n < pieces[i].iov_len) break;
  }
  world_.note_write(*link_, size, taken);
  if (taken == 0 && size > 0) {
    world_.count("full send buffer");
    return {IoStatus::WouldBlock, 0};
  }
  if (taken < size) mark();  // a short write by chance: there is room
  return {IoStatus::Ok, taken};
}

void SimStream::shut_write() {
  shut_ = true;
  link_->shut_from_proxy();
}

void SimStream::watch(bool readable, bool writable) {
  reads_ = readable;
  writes_ = writable;
  mark();
}

void SimStream::set_handler(net::StreamHandler* handler) {
  handler_ = handler;
}

std::optional<Error> SimStream::failure() {
  if (error_ == 0) return std::nullopt;
  return Error{Fault::Upstream, std::string("connect: ") + std::strerror(error_), error_};
}

void SimStream::connected(int error) {
  connecting_ = false;
  error_ = error;
  mark();
}

void SimStream::mark() {
  if (again_ || !((reads_ && is_readable()) || (writes_ && is_writable()))) return;
  again_ = true;
  loop_.again(*this);
}

void SimStream::on_poll(std::uint32_t) {
  again_ = false;
  bool readable = reads_ && is_readable();
  const bool writable = writes_ && is_writable();
  if (!readable && reads_ && !connecting_ && link_->nature().may_wake_for_nothing && link_->dice().chance(0.1)) {
    readable = true;  // rarely, for nothing
    world_.count("woken for nothing");
  }
  if (!readable && !writable) return;
  if (handler_ != nullptr) handler_->on_ready(*this, readable, writable);
  // A FIN right behind the bytes is sometimes told in the same round, as by TcpStream.
  if (readable && reads_ && handler_ != nullptr && link_->to_proxy().fin_arrived && link_->to_proxy().arrived.empty() &&
      link_->dice().chance(0.5)) {
    world_.count("FIN in the same round");
    handler_->on_ready(*this, true, false);
  }
  mark();
}

}  // namespace limpet::sim
