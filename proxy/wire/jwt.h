// SPDX-License-Identifier: Apache-2.0
// Reads one claim of a JSON Web Token (RFC 7519) without verifying it: it serves as an affinity key, and a key is no
// proof.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace limpet::wire {

// A string claim's text, or a number's or boolean's JSON form. nullopt for anything malformed, oversized (over 16 KiB)
// or absent.
std::optional<std::string> jwt_claim(std::string_view token, std::string_view claim);

}  // namespace limpet::wire
