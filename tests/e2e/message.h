// SPDX-License-Identifier: Apache-2.0
// What the tests' messages say: each names its sequence number, its connection and its direction, and carries a
// checksum of its body, so that a message that is cut, swapped, doubled or delivered to a stranger is known at once.
// The text is valid UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace limpet::e2e {

enum class Direction : char { ToBackend = '>', ToClient = '<' };

constexpr std::size_t kBigMessage = 1024 * 1024;

// About `size` bytes (at least its header, which is under 64).
std::string make_message(std::uint32_t connection, Direction direction, std::int64_t sequence, std::size_t size);

// The sequence number, or nothing where the message is not what make_message made for this connection and direction.
std::optional<std::int64_t> read_message(std::string_view message, std::uint32_t connection, Direction direction);

// `size` bytes that follow from `seed`: the body of a response.
std::string_view sample_body(std::uint64_t seed, std::size_t size);

}  // namespace limpet::e2e
