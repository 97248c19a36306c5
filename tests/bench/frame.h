// SPDX-License-Identifier: Apache-2.0
// WebSocket frames (RFC 6455 §5.2) for the two ends of the benchmark. The load generator masks with a key of zeroes, so
// that masking costs nothing on either side; a proxy's own Pings come with any key. Both ends use the key and the
// accept value of RFC 6455 §1.3, so neither computes a digest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace limpet::bench {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

constexpr std::uint8_t kBinary = 0x2;
constexpr std::uint8_t kClose = 0x8;
constexpr std::uint8_t kPing = 0x9;
constexpr std::uint8_t kPong = 0xa;
constexpr std::size_t kMostHead = 14;

// Writes a frame's head (the last frame of its message; with a key of zeroes if `masked`) and returns its size.
std::size_t write_head(char* to, std::uint8_t opcode, std::uint64_t size, bool masked);

// One side's frames, as they come, in any pieces.
class FrameReader {
 public:
  // Takes the bytes of a head from the front of `input`; true once it is whole.
  bool take_head(std::string_view& input);
  // The part of the payload at the front of `input`, which is taken off.
  std::string_view take_payload(std::string_view& input);
  // Appends `payload` to `to`, unmasked; the pieces of a payload in order.
  char* unmask(char* to, std::string_view payload);

  bool in_payload() const { return head_done_; }
  // The payload has ended: the next bytes are a head.
  bool ended();
  std::uint8_t opcode() const { return head_[0] & 0x0f; }
  std::uint64_t left() const { return left_; }

 private:
  std::uint64_t left_ = 0;
  std::uint8_t head_[kMostHead] = {};
  std::uint8_t mask_[4] = {};
  std::uint8_t have_ = 0;
  std::uint8_t phase_ = 0;  // of the mask
  bool head_done_ = false;
};

}  // namespace limpet::bench
