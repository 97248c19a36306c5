// SPDX-License-Identifier: Apache-2.0
// See request_key.h. The sources of a pool's keys are tried in their order, the session cookie last of the listed ones
// but before the client's address; a value that is empty is none.
#include "proxy/session/http/request_key.h"

#include <algorithm>

#include "proxy/wire/grammar.h"
#include "proxy/wire/http/cookie.h"
#include "proxy/wire/http/forwarded.h"
#include "proxy/wire/jwt.h"
#include "proxy/wire/uri.h"

namespace limpet::session {

namespace {

std::optional<std::string> bearer_token(const wire::RequestHead& head) {
  if (const auto authorization = head.fields.find(wire::FieldName::Authorization)) {
    constexpr std::string_view kBearer = "Bearer ";
    if (authorization->size() > kBearer.size() &&
        wire::equals_ignoring_case(authorization->substr(0, kBearer.size()), kBearer)) {
      return std::string(authorization->substr(kBearer.size()));
    }
  }
  return wire::query_value(head.query(), "access_token");
}

std::optional<std::string> first_offered(std::string_view list) {
  const auto token = wire::trimmed(list.substr(0, list.find(',')));
  if (token.empty()) return std::nullopt;
  return std::string(token);
}

std::optional<std::string> value_from(const KeySource& source, const wire::RequestHead& head) {
  switch (source.kind) {
  case KeySource::Kind::Cookie:
    return wire::cookie_value(head.fields, source.name);
  case KeySource::Kind::Header:
    if (const auto value = head.fields.find(source.name)) return std::string(*value);
    return std::nullopt;
  case KeySource::Kind::Query:
    return wire::query_value(head.query(), source.name);
  case KeySource::Kind::Path:
    return wire::path_segment(head.path(), source.segment);
  case KeySource::Kind::Subprotocol:
    if (const auto offered = head.fields.find(wire::FieldName::SecWebSocketProtocol)) return first_offered(*offered);
    return std::nullopt;
  case KeySource::Kind::Jwt:
    if (const auto token = bearer_token(head)) return wire::jwt_claim(*token, source.name);
    return std::nullopt;
  case KeySource::Kind::ClientIp:
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Client client_of(const wire::RequestHead& head, const net::IpAddress& peer, const std::vector<net::Cidr>& trusted) {
  Client client{peer, {}, false};
  if (trusted.empty() || !net::contains(trusted, peer)) return client;
  const auto& fields = head.fields;
  // A proxy that says X-Forwarded-For may have passed on whatever Forwarded its client sent.
  const bool is_listed = fields.has(wire::FieldName::XForwardedFor);
  std::vector<wire::ForwardedHop> hops;
  if (!is_listed && fields.has(wire::FieldName::Forwarded)) hops = wire::forwarded_hops(fields);
  if (is_listed) {
    for (auto& hop : wire::forwarded_for_hops(fields)) hops.push_back({std::move(hop), {}});
  }
  for (const auto& hop : hops) {
    if (!hop.node.empty()) client.hops += (is_listed ? hop.node : wire::strip_port(hop.node)) + ", ";
  }
  std::string_view proto;
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    proto = hop->proto;
    const auto address = net::IpAddress::parse(wire::strip_port(hop->node));
    if (!address) break;
    client.address = *address;
    if (!net::contains(trusted, client.address)) break;
  }
  client.is_secure = wire::is_secure_proto(fields.find(wire::FieldName::XForwardedProto).value_or(proto));
  return client;
}

std::optional<std::string> request_key(const PoolSettings& pool, const wire::RequestHead& head,
                                       const net::IpAddress& client) {
  bool by_address = false;
  for (const auto& source : pool.keys) {
    if (source.kind == KeySource::Kind::ClientIp) {
      by_address = true;
      continue;
    }
    auto value = value_from(source, head);
    if (value && !value->empty()) return value;
  }
  if (pool.cookie.enabled) {
    auto value = wire::cookie_value(head.fields, pool.cookie.name);
    if (value && !value->empty()) return value;
  }
  if (by_address) return client.text();
  return std::nullopt;
}

LearnedId engine_io_id(std::string_view sid) {
  return {"engine.io " + std::string(sid), LearnSource::Kind::EngineIo};
}

std::optional<LearnedId> learned_id(const PoolSettings& pool, const wire::RequestHead& head) {
  for (const auto& source : pool.learn) {
    switch (source.kind) {
    case LearnSource::Kind::EngineIo:
      if (wire::query_value(head.query(), "transport")) {
        const auto sid = wire::query_value(head.query(), "sid");
        if (sid && !sid->empty()) return engine_io_id(*sid);
      }
      break;
    case LearnSource::Kind::Header:
      if (const auto value = head.fields.find(source.name); value && !value->empty()) {
        return LearnedId{"header:" + source.name + " " + std::string(*value), source.kind};
      }
      break;
    case LearnSource::Kind::Cookie:
      if (const auto value = wire::cookie_value(head.fields, source.name); value && !value->empty()) {
        return LearnedId{"cookie:" + source.name + " " + *value, source.kind};
      }
      break;
    }
  }
  return std::nullopt;
}

std::vector<LearnedId> handed_out(const PoolSettings& pool, const wire::ResponseHead& head) {
  std::vector<LearnedId> ids;
  for (const auto& source : pool.learn) {
    if (source.kind == LearnSource::Kind::Header) {
      if (const auto value = head.fields.find(source.name); value && !value->empty()) {
        ids.push_back({"header:" + source.name + " " + std::string(*value), source.kind});
      }
    } else if (source.kind == LearnSource::Kind::Cookie) {
      if (const auto value = wire::set_cookie_value(head.fields, source.name); value && !value->empty()) {
        ids.push_back({"cookie:" + source.name + " " + *value, source.kind});
      }
    }
  }
  return ids;
}

bool learns_engine_io(const PoolSettings& pool) {
  return std::any_of(pool.learn.begin(), pool.learn.end(),
                     [](const LearnSource& source) { return source.kind == LearnSource::Kind::EngineIo; });
}

bool is_engine_io_poll(const wire::RequestHead& head) {
  const auto transport = wire::query_value(head.query(), "transport");
  return transport && *transport == "polling";
}

}  // namespace limpet::session
