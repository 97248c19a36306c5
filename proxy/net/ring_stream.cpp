// SPDX-License-Identifier: Apache-2.0
// See ring_stream.h. A stream is in one of two ways of reading: its receive is armed in the ring and fills shared
// buffers, or, while it brings much at a time, the kernel tells the poller and read() is a system call (TcpStream's).
// The worker's thread only.
#include "proxy/net/ring_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "proxy/base/log.h"

namespace limpet::net {

namespace {

constexpr std::uint16_t kBulk = 8;       // buffers that came in one round, from which on a stream is read directly
constexpr std::uint8_t kSmallReads = 4;  // after so many it is the ring's again

}  // namespace

RingStream::RingStream(Loop& loop, Ring& ring, Fd fd) : TcpStream(loop, std::move(fd)), ring_(ring) {}

RingStream::~RingStream() {
  for (std::uint16_t buffer = first_; buffer != Ring::kNone;)
    ring_.give_back(std::exchange(buffer, ring_.after(buffer)));
  if (queued_) ring_.unqueue(*this);
  if (receive_ != Ring::kNobody) ring_.abandon_receive(receive_, descriptor());
  if (send_ != Ring::kNobody) ring_.abandon_send(send_, descriptor(), cut_);
  TcpStream::watch(false, false);  // the set would keep it as long as any request does
  ring_.close_later(take_descriptor());
}

IoResult RingStream::read(char* to, std::size_t size) {
  std::size_t n = 0;
  if (held_ != nullptr) {
    n = std::min(size, held_->size());
    std::memcpy(to, held_->data(), n);
    held_->erase(0, n);
    if (held_->empty()) held_.reset();
  }
  while (first_ != Ring::kNone && n < size) {
    const auto bytes = ring_.received(first_).substr(offset_);
    const std::size_t part = std::min(size - n, bytes.size());
    std::memcpy(to + n, bytes.data(), part);
    n += part;
    offset_ = static_cast<std::uint16_t>(offset_ + part);
    if (part == bytes.size()) pass(first_);
  }
  if (n > 0) return {IoStatus::Ok, n};
  if (ended()) {
    end_told_ = true;
    return {end_, 0};
  }
  if (receive_ != Ring::kNobody) return {IoStatus::WouldBlock, 0};
  IoResult result = TcpStream::read(to, size);
  if (result.status == IoStatus::Ok) note_direct_read(result.n);
  if ((broken_ && result.status == IoStatus::WouldBlock) || (reset_ && result.status == IoStatus::Eof)) {
    result.status = IoStatus::Reset;
  }
  if (result.status == IoStatus::Eof || result.status == IoStatus::Reset) {
    end_ = result.status;
    end_told_ = true;
  }
  return result;
}

bool RingStream::has_input() const {
  if (first_ != Ring::kNone || held_ != nullptr) return true;
  return !end_told_ && (ended() || (broken_ && receive_ == Ring::kNobody));
}

void RingStream::become_bulk() {
  if (!std::exchange(bulk_, true)) small_reads_ = 0;
}

// The first buffer has been read.
void RingStream::pass(std::uint16_t buffer) {
  first_ = ring_.after(buffer);
  offset_ = 0;
  --chained_;
  ring_.give_back(buffer);
}

void RingStream::note_direct_read(std::size_t n) {
  small_reads_ = n < Ring::kReceiveSize ? static_cast<std::uint8_t>(small_reads_ + 1) : std::uint8_t{0};
  if (!bulk_ || small_reads_ < kSmallReads) return;
  bulk_ = false;
  update_requests();
}

IoResult RingStream::write(const iovec* pieces, int count) {
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
  if (broken_ || end_ == IoStatus::Reset) return {IoStatus::Reset, 0};
  if (send_ != Ring::kNobody) {
    if (!ring_.sends_for(send_, *this)) {  // a fault of ours: nothing may leave with another's bytes
      log::error(
          "bytes in the ring are not those of the connection that sends them: not sent, the connection is closed");
      broken_ = true;
      return {IoStatus::Reset, 0};
    }
    if (ring_.add_to_send(send_, pieces, count, size)) return {IoStatus::Ok, size};
    return {IoStatus::WouldBlock, 0};
  }
  if (size <= Ring::kSendSize && !wants_write_) {
    send_ = ring_.send(*this, descriptor(), pieces, count, size);
    if (send_ != Ring::kNobody) return {IoStatus::Ok, size};
  }
  return TcpStream::write(pieces, count);
}

void RingStream::shut_write() {
  if (send_ == Ring::kNobody) return TcpStream::shut_write();
  shut_due_ = true;
}

void RingStream::close_with_reset() {
  cut_ = true;
  TcpStream::close_with_reset();
}

void RingStream::watch(bool readable, bool writable) {
  if (readable == wants_read_ && writable == wants_write_) return;
  wants_read_ = readable;
  wants_write_ = writable;
  if (!readable) hold();
  if (readable && has_input()) queue();
  update_requests();
}

// What is asked of the ring and of the poller, by what is wanted and what is under way. Only one of them reads: their
// bytes would come in any order.
void RingStream::update_requests() {
  const bool receives = receive_ != Ring::kNobody;
  const bool reads = wants_read_ && !ended();
  if (receives && !cancelled_ && (!reads || bulk_ || broken_)) {
    cancelled_ = ring_.cancel_receive(receive_);
  }
  if (!receives && reads && !bulk_ && !broken_) {
    receive_ = ring_.receive(*this, descriptor());
    if (receive_ == Ring::kNobody) bulk_ = true;  // no room for the request
  }
  // While a send is under way its end tells that more can be written.
  TcpStream::watch(receive_ == Ring::kNobody && reads && bulk_ && !broken_, wants_write_ && send_ == Ring::kNobody);
}

// What the ring has taken out of the socket and nobody has seen yet may be anyone's.
bool RingStream::silent() const {
  return !has_input() && !ended() && (receive_ == Ring::kNobody || !ring_.has_unseen(receive_)) && TcpStream::silent();
}

std::size_t RingStream::held() const {
  std::size_t size = held_ != nullptr ? held_->size() : 0;
  for (std::uint16_t buffer = first_; buffer != Ring::kNone; buffer = ring_.after(buffer)) {
    size += ring_.received(buffer).size();
  }
  return size - offset_;
}

std::uint32_t RingStream::unacknowledged() const {
  return TcpStream::unacknowledged() + (send_ != Ring::kNobody ? ring_.send_size(send_) : 0);
}

void RingStream::took(std::uint16_t buffer) {
  if (first_ == Ring::kNone) {
    first_ = buffer;
  } else {
    ring_.chain(last_, buffer);
  }
  last_ = buffer;
  ++chained_;
  if (wants_read_) {
    queue();
  } else {
    hold();
  }
}

// The buffers are everybody's: what is not wanted at present does not stay in them.
void RingStream::hold() {
  if (first_ == Ring::kNone) return;
  if (chained_ >= kBulk) become_bulk();
  if (held_ == nullptr) held_ = std::make_unique<std::string>();
  held_->reserve(held_->size() + chained_ * Ring::kReceiveSize);
  while (first_ != Ring::kNone) {
    held_->append(ring_.received(first_).substr(offset_));
    pass(first_);
  }
}

// `result`: 0 at the end of the stream, or a negative errno.
void RingStream::receive_over(int result) {
  receive_ = Ring::kNobody;
  cancelled_ = false;
  if (result == 0) {
    end_ = reset_ ? IoStatus::Reset : IoStatus::Eof;
  } else if (result < 0 && result != -ENOBUFS && result != -ECANCELED && result != -EINTR && result != -EAGAIN) {
    end_ = IoStatus::Reset;
  }
  if (wants_read_ && has_input()) queue();
  update_requests();
}

void RingStream::sent(int error) {
  send_ = Ring::kNobody;
  if (error != 0) {
    broken_ = true;
    reset_ = error == -ECONNRESET;
    update_requests();
  }
  if (std::exchange(shut_due_, false)) TcpStream::shut_write();
  may_write_ = true;
  if (wants_write_ || (wants_read_ && has_input())) queue();
}

void RingStream::deliver() {
  queued_ = false;
  if (chained_ >= kBulk) become_bulk();
  const bool readable = wants_read_ && has_input();
  const bool writable = wants_write_ && std::exchange(may_write_, false);
  if (readable || writable) call(readable, writable);
  if (handler() == nullptr) return;
  if (wants_read_ && has_input()) queue();
  update_requests();
}

void RingStream::queue() {
  if (std::exchange(queued_, true)) return;
  ring_.queue(*this);
}

}  // namespace limpet::net
