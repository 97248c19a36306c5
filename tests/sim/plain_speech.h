// SPDX-License-Identifier: Apache-2.0
// The little HTTP and WebSocket that plain_actors.h speak: strict, apart from the proxy's own parsers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace limpet::sim {

// Takes a message (head and body) off the front of `input`; nullopt: not whole yet. `broken` is set where it is none.
struct Message {
  std::string head;  // with its first line, without the empty one
  std::string body;
  int status() const { return head.size() > 12 ? std::stoi("0" + head.substr(9, 3)) : 0; }
};
std::optional<Message> take_message(std::string& input, bool is_answer, bool& broken);
std::string_view field(std::string_view head, std::string_view name);

struct Frame {
  std::uint8_t opcode = 0;
  bool fin = false;
  std::string payload;
};
// Likewise of a frame; `masked`: whether it has to be.
std::optional<Frame> take_frame(std::string& input, bool masked, bool& broken);
std::string frame_of(std::uint8_t opcode, std::string_view payload, bool masked);

}  // namespace limpet::sim
