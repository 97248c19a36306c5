// SPDX-License-Identifier: Apache-2.0
// The opening handshake over HTTP/1.1 (RFC 6455 §4): which requests ask for a WebSocket, and which answers open one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/wire/http/http1.h"

namespace limpet::wire {

enum class UpgradeRequest : std::uint8_t {
  None,       // not a WebSocket request: plain HTTP, its Upgrade field is dropped
  WebSocket,  // a bodyless HTTP/1.1 GET, Upgrade exactly "websocket", Connection has "upgrade", a valid key, version 13
  BadVersion,  // asks for a WebSocket of another version, or of none: 426 with Sec-WebSocket-Version: 13 (§4.4)
  Malformed,   // asks for a WebSocket but has no valid key (base64 of 16 bytes), a key or version twice, or a body: 400
};

UpgradeRequest upgrade_request(const RequestHead& head);

// base64(SHA-1(key + GUID)) (§4.2.2).
std::string accept_key(std::string_view key);

// True if `answer` is a 101 with Upgrade: websocket, Connection: upgrade and the right accept key for the request's
// key, each of Upgrade and Sec-WebSocket-Accept once (§4.1).
bool opens_websocket(const ResponseHead& answer, std::string_view key);

}  // namespace limpet::wire
