// SPDX-License-Identifier: Apache-2.0
// A head that lies whole in the input is read where it lies; only one that comes in pieces is gathered. Payload is
// skipped by subtraction, whatever its size.
#include "proxy/wire/websocket/observer.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace limpet::wire {

namespace {

constexpr std::uint8_t kFin = 0x80;
constexpr std::uint8_t kMaskBit = 0x80;
constexpr std::uint8_t kContinuation = 0x0;
constexpr std::uint8_t kBinary = 0x2;
constexpr std::uint8_t kClose = 0x8;
constexpr std::uint8_t kPing = 0x9;
constexpr std::uint8_t kPong = 0xa;
constexpr std::size_t kMaxControl = 125;
constexpr std::uint16_t kNoCode = 1005;

std::uint64_t big_endian(const std::uint8_t* bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

void append_control(std::string& out, std::uint8_t opcode, std::string_view payload, const std::uint8_t* mask) {
  assert(payload.size() <= kMaxControl);
  payload = payload.substr(0, kMaxControl);
  out += static_cast<char>(kFin | opcode);
  out += static_cast<char>(payload.size() | (mask ? kMaskBit : 0));
  if (!mask) {
    out += payload;
    return;
  }
  out.append(reinterpret_cast<const char*>(mask), 4);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(static_cast<std::uint8_t>(payload[i]) ^ mask[i % 4]);
  }
}

}  // namespace

WebSocketObserver::Step WebSocketObserver::step(std::string_view input) {
  Step step;
  if (blind_ || input.empty()) {
    step.what = blind_ ? What::Blind : What::More;
    step.consumed = input.size();
    return step;
  }
  step.began_here = head_size_ == 0 && left_ == 0;
  std::size_t at = 0;
  if (left_ == 0) {
    const Head head = take_head(input, at);
    if (head != Head::Whole) {
      blind_ = head == Head::Bad;
      step.what = blind_ ? What::Blind : What::More;
      step.consumed = input.size();
      return step;
    }
  }
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - at));
  if (is_control()) keep_prefix(input.substr(at, size));
  left_ -= size;
  step.consumed = at + size;
  if (left_ == 0) step.what = ended();
  return step;
}

// `consumed` is set where the head is Whole: to the bytes of the input that belong to it.
WebSocketObserver::Head WebSocketObserver::take_head(std::string_view input, std::size_t& consumed) {
  const std::size_t had = head_size_;
  Head head;
  std::size_t size = 0;
  if (had == 0) {
    head = read_head(reinterpret_cast<const std::uint8_t*>(input.data()), input.size(), size);
  } else {
    const std::size_t added = std::min(input.size(), kMostHead - had);
    std::memcpy(kept_ + had, input.data(), added);
    head = read_head(kept_, had + added, size);
    head_size_ = static_cast<std::uint8_t>(had + added);
  }
  if (head == Head::Whole) {
    consumed = size - had;
    head_size_ = 0;
  } else if (head == Head::Part && had == 0) {
    std::memcpy(kept_, input.data(), input.size());
    head_size_ = static_cast<std::uint8_t>(input.size());
  }
  return head;
}

// Bad as soon as a byte shows it. Where Whole, `size` is the head's, and the state is that of the payload's beginning.
WebSocketObserver::Head WebSocketObserver::read_head(const std::uint8_t* bytes, std::size_t count, std::size_t& size) {
  first_ = bytes[0];
  const std::uint8_t opcode = first_ & 0x0f;
  const bool fin = (first_ & kFin) != 0;
  if (is_control() ? (opcode > kPong || !fin) : (opcode > kBinary || (opcode == kContinuation) != fragmented_)) {
    return Head::Bad;
  }
  if (count < 2) return Head::Part;
  const std::uint8_t length = bytes[1] & 0x7f;
  if (((bytes[1] & kMaskBit) != 0) != masked_ || (is_control() && length > kMaxControl)) return Head::Bad;
  const std::size_t extended = length == 127 ? 8 : length == 126 ? 2 : 0;
  if (extended == 8 && count > 2 && (bytes[2] & 0x80) != 0) return Head::Bad;
  size = 2 + extended + (masked_ ? kMask : 0);
  if (count < size) return Head::Part;

  left_ = extended == 0 ? length : big_endian(bytes + 2, extended);
  if (!is_control()) {
    fragmented_ = !fin;
    return Head::Whole;
  }
  control_size_ = length;
  if (masked_) std::memmove(kept_ + kPrefix, bytes + size - kMask, kMask);  // `bytes` may be kept_
  return Head::Whole;
}

void WebSocketObserver::keep_prefix(std::string_view payload) {
  const auto from = static_cast<std::size_t>(control_size_ - left_);
  const std::size_t to = std::min(from + payload.size(), kPrefix);
  for (std::size_t i = from; i < to; ++i) {
    const std::uint8_t mask = masked_ ? kept_[kPrefix + i % kMask] : 0;
    kept_[i] = static_cast<std::uint8_t>(payload[i - from]) ^ mask;
  }
}

WebSocketObserver::What WebSocketObserver::ended() const {
  switch (current_opcode()) {
  case kClose:
    return What::Close;
  case kPing:
    return What::Ping;
  case kPong:
    return What::Pong;
  }
  return fragmented_ ? What::Fragment : What::Message;
}

std::string_view WebSocketObserver::control_prefix() const {
  return {reinterpret_cast<const char*>(kept_), std::min<std::size_t>(control_size_, kPrefix)};
}

std::uint16_t WebSocketObserver::close_code() const {
  return control_size_ < 2 ? kNoCode : static_cast<std::uint16_t>(big_endian(kept_, 2));
}

void append_close(std::string& out, std::uint16_t code, std::string_view reason, const std::uint8_t* mask) {
  if (code == kNoCode) {
    append_control(out, kClose, {}, mask);
    return;
  }
  std::size_t size = std::min(reason.size(), kMaxControl - 2);
  while (size > 0 && size < reason.size() && (reason[size] & 0xc0) == 0x80) --size;
  char payload[kMaxControl] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  std::copy_n(reason.data(), size, payload + 2);
  append_control(out, kClose, {payload, size + 2}, mask);
}

void append_ping(std::string& out, std::string_view payload, const std::uint8_t* mask) {
  append_control(out, kPing, payload, mask);
}

}  // namespace limpet::wire
