// SPDX-License-Identifier: Apache-2.0
// What the configuration's contract names and this version lacks, in one place. Such a key may be written with its
// default, which changes nothing; anything else is a problem, because ignoring it would be a lie. A version that brings
// one of them moves its line into tables.cpp.
#include <algorithm>
#include <array>

#include "proxy/config/reader.h"

namespace limpet::config {

namespace {

struct LaterKey {
  std::string_view table;
  std::string_view name;
  std::string_view only;  // the default as canonical() writes it; "": a table, which is refused whatever it holds
};

constexpr std::array kLaterKeys = {
    LaterKey{"listener", "protocol", "http"},
    LaterKey{"listener", "proxy_protocol", "false"},
    LaterKey{"listener", "proxy_protocol_timeout", "3s"},
    LaterKey{"listener", "h2c", "false"},
    LaterKey{"listener", "tls", ""},
    LaterKey{"route.websocket", "max_message", "0"},
    LaterKey{"route.websocket", "max_frame", "0"},
    LaterKey{"route.websocket", "messages_per_second", "0"},
    LaterKey{"route.websocket", "resume", "false"},
    LaterKey{"route.sse", "resume", "false"},
    LaterKey{"route.sse", "resume_timeout", "10s"},
    LaterKey{"pool", "on_ring_change", "hold"},
    LaterKey{"pool", "migrate_over", "5m"},
    LaterKey{"pool", "handshake_rate", "0"},
    LaterKey{"pool", "handshake_queue", "1024"},
    LaterKey{"pool", "send_proxy_protocol", "off"},
    LaterKey{"pool", "tls", ""},
    LaterKey{"pool", "mqtt", ""},
    LaterKey{"pool", "stomp", ""},
    LaterKey{"pool", "discovery", ""},
};

struct LaterValue {
  std::string_view key;
  std::string_view value;  // one that ends with ':' stands for all that begin so
};

constexpr std::array kLaterValues = {
    LaterValue{"pool.health.check", "mqtt"},    LaterValue{"pool.health.check", "amqp"},
    LaterValue{"pool.health.check", "stomp"},   LaterValue{"pool.affinity.keys", "sni"},
    LaterValue{"pool.affinity.keys", "tls:"},   LaterValue{"pool.affinity.keys", "mqtt:"},
    LaterValue{"pool.affinity.keys", "stomp:"}, LaterValue{"pool.affinity.keys", "amqp:"},
};

// A value with only one spelling: "300s" is "5m", "0B" is "0".
std::string canonical(const Node& value) {
  if (value.kind == Node::Kind::Boolean || value.kind == Node::Kind::Integer) return describe(value);
  if (value.kind != Node::Kind::String) return "";
  if (const auto duration = parse_duration(value.text)) return duration_text(*duration);
  if (const auto size = parse_size(value.text)) return std::to_string(*size);
  const bool looks_boolean = value.text == "true" || value.text == "false";
  return looks_boolean ? "" : value.text;
}

}  // namespace

std::vector<std::string> unavailable_keys(std::string_view path) {
  std::vector<std::string> names;
  for (const LaterKey& key : kLaterKeys) {
    if (key.table == path) names.emplace_back(key.name);
  }
  return names;
}

bool is_unavailable_default(std::string_view dotted_key, const Node& value) {
  return std::any_of(kLaterKeys.begin(), kLaterKeys.end(), [&](const LaterKey& key) {
    const bool same = std::string(key.table) + "." + std::string(key.name) == dotted_key;
    return same && !key.only.empty() && canonical(value) == key.only;
  });
}

bool is_unavailable_value(std::string_view dotted_key, std::string_view value) {
  return std::any_of(kLaterValues.begin(), kLaterValues.end(), [&](const LaterValue& later) {
    if (later.key != dotted_key) return false;
    return later.value.ends_with(':') ? value.starts_with(later.value) : value == later.value;
  });
}

}  // namespace limpet::config
