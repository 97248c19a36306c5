// SPDX-License-Identifier: Apache-2.0
// See field_name.h. A perfect hash of a name's length, first and last letter: the compiler tries factors until no two
// known names collide, so that a look-up is one hash and one comparison. A new name needs an enumerator and a row here.
#include "proxy/wire/http/field_name.h"

#include <array>
#include <cstddef>

#include "proxy/wire/grammar.h"

namespace limpet::wire {

namespace {

struct Known {
  std::string_view text;
  FieldName name;
};

constexpr Known kKnown[] = {
    {"Accept", FieldName::Accept},
    {"Accept-Encoding", FieldName::AcceptEncoding},
    {"Authorization", FieldName::Authorization},
    {"Connection", FieldName::Connection},
    {"Content-Encoding", FieldName::ContentEncoding},
    {"Content-Length", FieldName::ContentLength},
    {"Content-Range", FieldName::ContentRange},
    {"Content-Type", FieldName::ContentType},
    {"Cookie", FieldName::Cookie},
    {"Expect", FieldName::Expect},
    {"Forwarded", FieldName::Forwarded},
    {"Host", FieldName::Host},
    {"HTTP2-Settings", FieldName::Http2Settings},
    {"Keep-Alive", FieldName::KeepAlive},
    {"Origin", FieldName::Origin},
    {"Prefer", FieldName::Prefer},
    {"Proxy-Authenticate", FieldName::ProxyAuthenticate},
    {"Proxy-Authorization", FieldName::ProxyAuthorization},
    {"Proxy-Connection", FieldName::ProxyConnection},
    {"Sec-WebSocket-Accept", FieldName::SecWebSocketAccept},
    {"Sec-WebSocket-Extensions", FieldName::SecWebSocketExtensions},
    {"Sec-WebSocket-Key", FieldName::SecWebSocketKey},
    {"Sec-WebSocket-Protocol", FieldName::SecWebSocketProtocol},
    {"Sec-WebSocket-Version", FieldName::SecWebSocketVersion},
    {"Set-Cookie", FieldName::SetCookie},
    {"TE", FieldName::Te},
    {"Trailer", FieldName::Trailer},
    {"Transfer-Encoding", FieldName::TransferEncoding},
    {"Upgrade", FieldName::Upgrade},
    {"WWW-Authenticate", FieldName::WwwAuthenticate},
    {"X-Forwarded-For", FieldName::XForwardedFor},
    {"X-Forwarded-Host", FieldName::XForwardedHost},
    {"X-Forwarded-Proto", FieldName::XForwardedProto},
    {"X-Request-Id", FieldName::XRequestId},
};

constexpr std::size_t kPlaces = 128;

constexpr std::size_t place_of(std::string_view name, unsigned factor) {
  const auto first = static_cast<unsigned char>(name.front() | 0x20);
  const auto last = static_cast<unsigned char>(name.back() | 0x20);
  return (name.size() * factor + first * (factor >> 4) + last * (factor >> 8)) % kPlaces;
}

struct Table {
  unsigned factor = 0;
  std::array<std::uint8_t, kPlaces> places{};  // 1 + index into kKnown; 0: none
};

constexpr bool fill(Table& table) {
  for (std::size_t i = 0; i < std::size(kKnown); ++i) {
    auto& place = table.places[place_of(kKnown[i].text, table.factor)];
    if (place != 0) return false;
    place = static_cast<std::uint8_t>(i + 1);
  }
  return true;
}

constexpr Table make_table() {
  for (unsigned factor = 1; factor < 20'000; ++factor) {
    Table table;
    table.factor = factor;
    if (fill(table)) return table;
  }
  return {};
}

constexpr Table kTable = make_table();
static_assert(kTable.factor != 0, "no factor without a collision: try more places");

}  // namespace

FieldName field_name(std::string_view name) {
  if (name.empty()) return FieldName::Other;
  const auto place = kTable.places[place_of(name, kTable.factor)];
  if (place == 0) return FieldName::Other;
  const Known& known = kKnown[place - 1];
  return equals_ignoring_case(name, known.text) ? known.name : FieldName::Other;
}

}  // namespace limpet::wire
