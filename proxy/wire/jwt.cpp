// SPDX-License-Identifier: Apache-2.0
// See jwt.h. Only the payload, the second of three parts (RFC 7515 §7.1), is decoded; an encrypted token has five parts
// and is no use here. nlohmann's parser runs without exceptions and without recursion, and this is its only file in
// wire.
#include "proxy/wire/jwt.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "proxy/base/crypto.h"

namespace limpet::wire {

namespace {

constexpr std::size_t kMaxToken = 16 * 1024;

}  // namespace

std::optional<std::string> jwt_claim(std::string_view token, std::string_view claim) {
  if (token.size() > kMaxToken || std::count(token.begin(), token.end(), '.') != 2) return std::nullopt;
  const auto begin = token.find('.') + 1;
  const auto payload = base64url_decode(token.substr(begin, token.rfind('.') - begin));
  if (!payload) return std::nullopt;
  const auto claims = nlohmann::json::parse(*payload, nullptr, false);
  if (!claims.is_object()) return std::nullopt;
  const auto found = claims.find(std::string(claim));
  if (found == claims.end()) return std::nullopt;
  if (found->is_string()) return found->get_ref<const std::string&>();
  if (found->is_number() || found->is_boolean()) return found->dump();
  return std::nullopt;
}

}  // namespace limpet::wire
