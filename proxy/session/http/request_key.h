// SPDX-License-Identifier: Apache-2.0
// Who a request comes from: the client's address behind trusted proxies, its affinity key, and a learned session id
// that it carries. Pure; the values are of hostile origin and prove nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/net/address.h"
#include "proxy/session/settings.h"
#include "proxy/wire/http/http1.h"

namespace limpet::session {

// What is known of the client: by its connection, or by what a trusted proxy says of it.
struct Client {
  net::IpAddress address;  // of the rightmost hop that is not a trusted proxy
  std::string hops;        // what the proxies before the peer said, "a, b, "; "" where the peer is not trusted
  bool is_secure = false;  // it came over TLS to a trusted proxy
};
// X-Forwarded-*, or Forwarded (RFC 7239) where there is no X-Forwarded-For; read only where the peer itself is trusted.
Client client_of(const wire::RequestHead& head, const net::IpAddress& peer, const std::vector<net::Cidr>& trusted);

// The first of the pool's keys that is present; the session cookie comes after the listed ones but before client_ip.
std::optional<std::string> request_key(const PoolSettings& pool, const wire::RequestHead& head,
                                       const net::IpAddress& client);

struct LearnedId {
  std::string
      id;  // "engine.io sid", "header:Mcp-Session-Id value": the source is part of it, so that sources never collide
  LearnSource::Kind kind = LearnSource::Kind::EngineIo;
};

std::optional<LearnedId> learned_id(const PoolSettings& pool, const wire::RequestHead& head);
// The ids that a response's head hands out (the Engine.IO one is in the body: wire/engine_io.h).
std::vector<LearnedId> handed_out(const PoolSettings& pool, const wire::ResponseHead& head);
LearnedId engine_io_id(std::string_view sid);

bool learns_engine_io(const PoolSettings& pool);
// "transport=polling" in the query.
bool is_engine_io_poll(const wire::RequestHead& head);

}  // namespace limpet::session
