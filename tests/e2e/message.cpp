// SPDX-License-Identifier: Apache-2.0
// Bodies are windows into one text of somewhat over a mebibyte, made of eight-byte groups each of which is valid UTF-8.
#include "tests/e2e/message.h"

#include <array>
#include <cinttypes>
#include <cstdio>

namespace limpet::e2e {
namespace {

constexpr std::size_t kGroup = 8;
constexpr std::size_t kOffsets = 1024;

std::uint64_t mix(std::uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  return value ^ value >> 33;
}

std::string make_text() {
  std::string text;
  for (std::uint64_t i = 0; text.size() < kBigMessage + kGroup * kOffsets; ++i) {
    const std::uint64_t random = mix(i + 1);
    if (random % 5 == 0) {
      text += "ä漢é?";
    } else {
      for (std::size_t j = 0; j < kGroup; ++j) text.push_back(static_cast<char>('a' + (random >> (8 * j + 3)) % 26));
    }
  }
  return text;
}

std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace

std::string_view sample_body(std::uint64_t seed, std::size_t size) {
  static const std::string text = make_text();
  return std::string_view(text).substr(kGroup * (mix(seed + 7) % kOffsets), size / kGroup * kGroup);
}

std::string make_message(std::uint32_t connection, Direction direction, std::int64_t sequence, std::size_t size) {
  const auto body = sample_body(mix(connection) + static_cast<std::uint64_t>(sequence), size);
  std::array<char, 96> head{};
  const int length = std::snprintf(head.data(), head.size(), "%" PRId64 " %" PRIu32 " %c %016" PRIx64 " ", sequence,
                                   connection, static_cast<char>(direction), checksum(body));
  std::string message(head.data(), static_cast<std::size_t>(length));
  return message.append(body);
}

std::optional<std::int64_t> read_message(std::string_view message, std::uint32_t connection, Direction direction) {
  const std::string head(message.substr(0, 96));
  std::int64_t sequence = 0;
  std::uint32_t named = 0;
  char way = 0;
  std::uint64_t sum = 0;
  int length = 0;
  if (std::sscanf(head.c_str(), "%" SCNd64 " %" SCNu32 " %c %16" SCNx64 "%n", &sequence, &named, &way, &sum, &length) !=
      4) {
    return std::nullopt;
  }
  const auto body = message.substr(std::min(message.size(), static_cast<std::size_t>(length) + 1));
  if (named != connection || way != static_cast<char>(direction) || checksum(body) != sum) return std::nullopt;
  return sequence;
}

}  // namespace limpet::e2e
