// SPDX-License-Identifier: Apache-2.0
// See payload.h.
#include "tests/sim/actors/payload.h"

#include <charconv>

namespace limpet::sim {
namespace {

std::string opening(const Tag& tag) {
  return "[" + tag.client + "/" + std::to_string(tag.conversation) + "/" + std::to_string(tag.number) + "/";
}

std::optional<std::uint64_t> whole_number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

std::uint64_t number_of(std::string_view digits, std::uint64_t otherwise) {
  return whole_number(digits).value_or(otherwise);
}

std::string say(const Tag& tag, std::size_t size) {
  std::string text = opening(tag) + std::to_string(size) + "]";
  std::uint64_t state = 0xcbf29ce484222325;  // FNV-1a over the opening, then a generator seeded by it
  for (const char c : text) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  text.reserve(text.size() + size + 1);
  for (std::size_t i = 0; i < size; ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    text.push_back(static_cast<char>('a' + (state >> 33) % 26));
  }
  text.push_back('.');
  return text;
}

std::optional<Tag> read_tag(std::string_view bytes) {
  const auto end = bytes.find(']');
  if (bytes.empty() || bytes[0] != '[' || end == std::string_view::npos) return std::nullopt;
  const std::string_view inside = bytes.substr(1, end - 1);
  const auto third = inside.rfind('/');
  if (third == std::string_view::npos || third == 0) return std::nullopt;
  const auto second = inside.rfind('/', third - 1);
  if (second == std::string_view::npos || second == 0) return std::nullopt;
  const auto first = inside.rfind('/', second - 1);
  if (first == std::string_view::npos) return std::nullopt;
  const auto conversation = whole_number(inside.substr(first + 1, second - first - 1));
  const auto number = whole_number(inside.substr(second + 1, third - second - 1));
  const auto size = whole_number(inside.substr(third + 1));
  if (!conversation || !number || !size || *size > bytes.size()) return std::nullopt;
  Tag tag{std::string(inside.substr(0, first)), *conversation, *number};
  if (say(tag, *size) != bytes) return std::nullopt;
  return tag;
}

Heard hear(std::string_view bytes, const Tag& expected) {
  if (const auto tag = read_tag(bytes)) {
    if (*tag == expected) return Heard::Whole;
    return tag->client == expected.client ? Heard::Another : Heard::Foreign;
  }
  const std::string start = opening(expected);
  if (bytes.size() <= start.size()) return start.starts_with(bytes) ? Heard::Part : Heard::Foreign;
  if (!bytes.starts_with(start)) return Heard::Foreign;
  const std::string_view rest = bytes.substr(start.size());
  const auto digits = rest.find(']');
  const auto size = whole_number(rest.substr(0, digits));
  if (!size || *size > (1U << 26)) return Heard::Foreign;
  if (digits == std::string_view::npos) return Heard::Part;
  return say(expected, *size).starts_with(bytes) ? Heard::Part : Heard::Foreign;
}

std::string turn_text(const Tag& tag) {
  return std::to_string(tag.conversation) + "." + std::to_string(tag.number);
}

std::optional<Tag> read_turn(std::string_view client, std::string_view text) {
  const auto dot = text.find('.');
  if (client.empty() || dot == std::string_view::npos) return std::nullopt;
  const auto conversation = whole_number(text.substr(0, dot));
  const auto number = whole_number(text.substr(dot + 1));
  if (!conversation || !number) return std::nullopt;
  return Tag{std::string(client), *conversation, *number};
}

}  // namespace limpet::sim
