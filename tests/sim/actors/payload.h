// SPDX-License-Identifier: Apache-2.0
// What the actors say to each other. Each message names its client, the conversation and its number, and each byte
// behind that follows from these, so that a foreign, lost, doubled or torn one is known where it arrives.
//
//   [client/conversation/number/size]letters.        `size` letters, then a full stop
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace limpet::sim {

struct Tag {
  std::string client;
  std::uint64_t conversation = 0;
  std::uint64_t number = 0;

  bool operator==(const Tag&) const = default;
};

std::string say(const Tag& tag, std::size_t size);

enum class Heard {
  Whole,    // exactly the message
  Part,     // its first bytes, and no more
  Another,  // a whole message of the same client, but not this one
  Foreign,  // anything else
};
Heard hear(std::string_view bytes, const Tag& expected);

// Whose message it is, where it is whole and right in each byte.
std::optional<Tag> read_tag(std::string_view bytes);

// "conversation.number", for a field of a head; and back.
std::string turn_text(const Tag& tag);
std::optional<Tag> read_turn(std::string_view client, std::string_view text);

std::uint64_t number_of(std::string_view digits, std::uint64_t otherwise = 0);

}  // namespace limpet::sim
