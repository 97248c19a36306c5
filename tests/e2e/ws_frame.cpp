// SPDX-License-Identifier: Apache-2.0
// The frame format of RFC 6455 §5.2. Masking keys count up: nobody attacks these tests.
#include "tests/e2e/ws_frame.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

namespace limpet::e2e {
namespace {

void mask(std::string& bytes, std::size_t from, const std::array<char, 4>& key) {
  for (std::size_t i = from; i < bytes.size(); ++i) bytes[i] = static_cast<char>(bytes[i] ^ key[(i - from) & 3]);
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

}  // namespace

std::string encode(const Frame& frame, bool masked) {
  std::string out;
  out.reserve(frame.payload.size() + 14);
  out.push_back(static_cast<char>((frame.fin ? 0x80 : 0) | (frame.compressed ? 0x40 : 0) | frame.opcode));
  const auto size = frame.payload.size();
  const int bit = masked ? 0x80 : 0;
  int width = 0;
  if (size < 126) {
    out.push_back(static_cast<char>(bit | static_cast<int>(size)));
  } else {
    width = size < 65536 ? 2 : 8;
    out.push_back(static_cast<char>(bit | (width == 2 ? 126 : 127)));
  }
  for (int i = width - 1; i >= 0; --i) out.push_back(static_cast<char>(size >> (8 * i)));
  if (!masked) return out + frame.payload;
  static thread_local std::uint32_t counter = 0x5eed1234;
  counter = counter * 1664525 + 1013904223;
  std::array<char, 4> key{};
  for (int i = 0; i < 4; ++i) key[static_cast<std::size_t>(i)] = static_cast<char>(counter >> (8 * i));
  out.append(key.data(), key.size());
  const auto start = out.size();
  out += frame.payload;
  mask(out, start, key);
  return out;
}

std::string close_payload(int code, std::string_view reason) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return payload.append(reason);
}

int close_code(std::string_view payload) {
  if (payload.empty()) return 1005;
  if (payload.size() == 1) return 0;
  const auto code = static_cast<int>(big_endian(payload.substr(0, 2)));
  const bool sendable =
      (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) || (code >= 3000 && code <= 4999);
  return sendable ? code : 0;
}

bool FrameReader::fail(std::string what) {
  if (error_.empty()) error_ = std::move(what);
  return false;
}

std::string_view FrameReader::problem(const Frame& frame, std::uint8_t first, std::uint64_t length) const {
  if ((first & 0x30) != 0) return "RSV2 or RSV3 is set";
  if (length >> 40 != 0) return "a length nobody sent";
  if (frame.control()) {
    if (frame.opcode > kPong) return "an unknown control opcode";
    if (frame.compressed) return "a compressed control frame";
    if (!frame.fin || length > 125) return "a control frame that is fragmented or too long";
    return "";
  }
  if (frame.opcode > kBinary) return "an unknown opcode";
  if (fragmented_ != (frame.opcode == kContinuation)) return "a continuation out of place";
  if (frame.compressed && frame.opcode == kContinuation) return "RSV1 on a continuation";
  return "";
}

bool FrameReader::next(Frame& frame) {
  const std::string_view rest = std::string_view(bytes_).substr(used_);
  if (rest.empty() && used_ > 0) {
    bytes_.clear();
    if (bytes_.capacity() > 4096) bytes_.shrink_to_fit();
    used_ = 0;
  }
  if (rest.empty() || !error_.empty()) return false;
  if (closed_) return fail("bytes after the Close frame");
  if (rest.size() < 2) return false;
  const auto first = static_cast<std::uint8_t>(rest[0]);
  const auto second = static_cast<std::uint8_t>(rest[1]);
  const bool masked = (second & 0x80) != 0;
  std::uint64_t length = second & 0x7f;
  const std::size_t width = length == 126 ? 2 : length == 127 ? 8 : 0;
  std::size_t start = 2 + width;
  if (masked != expects_mask_) return fail("a frame that is masked in the wrong direction");
  if (rest.size() < start + (masked ? 4 : 0)) return false;
  if (width != 0) length = big_endian(rest.substr(2, width));

  frame.fin = (first & 0x80) != 0;
  frame.compressed = (first & 0x40) != 0;
  frame.opcode = first & 0x0f;
  if (const auto what = problem(frame, first, length); !what.empty()) return fail(std::string(what));
  std::array<char, 4> key{};
  if (masked) {
    rest.copy(key.data(), 4, start);
    start += 4;
  }
  if (rest.size() - start < length) return false;
  frame.payload.assign(rest.substr(start, length));
  if (masked) mask(frame.payload, 0, key);
  used_ += start + length;
  if (frame.opcode == kClose) closed_ = true;
  if (!frame.control()) fragmented_ = !frame.fin;
  return true;
}

std::string accept_for(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 32> base64{};
  const int size = EVP_EncodeBlock(base64.data(), digest.data(), digest.size());
  return {reinterpret_cast<const char*>(base64.data()), static_cast<std::size_t>(size)};
}

}  // namespace limpet::e2e
