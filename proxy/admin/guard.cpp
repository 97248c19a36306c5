// SPDX-License-Identifier: Apache-2.0
// The rules of the admin API over TCP, in the order in which they are told: Host, Origin, token, Content-Type.
#include "proxy/admin/guard.h"

#include "proxy/base/crypto.h"
#include "proxy/wire/http/http1.h"
#include "proxy/wire/uri.h"

namespace limpet::admin {

namespace {

struct HostAndPort {
  std::string host;  // lower case, without brackets
  std::string_view port;
};

HostAndPort split(std::string_view authority) {
  HostAndPort parts;
  parts.host = wire::host_without_port(authority);
  const auto colon = authority.rfind(':');
  const bool has_port = colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos;
  if (has_port) parts.port = authority.substr(colon + 1);
  if (parts.host.size() > 1 && parts.host.front() == '[' && parts.host.back() == ']') {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  }
  return parts;
}

bool is_json(std::string_view content_type) {
  auto media_type = content_type.substr(0, content_type.find(';'));
  while (!media_type.empty() && (media_type.back() == ' ' || media_type.back() == '\t')) media_type.remove_suffix(1);
  return wire::equals_ignoring_case(media_type, "application/json");
}

}  // namespace

AdminGuard::AdminGuard(std::string_view address, std::uint16_t port, std::string token, bool metrics_public)
    : configured_host_(split(address).host), port_(port), token_(std::move(token)), metrics_public_(metrics_public) {}

std::optional<Denial> AdminGuard::check(const Caller& caller) const {
  if (caller.path == "/healthz" || caller.path == "/readyz") return std::nullopt;
  if (!caller.host || !is_ours(*caller.host, caller.local_ip)) {
    return Denial{403, "Host must be the admin address or localhost, with port " + std::to_string(port_)};
  }
  if (caller.has_origin) {
    constexpr std::string_view kScheme = "http://";
    const auto origin = caller.origin.value_or("");
    if (!origin.starts_with(kScheme) || !is_ours(origin.substr(kScheme.size()), caller.local_ip)) {
      return Denial{403, "the request comes from another site (Origin)"};
    }
  }
  const bool open = token_.empty() || (metrics_public_ && caller.path == "/metrics");
  if (!open && !has_token(caller.authorization)) return Denial{401, "a bearer token is required"};
  if (caller.is_post && !is_json(caller.content_type.value_or(""))) {
    return Denial{415, "POST needs Content-Type: application/json"};
  }
  return std::nullopt;
}

bool AdminGuard::is_ours(std::string_view authority, const net::IpAddress& local_ip) const {
  if (!wire::is_valid_authority(authority)) return false;
  const auto [host, port] = split(authority);
  if (port != std::to_string(port_) && !(port.empty() && port_ == 80)) return false;
  if (host.empty()) return false;
  return host == "localhost" || host == configured_host_ || net::IpAddress::parse(host) == local_ip;
}

bool AdminGuard::has_token(std::optional<std::string_view> authorization) const {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization || authorization->size() < kScheme.size()) return false;
  if (!wire::equals_ignoring_case(authorization->substr(0, kScheme.size()), kScheme)) return false;
  return equal_in_constant_time(authorization->substr(kScheme.size()), token_);
}

}  // namespace limpet::admin
