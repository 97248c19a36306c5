// SPDX-License-Identifier: Apache-2.0
#include "proxy/net/ring_stream.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace limpet::net {

RingStream::RingStream(Loop& loop, Fd fd) : TcpStream(loop, std::move(fd)), ring_(*loop.ring()) {}

RingStream::~RingStream() {
  for (std::uint16_t buffer = first_; buffer != Ring::kNone;)
    ring_.give_back(std::exchange(buffer, ring_.after(buffer)));
  if (queued_ || receive_ != Ring::kNobody || send_ != Ring::kNobody) ring_.forget(*this, receive_, send_);
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
    if (part < bytes.size()) break;
    ring_.give_back(std::exchange(first_, ring_.after(first_)));
    offset_ = 0;
  }
  if (n > 0) return {IoStatus::Ok, n};
  if (!ended()) return {IoStatus::WouldBlock, 0};
  end_told_ = true;
  return {end_, 0};
}

IoResult RingStream::write(const iovec* pieces, int count) {
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += pieces[i].iov_len;
  if (send_ != Ring::kNobody) {
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

void RingStream::watch(bool readable, bool writable) {
  if (readable == wants_read_ && writable == wants_write_) return;
  wants_read_ = readable;
  wants_write_ = writable;
  if (readable) {
    arm();
    if (has_input()) queue();
  } else {
    if (receive_ != Ring::kNobody && !cancelled_) {
      cancelled_ = true;
      ring_.cancel_receive(receive_);
    }
    hold();
  }
  watch_writable();
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
  if (wants_read_) {
    queue();
  } else {
    hold();
  }
}

// The buffers are everybody's: what is not wanted at present does not stay in them.
void RingStream::hold() {
  while (first_ != Ring::kNone) {
    if (held_ == nullptr) held_ = std::make_unique<std::string>();
    held_->append(ring_.received(first_).substr(std::exchange(offset_, 0)));
    ring_.give_back(std::exchange(first_, ring_.after(first_)));
  }
}

// `result`: 0 at the end of the stream, or a negative errno.
void RingStream::receive_over(int result) {
  receive_ = Ring::kNobody;
  cancelled_ = false;
  if (result == 0) {
    end_ = IoStatus::Eof;
  } else if (result < 0 && result != -ENOBUFS && result != -ECANCELED && result != -EINTR && result != -EAGAIN) {
    end_ = IoStatus::Reset;
  }
  if (!wants_read_) return;
  if (ended()) return queue();
  arm();
}

void RingStream::sent(bool whole) {
  send_ = Ring::kNobody;
  if (!whole) end_ = IoStatus::Reset;
  if (std::exchange(shut_due_, false)) TcpStream::shut_write();
  may_write_ = true;
  if (wants_write_ || (wants_read_ && !whole)) queue();
}

void RingStream::deliver() {
  queued_ = false;
  const bool readable = wants_read_ && has_input();
  const bool writable = wants_write_ && std::exchange(may_write_, false);
  if (readable || writable) call(readable, writable);
  if (wants_read_ && has_input()) queue();
  watch_writable();
}

void RingStream::arm() {
  if (receive_ != Ring::kNobody || ended()) return;
  receive_ = ring_.receive(*this, descriptor());
  if (receive_ != Ring::kNobody) return;
  end_ = IoStatus::Reset;  // no room for the request, which happens only when all is over
  queue();
}

void RingStream::queue() {
  if (std::exchange(queued_, true)) return;
  ring_.queue(*this);
}

// While a send is under way its end tells; otherwise the poller does.
void RingStream::watch_writable() {
  TcpStream::watch(false, wants_write_ && send_ == Ring::kNobody);
}

}  // namespace limpet::net
