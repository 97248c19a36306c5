// SPDX-License-Identifier: Apache-2.0
#include "proxy/session/outlet.h"

#include <algorithm>

#include "proxy/session/worker.h"

namespace limpet::session {

using net::IoStatus;

namespace {

constexpr int kMostPieces = 512;  // below IOV_MAX

}  // namespace

void Outlet::hold(Worker& worker, std::string_view bytes) {
  if (bytes.empty()) return;
  if (queue_.empty()) stalled_since_ = worker.now();
  queue_.append(bytes);
  worker.count_buffered(static_cast<std::int64_t>(bytes.size()));
}

void Outlet::drop(Worker& worker) {
  worker.count_buffered(-static_cast<std::int64_t>(queue_.size()));
  queue_.clear();
}

IoStatus Outlet::send(Worker& worker, net::Stream& stream, std::string_view bytes) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  return send(worker, stream, &piece, 1);
}

IoStatus Outlet::send(Worker& worker, net::Stream& stream, iovec* pieces, int count) {
  while (queue_.empty() && count > 0) {
    const int part = std::min(count, kMostPieces);
    const net::IoResult result = stream.write(pieces, part);
    if (result.status == IoStatus::Reset) return IoStatus::Reset;
    std::size_t taken = result.status == IoStatus::Ok ? result.n : 0;
    int i = 0;
    while (i < part && taken >= pieces[i].iov_len) taken -= pieces[i++].iov_len;
    pieces += i;
    count -= i;
    if (i == part) continue;
    pieces[0].iov_base = static_cast<char*>(pieces[0].iov_base) + taken;
    pieces[0].iov_len -= taken;
    break;
  }
  const bool was_empty = queue_.empty();
  for (int i = 0; i < count; ++i) hold(worker, {static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len});
  if (was_empty && !queue_.empty()) unacknowledged_ = stream.unacknowledged();
  return IoStatus::Ok;
}

IoStatus Outlet::flush(Worker& worker, net::Stream& stream) {
  if (queue_.empty()) return IoStatus::Ok;
  const auto bytes = queue_.view();
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  const net::IoResult result = stream.write(&piece, 1);
  if (result.status == IoStatus::Reset) return IoStatus::Reset;
  if (result.status == IoStatus::Ok && result.n > 0) {
    queue_.consume(result.n);
    worker.count_buffered(-static_cast<std::int64_t>(result.n));
    stalled_since_ = worker.now();
    if (!queue_.empty()) unacknowledged_ = stream.unacknowledged();
  }
  return IoStatus::Ok;
}

bool Outlet::stalled(const net::Stream& stream, Time now, Duration limit) {
  if (queue_.empty() || now < stalled_since_ + limit) return false;
  const std::uint32_t left = stream.unacknowledged();
  if (left == unacknowledged_) return true;
  unacknowledged_ = left;
  stalled_since_ = now;
  return false;
}

IoStatus Gather::send(Worker& worker, net::Stream& stream, Outlet& outlet) {
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
}

}  // namespace limpet::session
