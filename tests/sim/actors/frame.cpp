// SPDX-License-Identifier: Apache-2.0
// See frame.h.
#include "tests/sim/actors/frame.h"

#include "proxy/base/crypto.h"

namespace limpet::sim {
namespace {

constexpr std::uint64_t kMostPayload = 16 << 20;  // nobody here says more in a frame: a length that is none

std::string head_of(const Frame& frame, bool with_mask) {
  std::string out;
  out.push_back(static_cast<char>((frame.fin ? 0x80 : 0) | frame.opcode));
  const int mask = with_mask ? 0x80 : 0;
  const std::uint64_t size = frame.payload.size();
  const int tail = size < 126 ? 0 : size < 65536 ? 2 : 8;
  out.push_back(static_cast<char>(mask | (tail == 0 ? static_cast<int>(size) : tail == 2 ? 126 : 127)));
  for (int i = tail - 1; i >= 0; --i) out.push_back(static_cast<char>(size >> (8 * i)));
  return out;
}

}  // namespace

std::string unmasked(const Frame& frame) {
  return head_of(frame, false) + frame.payload;
}

std::string masked(const Frame& frame, Random& random) {
  std::string out = head_of(frame, true);
  char key[4];
  random.fill(key, sizeof key);
  out.append(key, sizeof key);
  for (std::size_t i = 0; i < frame.payload.size(); ++i)
    out.push_back(static_cast<char>(frame.payload[i] ^ key[i % 4]));
  return out;
}

std::string close_payload(int code, std::string_view reason) {
  std::string out;
  out.push_back(static_cast<char>(code >> 8));
  out.push_back(static_cast<char>(code));
  return out.append(reason);
}

int close_code(std::string_view payload) {
  if (payload.empty()) return 1005;
  if (payload.size() == 1) return 0;
  const int code = static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
  const bool allowed = code >= 1000 && code < 5000 && code != 1004 && code != 1005 && code != 1006 && code != 1015;
  return allowed ? code : 0;
}

std::string accept_for(std::string_view key) {
  const auto digest = sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return base64_encode({digest.data(), digest.size()});
}

void FrameReader::feed(std::string_view bytes) {
  in_.erase(0, at_);
  at_ = 0;
  in_.append(bytes);
}

bool FrameReader::bad(std::string_view what) {
  problem_ = what;
  return false;
}

std::string_view FrameReader::objection(std::uint8_t first, std::uint8_t second) const {
  const bool fin = (first & 0x80) != 0;
  const std::uint8_t opcode = first & 0x0F;
  if (closed_) return "frame_after_close";
  if ((first & 0x70) != 0) return "forged_frame";
  if ((opcode > kBinary && opcode < kClose) || opcode > kPong) return "forged_frame";
  if (((second & 0x80) != 0) != expects_mask_) return "wrong_mask";
  if (opcode >= kClose && (!fin || (second & 0x7F) > 125)) return "forged_frame";
  if (opcode == kContinuation && !fragmented_) return "torn_message";
  if ((opcode == kText || opcode == kBinary) && fragmented_) return "torn_message";
  return {};
}

bool FrameReader::next(Frame& frame) {
  if (!problem_.empty()) return false;
  const auto byte = [this](std::size_t i) { return static_cast<std::uint8_t>(in_[at_ + i]); };
  const std::size_t have = in_.size() - at_;
  if (have < 2) return false;
  if (const auto what = objection(byte(0), byte(1)); !what.empty()) return bad(what);
  std::uint64_t size = byte(1) & 0x7F;
  const std::size_t tail = size == 126 ? 2 : size == 127 ? 8 : 0;
  const std::size_t head = 2 + tail + (expects_mask_ ? 4 : 0);
  if (have < head) return false;
  if (tail > 0) size = 0;
  for (std::size_t i = 0; i < tail; ++i) size = size << 8 | byte(2 + i);
  if (size > kMostPayload || (tail == 2 && size < 126) || (tail == 8 && size < 65536)) return bad("forged_frame");
  if (have < head + size) return false;
  frame.fin = (byte(0) & 0x80) != 0;
  frame.opcode = byte(0) & 0x0F;
  frame.payload = in_.substr(at_ + head, size);
  for (std::size_t i = 0; expects_mask_ && i < frame.payload.size(); ++i)
    frame.payload[i] = static_cast<char>(frame.payload[i] ^ in_[at_ + head - 4 + i % 4]);
  at_ += head + size;
  if (frame.opcode == kClose) {
    closed_ = true;
    if (close_code(frame.payload) == 0) return bad("forged_close");
  } else if (!frame.control()) {
    fragmented_ = !frame.fin;
  }
  return true;
}

}  // namespace limpet::sim
