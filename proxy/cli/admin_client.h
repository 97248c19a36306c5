// SPDX-License-Identifier: Apache-2.0
// The command line's side of the admin API: one blocking HTTP/1.1 exchange per call over a unix socket or TCP, with
// time limits, on a connection of its own. Used by commands only, never inside the running proxy.
#pragma once

#include <string>
#include <string_view>

#include "proxy/base/exit_code.h"
#include "proxy/base/result.h"
#include "proxy/cli/console.h"

namespace limpet::cli {

// Where the running proxy is: "unix:/path" or "http://host:port".
struct AdminTarget {
  std::string text;       // as given, for messages
  std::string address;    // as net::Address::parse takes it
  std::string authority;  // for Host
  std::string token;      // "": none
};

// The error says what was expected.
Result<AdminTarget> parse_admin_target(std::string_view text);

struct AdminReply {
  unsigned status = 0;  // 0: there was no answer
  std::string body;
  std::string failure;     // why there was no answer
  bool forbidden = false;  // the system did not let us connect

  bool ok() const { return status >= 200 && status < 300; }
};

class AdminClient {
 public:
  explicit AdminClient(AdminTarget target) : target_(std::move(target)) {}

  const AdminTarget& target() const { return target_; }

  // Blocks for at most about half a minute.
  AdminReply get(const std::string& path) const { return exchange("GET", path, ""); }
  AdminReply post(const std::string& path, const std::string& json) const { return exchange("POST", path, json); }

  // Tells `console.err` why `reply` is not the wanted answer, and gives the exit code that says the same. `reply` may
  // be ok() where its body was not understood.
  ExitCode explain(Console& console, const AdminReply& reply) const;

 private:
  AdminReply exchange(std::string_view method, const std::string& path, const std::string& body) const;

  const AdminTarget target_;
};

}  // namespace limpet::cli
