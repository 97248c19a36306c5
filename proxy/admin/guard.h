// SPDX-License-Identifier: Apache-2.0
// Who may call the admin API over TCP. The unix socket is guarded by its file's mode and does not come here. Against: a
// web page that makes the operator's browser call (Host: DNS rebinding; Origin and Content-Type: forged requests), and
// anyone without the token. Pure: no sockets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/net/address.h"

namespace limpet::admin {

// What of a request matters here. A field that is missing is nullopt, as is one that came more than once.
struct Caller {
  bool is_post = false;
  std::string_view path;
  std::optional<std::string_view> host, origin, authorization, content_type;
  bool has_origin = false;  // even one that came twice
  net::IpAddress local_ip;  // the address that it reached us on
};

struct Denial {
  unsigned status = 403;  // 401 (with WWW-Authenticate), 403 or 415
  std::string why;
};

class AdminGuard {
 public:
  // `address` as configured ("127.0.0.1:9901", "admin.internal:9901"), `port` as bound. `token` "": none is asked for.
  AdminGuard(std::string_view address, std::uint16_t port, std::string token, bool metrics_public);

  // /healthz and /readyz are open to all; they tell nothing but yes or no, and load balancers send any Host or none.
  std::optional<Denial> check(const Caller& caller) const;

 private:
  bool is_ours(std::string_view authority, const net::IpAddress& local_ip) const;
  bool has_token(std::optional<std::string_view> authorization) const;

  std::string configured_host_;  // lower case, without brackets
  std::uint16_t port_;
  std::string token_;
  bool metrics_public_;
};

}  // namespace limpet::admin
