// SPDX-License-Identifier: Apache-2.0
// FieldName: the field names that limpet looks at, as small numbers, so that a head's names are compared once, while it
// is read, and sets of them are bits. Case-insensitive (RFC 9110 §5.1).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace limpet::wire {

enum class FieldName : std::uint8_t {
  Other,
  Accept,
  AcceptEncoding,
  Authorization,
  Connection,
  ContentEncoding,
  ContentLength,
  ContentRange,
  ContentType,
  Cookie,
  Expect,
  Forwarded,
  Host,
  Http2Settings,
  KeepAlive,
  Origin,
  Prefer,
  ProxyAuthenticate,
  ProxyAuthorization,
  ProxyConnection,
  SecWebSocketAccept,
  SecWebSocketExtensions,
  SecWebSocketKey,
  SecWebSocketProtocol,
  SecWebSocketVersion,
  SetCookie,
  Te,
  Trailer,
  TransferEncoding,
  Upgrade,
  WwwAuthenticate,
  XForwardedFor,
  XForwardedHost,
  XForwardedProto,
  XRequestId,
};

// Other where it is none of them.
FieldName field_name(std::string_view name);

// A set of them.
class FieldNames {
 public:
  static constexpr unsigned kMost = 64;  // names that there can be

  constexpr FieldNames() = default;
  constexpr FieldNames(std::initializer_list<FieldName> names) {
    for (const FieldName name : names) add(name);
  }
  constexpr void add(FieldName name) { bits_ |= bit(name); }
  constexpr bool has(FieldName name) const { return (bits_ & bit(name)) != 0; }
  constexpr FieldNames operator|(FieldNames other) const {
    other.bits_ |= bits_;
    return other;
  }

 private:
  static constexpr std::uint64_t bit(FieldName name) { return std::uint64_t{1} << static_cast<unsigned>(name); }
  std::uint64_t bits_ = 0;
};

}  // namespace limpet::wire
