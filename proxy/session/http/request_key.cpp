// SPDX-License-Identifier: Apache-2.0
// See request_key.h. A value that is empty is none: the next source is asked.
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

net::IpAddress client_address(const wire::RequestHead& head, const net::IpAddress& peer,
                              const std::vector<net::Cidr>& trusted) {
  if (trusted.empty() || !net::contains(trusted, peer)) return peer;
  net::IpAddress client = peer;
  const auto hops = wire::forwarded_for_hops(head.fields);
  for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
    const auto address = net::IpAddress::parse(wire::strip_port(*hop));
    if (!address) break;
    client = *address;
    if (!net::contains(trusted, client)) break;
  }
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
