// SPDX-License-Identifier: Apache-2.0
// See plain_speech.h.
#include "tests/sim/plain_speech.h"

namespace limpet::sim {

std::string_view field(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    const auto line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() <= name.size() + 1 || line[name.size()] != ':') continue;
    bool same = true;
    for (std::size_t i = 0; i < name.size(); ++i) same = same && (line[i] | 0x20) == (name[i] | 0x20);
    if (!same) continue;
    auto value = line.substr(name.size() + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    return value;
  }
  return {};
}

std::optional<Message> take_message(std::string& input, bool is_answer, bool& broken) {
  const auto end = input.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (is_answer &&
        input.compare(0, std::min<std::size_t>(input.size(), 5), "HTTP/", std::min<std::size_t>(input.size(), 5)) != 0)
      broken = true;
    return std::nullopt;
  }
  Message message{input.substr(0, end), {}};
  if (is_answer && message.head.compare(0, 7, "HTTP/1.") != 0) {
    broken = true;
    return std::nullopt;
  }
  std::size_t at = end + 4;
  const int status = is_answer ? message.status() : 0;
  if (status == 101 || status == 204 || status == 304) {
    input.erase(0, at);
    return message;
  }
  if (field(message.head, "Transfer-Encoding") == "chunked") {
    for (;;) {
      const auto line_end = input.find("\r\n", at);
      if (line_end == std::string::npos) return std::nullopt;
      const std::size_t size = std::stoul("0" + input.substr(at, line_end - at), nullptr, 16);
      if (input.size() < line_end + 2 + size + 2) return std::nullopt;
      message.body += input.substr(line_end + 2, size);
      at = line_end + 2 + size + 2;
      if (size == 0) break;
    }
  } else if (const auto length = field(message.head, "Content-Length"); !length.empty()) {
    const std::size_t size = std::stoul("0" + std::string(length));
    if (input.size() < at + size) return std::nullopt;
    message.body = input.substr(at, size);
    at += size;
  }
  input.erase(0, at);
  return message;
}

std::optional<Frame> take_frame(std::string& input, bool masked, bool& broken) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(input[i]); };
  if (input.size() < 2) return std::nullopt;
  Frame frame;
  frame.opcode = byte(0) & 0x0f;
  frame.fin = (byte(0) & 0x80) != 0;
  const bool known = frame.opcode <= 2 || (frame.opcode >= 8 && frame.opcode <= 10);
  if (!known || (byte(0) & 0x70) != 0 || ((byte(1) & 0x80) != 0) != masked) {
    broken = true;
    return std::nullopt;
  }
  std::size_t size = byte(1) & 0x7f;
  std::size_t at = 2;
  if (size == 126) {
    if (input.size() < 4) return std::nullopt;
    size = static_cast<std::size_t>(byte(2)) << 8 | byte(3);
    at = 4;
  } else if (size == 127) {
    broken = true;  // nobody here sends that much
    return std::nullopt;
  }
  const std::size_t mask = at;
  if (masked) at += 4;
  if (input.size() < at + size) return std::nullopt;
  frame.payload = input.substr(at, size);
  if (masked) {
    for (std::size_t i = 0; i < size; ++i) frame.payload[i] = static_cast<char>(frame.payload[i] ^ input[mask + i % 4]);
  }
  input.erase(0, at + size);
  return frame;
}

std::string frame_of(std::uint8_t opcode, std::string_view payload, bool masked) {
  std::string out(1, static_cast<char>(0x80 | opcode));
  const char bit = masked ? static_cast<char>(0x80) : '\0';
  if (payload.size() < 126) {
    out += static_cast<char>(payload.size() | static_cast<unsigned char>(bit));
  } else {
    out += static_cast<char>(126 | static_cast<unsigned char>(bit));
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  if (!masked) return out.append(payload);
  constexpr std::string_view kMask = "\x11\x22\x33\x44";
  out += kMask;
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ kMask[i % 4]);
  return out;
}

}  // namespace limpet::sim
