// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 messages out: appends to a string. The caller decides what is forwarded; this file knows what must not be
// (RFC 9110 §7.6.1) and how bytes are laid out (RFC 9112 §2, §7.1).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "proxy/wire/http/http1.h"

namespace limpet::wire {

// Appends the fields that a proxy passes on. Left out are those in `without` and what concerns one connection only (RFC
// 9110 §7.6.1): Connection, Proxy-Connection, Keep-Alive, TE, Transfer-Encoding, Upgrade, HTTP2-Settings, and what a
// Connection field names, but for names that a peer may not remove this way: Host, Content-Length, Content-Type,
// Authorization, Cookie, Set-Cookie, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded, Sec-WebSocket-*.
void append_forwarded_fields(std::string& out, const Fields& fields, FieldNames without);

// The request line, always HTTP/1.1, and Host.
void append_request_start(std::string& out, std::string_view method, std::string_view target, std::string_view host);
void append_status_line(std::string& out, unsigned status, std::string_view reason);  // always HTTP/1.1
inline void append_end(std::string& out) {
  out += "\r\n";
}

// The standard reason phrase; "" for an unknown status.
std::string_view reason_phrase(unsigned status);

// "1f4\r\n" into `to`, which has room for 20 bytes; returns the length. A chunk is this, the bytes, CRLF.
std::size_t write_chunk_head(char* to, std::size_t size);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// "0\r\n", trailer fields, "\r\n". Left out are trailers that concern one connection, framing, routing, authentication
// or the form of the content, and those by which a proxy vouches for a client (RFC 9110 §6.5.1).
void append_last_chunk(std::string& out, const Fields& trailers);

}  // namespace limpet::wire
