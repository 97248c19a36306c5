// SPDX-License-Identifier: Apache-2.0
// How an Outlet writes: into the worker's outbox within a batch, else at once, and into a queue what the peer does not
// take. It decides when a peer is stalled by what the peer's side has acknowledged. It owns no stream and no timer: its
// session asks. A Gather sends only what belongs to the outlet that it is sent through.
#include "proxy/session/outlet.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "proxy/base/log.h"
#include "proxy/session/worker.h"

namespace limpet::session {

using net::IoStatus;

namespace {

constexpr int kMostPieces = 512;  // below IOV_MAX

}  // namespace

void Outlet::hold(Worker& worker, std::string_view bytes) {
  if (bytes.empty()) return;
  if (waiting_ == nullptr) waiting_ = std::make_unique<Waiting>();
  if (waiting_->queue.empty()) waiting_->stalled_since = worker.now();
  waiting_->queue.append(bytes);
  worker.count_buffered(static_cast<std::int64_t>(bytes.size()));
}

void Outlet::drop(Worker& worker) {
  send_posted(worker);
  if (waiting_ == nullptr) return;
  worker.count_buffered(-static_cast<std::int64_t>(waiting_->queue.size()));
  waiting_.reset();
}

// Ok: it leaves with the batch. WouldBlock: it does not, and nothing is put off any more. Reset: the connection is
// gone.
IoStatus Outlet::post(Worker& worker, net::Stream& stream, const iovec* pieces, int count, std::size_t size) {
  Outbox& outbox = worker.outbox();
  if (parcel_ != 0) {
    if (outbox.append(*this, pieces, count, size)) return IoStatus::Ok;
    if (send_posted_now(worker) == IoStatus::Reset) return IoStatus::Reset;
  }
  if (!empty() || !outbox.takes(size)) return IoStatus::WouldBlock;
  parcel_ = outbox.post(*this, stream, pieces, count);
  return IoStatus::Ok;
}

IoStatus Outlet::send_posted_now(Worker& worker) {
  return worker.outbox().send(*this, std::exchange(parcel_, 0));
}

IoStatus Outlet::send_now(Worker& worker, net::Stream& stream, std::string_view bytes) {
  assert(empty());  // nothing is put off behind what waits
  parcel_ = 0;
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  const net::IoResult result = stream.write(&piece, 1);
  if (result.status == IoStatus::Reset) return IoStatus::Reset;
  const std::size_t taken = result.status == IoStatus::Ok ? result.n : 0;
  note_sent(taken);
  if (taken == bytes.size()) return IoStatus::Ok;
  hold(worker, bytes.substr(taken));
  waiting_->unacknowledged = stream.unacknowledged();
  return IoStatus::WouldBlock;
}

IoStatus Outlet::send(Worker& worker, net::Stream& stream, std::string_view bytes) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  if (!empty() || bytes.empty()) return send(worker, stream, &piece, 1);
  const IoStatus posted = post(worker, stream, &piece, 1, bytes.size());
  if (posted != IoStatus::WouldBlock) return posted;
  if (!empty()) {
    hold(worker, bytes);
    return IoStatus::Ok;
  }
  return send_now(worker, stream, bytes) == IoStatus::Reset ? IoStatus::Reset : IoStatus::Ok;
}

IoStatus Outlet::send(Worker& worker, net::Stream& stream, iovec* pieces, int count) {
  if (empty()) {
    std::size_t size = 0;
    for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
    const IoStatus posted = size > 0 ? post(worker, stream, pieces, count, size) : IoStatus::WouldBlock;
    if (posted != IoStatus::WouldBlock) return posted;
  }
  const bool nothing_waited = empty();
  while (nothing_waited && count > 0) {
    const int part = std::min(count, kMostPieces);
    const net::IoResult result = stream.write(pieces, part);
    if (result.status == IoStatus::Reset) return IoStatus::Reset;
    std::size_t taken = result.status == IoStatus::Ok ? result.n : 0;
    note_sent(taken);
    int i = 0;
    while (i < part && taken >= pieces[i].iov_len) taken -= pieces[i++].iov_len;
    pieces += i;
    count -= i;
    if (i == part) continue;
    pieces[0].iov_base = static_cast<char*>(pieces[0].iov_base) + taken;
    pieces[0].iov_len -= taken;
    break;
  }
  for (int i = 0; i < count; ++i) hold(worker, {static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len});
  if (nothing_waited && !empty()) waiting_->unacknowledged = stream.unacknowledged();
  return IoStatus::Ok;
}

IoStatus Outlet::flush(Worker& worker, net::Stream& stream) {
  if (empty()) return IoStatus::Ok;
  const auto bytes = waiting_->queue.view();
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  const net::IoResult result = stream.write(&piece, 1);
  if (result.status == IoStatus::Reset) return IoStatus::Reset;
  if (result.status != IoStatus::Ok || result.n == 0) return IoStatus::Ok;
  waiting_->queue.consume(result.n);
  worker.count_buffered(-static_cast<std::int64_t>(result.n));
  if (waiting_->queue.empty()) {
    waiting_.reset();
  } else {
    waiting_->stalled_since = worker.now();
    waiting_->unacknowledged = stream.unacknowledged();
  }
  return IoStatus::Ok;
}

bool Outlet::unacknowledged(const net::Stream& stream, Time now) {
  const std::uint32_t left = stream.unacknowledged();
  if (left == 0 && empty() && parcel_ == 0) {
    waiting_.reset();
    return false;
  }
  if (waiting_ == nullptr) {
    waiting_ = std::make_unique<Waiting>();
    waiting_->stalled_since = now;
    waiting_->unacknowledged = left;
  }
  return true;
}

bool Outlet::stalled(const net::Stream& stream, Time now, Duration limit) {
  if (waiting_ == nullptr || now < waiting_->stalled_since + limit) return false;
  const std::uint32_t left = stream.unacknowledged();
  if (left == 0 && empty()) return false;
  if (left == waiting_->unacknowledged) return true;
  waiting_->unacknowledged = left;
  waiting_->stalled_since = now;
  return false;
}

IoStatus Gather::send(Worker& worker, net::Stream& stream, Outlet& outlet) {
  if (!belongs_to(outlet)) return IoStatus::Reset;
  if (pieces_.empty()) {
    const IoStatus status = outlet.send(worker, stream, text_);
    clear();
    return status;
  }
  close_text();
  io_.clear();
  for (const Piece& piece : pieces_) {
    const char* data = piece.data != nullptr ? piece.data : text_.data() + piece.at;
    io_.push_back({const_cast<char*>(data), piece.size});
  }
  const IoStatus status = outlet.send(worker, stream, io_.data(), static_cast<int>(io_.size()));
  clear();
  return status;
}

bool Gather::expose() {
  log::error("bytes of one connection were left where another's are gathered: not sent, the connection is closed");
  net::Stream* const stream = stream_;
  clear();
  if (net::StreamHandler* const handler = stream == nullptr ? nullptr : stream->handler()) {
    handler->on_refused(*stream, IoStatus::Reset);
  }
  return true;
}

void Gather::hold(Worker& worker, Outlet& outlet) {
  close_text();
  for (const Piece& piece : pieces_) {
    outlet.hold(worker, {piece.data != nullptr ? piece.data : text_.data() + piece.at, piece.size});
  }
  clear();
}

void Gather::clear() {
  pieces_.clear();
  text_.clear();
  text_done_ = 0;
  owner_ = nullptr;
  stream_ = nullptr;
}

}  // namespace limpet::session
