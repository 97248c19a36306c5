// SPDX-License-Identifier: Apache-2.0
// WebSocket frames for tests (RFC 6455 §5.2): a writer, and a walker that owes nothing to the product's observer.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace limpet::session::frames {

enum Opcode : unsigned { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct Frame {
  unsigned opcode = kText;
  std::string payload;  // unmasked
  bool fin = true;
  bool masked = false;
  std::size_t begin = 0;
  std::size_t end = 0;

  int close_code() const {
    return payload.size() < 2 ? 1005
                              : static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
  }
};

inline std::string write(unsigned opcode, std::string_view payload, bool masked, bool fin = true,
                         std::string_view mask = "\x11\x22\x33\x44") {
  std::string out;
  out += static_cast<char>((fin ? 0x80U : 0U) | opcode);
  const unsigned mask_bit = masked ? 0x80U : 0U;
  if (payload.size() < 126) {
    out += static_cast<char>(mask_bit | payload.size());
  } else if (payload.size() < 65536) {
    out += static_cast<char>(mask_bit | 126U);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 255U);
  } else {
    out += static_cast<char>(mask_bit | 127U);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>((payload.size() >> shift) & 255U);
  }
  if (masked) out += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += masked ? static_cast<char>(payload[i] ^ mask[i % 4]) : payload[i];
  }
  return out;
}

inline std::string close_payload(unsigned code, std::string_view reason = {}) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 255U)} + std::string(reason);
}

// The whole frames of a stream; what is left of it begins at the last one's end.
inline std::vector<Frame> walk(std::string_view stream) {
  std::vector<Frame> result;
  std::size_t at = 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(stream[at + i]); };
  while (at + 2 <= stream.size()) {
    Frame frame;
    frame.fin = byte(0) >= 128;
    frame.opcode = byte(0) % 16;
    frame.masked = byte(1) >= 128;
    std::uint64_t size = byte(1) % 128;
    std::size_t head = 2;
    const std::size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (at + head + extra > stream.size()) break;
    if (extra > 0) size = 0;
    for (std::size_t i = 0; i < extra; ++i) size = size * 256 + byte(head + i);
    head += extra;
    const std::size_t mask_at = head;
    if (frame.masked) head += 4;
    if (at + head > stream.size() || stream.size() - at - head < size) break;
    for (std::size_t i = 0; i < size; ++i) {
      frame.payload += static_cast<char>(byte(head + i) ^ (frame.masked ? byte(mask_at + i % 4) : 0));
    }
    frame.begin = at;
    frame.end = at + head + static_cast<std::size_t>(size);
    at = frame.end;
    result.push_back(frame);
  }
  return result;
}

inline bool ends_at_a_frame(std::string_view stream) {
  const auto all = walk(stream);
  return (all.empty() ? 0 : all.back().end) == stream.size();
}

inline std::ostream& operator<<(std::ostream& out, const Frame& frame) {
  return out << "{" << (frame.fin ? "" : "part of ") << frame.opcode << " " << frame.payload.size() << " bytes"
             << (frame.masked ? " masked" : "") << "}";
}

}  // namespace limpet::session::frames
