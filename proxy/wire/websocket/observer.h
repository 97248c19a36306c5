// SPDX-License-Identifier: Apache-2.0
// Watches one direction of a WebSocket connection and knows where its frames and messages end (RFC 6455 §5). It never
// holds, alters or delays bytes and never unmasks or inflates a payload; of a control frame it keeps the first bytes.
// At most 32 bytes of state, no allocation.
//
// On bytes that it cannot follow (wrong masking, a fragmented or oversized control frame, a reserved opcode, a 64-bit
// length with its top bit set, a continuation without a start, a start inside a message) it is blind for good: the
// relay goes on, and a farewell becomes a plain close. RSV bits belong to extensions and are ignored; a length in a
// longer form than needed is taken as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/planted_fault.h"

namespace limpet::wire {

class WebSocketObserver {
 public:
  enum class From : std::uint8_t { Client, Backend };  // a client's frames must be masked, a backend's must not (§5.1)

  enum class What : std::uint8_t {
    More,      // the input ended inside a frame (or was empty)
    Fragment,  // a frame ended that does not end its message
    Message,   // the last frame of a data message ended
    Ping,
    Pong,
    Close,
    Blind,  // from here on; consumed covers the whole input
  };

  struct Step {
    What what = What::More;
    std::size_t consumed = 0;  // bytes of the input up to the end of that frame, or the whole input
    bool began_here = false;   // the frame began with this input; false: in an earlier one
  };

  explicit WebSocketObserver(From from) : masked_(from == From::Client) {}

  // Goes on to the end of the next frame or of the input, whichever is first. Call again with the rest while there is
  // one.
  Step step(std::string_view input);

  // The common case of step(), in a fraction of its instructions: true where the input is one whole message of one
  // frame of at most 64 KiB, which is then taken; false, with nothing taken, where it is anything else.
  bool take_whole_message(std::string_view input) {
    if (input.size() < 4 || left_ != 0 || head_size_ != 0 || blind_ || fragmented_) return false;
    const auto byte = [&](std::size_t at) -> std::size_t { return static_cast<std::uint8_t>(input[at]); };
    const std::size_t opcode = byte(0) & 0x0f;
    if ((byte(0) & 0x80) == 0 || (opcode != 1 && opcode != 2)) return false;
    if ((byte(1) >> 7 != 0) != masked_) return false;
    std::size_t size = byte(1) & 0x7f;
    if (size == 127) return false;
    if (size == 126) size = 2 + (byte(2) << 8 | byte(3));
    if (input.size() != 2 + (masked_ ? kMask : 0) + size) return false;
    first_ = static_cast<std::uint8_t>(input[0]);
    return true;
  }

  // Nothing of a frame has been seen since the last one ended.
  bool at_frame_boundary() const {
    return head_size_ == 0 && (left_ == 0 || (left_ == 1 && planted(Planted::BoundaryOff))) && !blind_;
  }
  // Likewise, and no fragmented message is under way.
  bool at_message_boundary() const { return at_frame_boundary() && !fragmented_; }
  bool blind() const { return blind_; }
  // A frame is under way: its first byte has been seen, its last has not, and the first says that it is a control
  // frame.
  bool inside_control_frame() const { return (head_size_ != 0 || left_ != 0) && !blind_ && (first_ & 0x08) != 0; }
  // Of the frame that is under way, or else of the last one; 0 before the first.
  std::uint8_t current_opcode() const { return first_ & 0x0f; }

  // Of the control frame that ended with the last step: its payload's length and first 8 bytes, unmasked.
  std::uint8_t control_size() const { return control_size_; }
  std::string_view control_prefix() const;
  // Of a Close that ended with the last step: its status code (§7.4), 1005 where it has none.
  std::uint16_t close_code() const;

 private:
  enum class Head : std::uint8_t { Part, Whole, Bad };

  bool is_control() const { return (first_ & 0x08) != 0; }
  Head take_head(std::string_view input, std::size_t& consumed);
  Head read_head(const std::uint8_t* bytes, std::size_t count, std::size_t& size);
  void keep_prefix(std::string_view payload);
  What ended() const;

  // A head that came in pieces, as far as it has come; once it is whole, of a control frame: its payload's first bytes
  // and its mask.
  static constexpr std::size_t kMostHead = 14;
  static constexpr std::size_t kPrefix = 8;
  static constexpr std::size_t kMask = 4;

  std::uint64_t left_ = 0;             // payload bytes to come
  std::uint8_t kept_[kMostHead] = {};  // a head, or: prefix, mask
  std::uint8_t first_ = 0;             // the first byte of the present or last frame
  std::uint8_t head_size_ = 0;         // bytes of a head in kept_; 0 between frames and in a payload
  std::uint8_t control_size_ = 0;      // payload length of the last control frame
  bool masked_ : 1;
  bool fragmented_ : 1 = false;  // a message has begun, and the present or last data frame of it does not end it
  bool blind_ : 1 = false;
};
static_assert(sizeof(WebSocketObserver) <= 32, "there are two in every session");

// Frames that limpet itself sends (§5.5). `mask` is four random bytes toward a backend, null toward a client (§5.3).
// A reason over 123 bytes is cut at a character; the code 1005 makes a Close without a code and reason (§7.4.1).
void append_close(std::string& out, std::uint16_t code, std::string_view reason, const std::uint8_t* mask);
// Requires: payload.size() <= 125.
void append_ping(std::string& out, std::string_view payload, const std::uint8_t* mask);

}  // namespace limpet::wire
