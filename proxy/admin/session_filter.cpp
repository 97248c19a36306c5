// SPDX-License-Identifier: Apache-2.0
// One place decides what a filter may say, for the query, the JSON body and the command line alike.
#include "proxy/admin/session_filter.h"

#include <charconv>
#include <set>

#include "metrics/labels.h"
#include "proxy/config/config.h"
#include "proxy/wire/uri.h"

namespace limpet::admin {

using config::duration_text;
using config::parse_duration;

namespace {

std::string known_protocols() {
  std::string list;
  for (std::size_t i = 0; i < metrics::kProtocols; ++i) {
    list += (list.empty() ? "" : ", ") + std::string(metrics::name(static_cast<metrics::Protocol>(i)));
  }
  return list;
}

bool is_protocol(std::string_view text) {
  for (std::size_t i = 0; i < metrics::kProtocols; ++i) {
    if (metrics::name(static_cast<metrics::Protocol>(i)) == text) return true;
  }
  return false;
}

std::optional<std::string> set_duration(milliseconds& to, std::string_view name, const std::string& value) {
  const auto duration = parse_duration(value);
  if (!duration) return std::string(name) + ": '" + value + "' is not a duration such as \"30s\"";
  to = *duration;
  return std::nullopt;
}

std::optional<std::string> set_limit(std::size_t& to, const std::string& value) {
  std::size_t limit = 0;
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), limit);
  if (failure != std::errc() || end != value.data() + value.size() || limit == 0) {
    return "limit: '" + value + "' is not a number from 1";
  }
  to = limit;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> set_filter_member(SessionFilter& filter, std::string_view name, const std::string& value) {
  if (name == "pool") {
    filter.pool = value;
  } else if (name == "backend") {
    filter.backend = value;
  } else if (name == "key") {
    filter.key = value;
  } else if (name == "protocol") {
    if (!value.empty() && !is_protocol(value)) return "protocol: '" + value + "' is none of " + known_protocols();
    filter.protocol = value;
  } else if (name == "min_age") {
    if (!value.empty()) return set_duration(filter.min_age, name, value);
  } else if (name == "min_idle") {
    if (!value.empty()) return set_duration(filter.min_idle, name, value);
  } else if (name == "limit") {
    if (!value.empty()) return set_limit(filter.limit, value);
  } else {
    return "unknown '" + std::string(name) + "'; expected pool, backend, protocol, key, min_age, min_idle or limit";
  }
  return std::nullopt;
}

Result<SessionFilter> filter_from_query(std::string_view query) {
  SessionFilter filter;
  std::set<std::string> seen;
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const auto name = wire::percent_decode(pair.substr(0, equals));
    const auto value = equals == std::string_view::npos ? "" : wire::percent_decode(pair.substr(equals + 1));
    if (!seen.insert(name).second) return Error{Fault::Downstream, "'" + name + "' is given twice"};
    if (auto problem = set_filter_member(filter, name, value)) return Error{Fault::Downstream, *problem};
  }
  return filter;
}

std::string filter_to_query(const SessionFilter& filter) {
  std::string query;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    query += (query.empty() ? '?' : '&');
    query += name;
    query += '=' + percent_encode(value);
  };
  add("pool", filter.pool);
  add("backend", filter.backend);
  add("protocol", filter.protocol);
  add("key", filter.key);
  if (filter.min_age.count() > 0) add("min_age", duration_text(filter.min_age));
  if (filter.min_idle.count() > 0) add("min_idle", duration_text(filter.min_idle));
  add("limit", std::to_string(filter.limit));
  return query;
}

bool matches_everything(const SessionFilter& filter) {
  return filter.pool.empty() && filter.backend.empty() && filter.protocol.empty() && filter.key.empty() &&
         filter.min_age.count() == 0 && filter.min_idle.count() == 0;
}

std::string percent_encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace limpet::admin
