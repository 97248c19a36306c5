// SPDX-License-Identifier: Apache-2.0
// See frame.h.
#include "tests/bench/frame.h"

#include <algorithm>
#include <cstring>

namespace limpet::bench {

std::size_t write_head(char* to, std::uint8_t opcode, std::uint64_t size, bool masked) {
  const std::size_t extended = size > 0xffff ? 8 : size > 125 ? 2 : 0;
  to[0] = static_cast<char>(0x80 | opcode);
  const std::uint64_t length = extended == 8 ? 127 : extended == 2 ? 126 : size;
  to[1] = static_cast<char>(length | (masked ? 0x80U : 0U));
  for (std::size_t i = 0; i < extended; ++i) to[2 + i] = static_cast<char>(size >> (8 * (extended - 1 - i)));
  if (masked) std::memset(to + 2 + extended, 0, 4);
  return 2 + extended + (masked ? 4 : 0);
}

bool FrameReader::take_head(std::string_view& input) {
  while (!input.empty()) {
    head_[have_++] = static_cast<std::uint8_t>(input.front());
    input.remove_prefix(1);
    if (have_ < 2) continue;
    const std::uint8_t length = head_[1] & 0x7f;
    const bool masked = (head_[1] & 0x80) != 0;
    const std::size_t extended = length == 127 ? 8 : length == 126 ? 2 : 0;
    if (have_ < 2 + extended + (masked ? 4 : 0)) continue;
    left_ = extended == 0 ? length : 0;
    for (std::size_t i = 0; i < extended; ++i) left_ = left_ << 8 | head_[2 + i];
    std::memset(mask_, 0, sizeof mask_);
    if (masked) std::memcpy(mask_, head_ + 2 + extended, sizeof mask_);
    have_ = phase_ = 0;
    head_done_ = true;
    return true;
  }
  return false;
}

std::string_view FrameReader::take_payload(std::string_view& input) {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
  const std::string_view payload = input.substr(0, size);
  input.remove_prefix(size);
  left_ -= size;
  return payload;
}

char* FrameReader::unmask(char* to, std::string_view payload) {
  std::memcpy(to, payload.data(), payload.size());
  if ((mask_[0] | mask_[1] | mask_[2] | mask_[3]) != 0) {
    for (std::size_t i = 0; i < payload.size(); ++i) to[i] ^= static_cast<char>(mask_[(phase_ + i) % 4]);
    phase_ = static_cast<std::uint8_t>((phase_ + payload.size()) % 4);
  }
  return to + payload.size();
}

bool FrameReader::ended() {
  if (!head_done_ || left_ > 0) return false;
  head_done_ = false;
  return true;
}

}  // namespace limpet::bench
