// SPDX-License-Identifier: Apache-2.0
// The gate is narrow on purpose: whatever is not surely a WebSocket handshake is relayed as plain HTTP, so that no
// request can make a tunnel of a connection whose other end does not take it for one.
#include "proxy/wire/websocket/handshake.h"

#include <optional>

#include "proxy/base/crypto.h"

namespace limpet::wire {

namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kKeySize = 24;
constexpr std::size_t kNonceSize = 16;

// The field's value where there is exactly one such field.
std::optional<std::string_view> only(const Fields& fields, FieldName name) {
  return fields.count(name) == 1 ? fields.find(name) : std::nullopt;
}

bool upgrades_to_websocket(const Fields& fields) {
  const auto upgrade = only(fields, FieldName::Upgrade);
  return upgrade && equals_ignoring_case(*upgrade, "websocket") && fields.has_token(FieldName::Connection, "upgrade");
}

bool is_valid_key(std::string_view key) {
  return key.size() == kKeySize && base64_size(key) == kNonceSize;
}

}  // namespace

UpgradeRequest upgrade_request(const RequestHead& head) {
  if (!is(head.method, "GET") || !head.http11 || !upgrades_to_websocket(head.fields)) return UpgradeRequest::None;

  if (head.has_body() || head.fields.count(FieldName::SecWebSocketVersion) > 1) return UpgradeRequest::Malformed;
  if (head.fields.find(FieldName::SecWebSocketVersion) != "13") return UpgradeRequest::BadVersion;

  const auto key = only(head.fields, FieldName::SecWebSocketKey);
  return key && is_valid_key(*key) ? UpgradeRequest::WebSocket : UpgradeRequest::Malformed;
}

std::string accept_key(std::string_view key) {
  std::string text;
  text.reserve(key.size() + kGuid.size());
  const auto digest = sha1(text.append(key).append(kGuid));
  return base64_encode({digest.data(), digest.size()});
}

bool opens_websocket(const ResponseHead& answer, std::string_view key) {
  if (answer.status != 101 || !upgrades_to_websocket(answer.fields)) return false;
  return only(answer.fields, FieldName::SecWebSocketAccept) == accept_key(key);
}

}  // namespace limpet::wire
