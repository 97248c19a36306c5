// SPDX-License-Identifier: Apache-2.0
// WebSocket frames for the tests (RFC 6455 §5): a writer that can do what it should not, and a reader that forgives
// nothing. What the reader calls an error is a torn or forged frame, or a proxy that lost its place.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace limpet::e2e {

enum Opcode : std::uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct Frame {
  bool fin = true;
  bool compressed = false;  // RSV1
  std::uint8_t opcode = kText;
  std::string payload;  // unmasked
  bool control() const { return opcode >= kClose; }
};

std::string encode(const Frame& frame, bool masked);
std::string close_payload(int code, std::string_view reason = "");
int close_code(std::string_view payload);  // 1005 where there is none, 0 where it is malformed

class FrameReader {
 public:
  explicit FrameReader(bool from_client) : expects_mask_(from_client) {}

  // Feeds bytes; then next() is called until it answers false.
  void feed(std::string_view bytes) { bytes_.append(bytes); }
  bool next(Frame& frame);
  const std::string& error() const { return error_; }  // empty while all is well; sticky
  bool in_mid_frame() const { return used_ != bytes_.size(); }

 private:
  bool fail(std::string what);
  std::string_view problem(const Frame& frame, std::uint8_t first, std::uint64_t length) const;

  const bool expects_mask_;
  std::string bytes_;
  std::size_t used_ = 0;
  bool fragmented_ = false;
  bool closed_ = false;
  std::string error_;
};

// sec-websocket-accept for a key (RFC 6455 §4.2.2).
std::string accept_for(std::string_view key);

}  // namespace limpet::e2e
