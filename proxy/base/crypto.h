// SPDX-License-Identifier: Apache-2.0
// The few cryptographic words that several floors need, over OpenSSL, whose headers crypto.cpp alone includes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace limpet {

// From RAND_bytes. Aborts where the system has no randomness to give.
void random_bytes(void* to, std::size_t size);
std::uint64_t random64();
// Uniform in [0, 1).
double random_fraction();

// 20 raw bytes.
std::array<char, 20> sha1(std::string_view data);

std::string base64_encode(std::string_view data);
// How many bytes `text` stands for, in the standard alphabet with padding; nullopt for anything else.
std::optional<std::size_t> base64_size(std::string_view text);
// URL-safe alphabet without padding (RFC 4648 §5); nullopt for anything else.
std::optional<std::string> base64url_decode(std::string_view text);

// Without leaking where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace limpet
