// SPDX-License-Identifier: Apache-2.0
// WebSocket frames of the actors (RFC 6455 §5): a writer, and a reader that forgives nothing. What the reader objects
// to is a torn or forged frame, or a proxy that has lost its place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/random.h"

namespace limpet::sim {

enum Opcode : std::uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

struct Frame {
  bool fin = true;
  std::uint8_t opcode = kText;
  std::string payload;  // unmasked

  bool control() const { return opcode >= kClose; }
};

std::string unmasked(const Frame& frame);
std::string masked(const Frame& frame, Random& random);

std::string close_payload(int code, std::string_view reason = "");
int close_code(std::string_view payload);  // 1005 where there is none, 0 where it makes no sense

// Sec-WebSocket-Accept for a key (§4.2.2).
std::string accept_for(std::string_view key);

class FrameReader {
 public:
  explicit FrameReader(bool expects_mask) : expects_mask_(expects_mask) {}

  void feed(std::string_view bytes);
  // False: more bytes are needed, or problem() says what is wrong.
  bool next(Frame& frame);
  const std::string& problem() const { return problem_; }  // the name of a check; "" while all is well; sticky
  bool mid_frame() const { return at_ < in_.size(); }
  bool mid_message() const { return fragmented_; }

 private:
  bool bad(std::string_view what);
  std::string_view objection(std::uint8_t first, std::uint8_t second) const;

  const bool expects_mask_;
  std::string in_;
  std::size_t at_ = 0;
  bool fragmented_ = false;
  bool closed_ = false;
  std::string problem_;
};

}  // namespace limpet::sim
