// SPDX-License-Identifier: Apache-2.0
// The admin API: JSON over HTTP on a unix socket and, where configured, a TCP address; also /metrics, the probes and
// the dashboard. Turns calls into calls of Control and its answers into JSON (json.h). Owned by the process, on
// the control loop's thread. Does not decide anything about sessions, and keeps no state but its connections.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "proxy/admin/control.h"
#include "proxy/session/settings.h"

struct event_base;

namespace limpet::admin {

class Admin {
 public:
  // `base` and `control` outlive it. Nothing is opened before start().
  Admin(event_base* base, Control& control, const session::AdminSettings& settings);
  // Closes every connection; answers that Control still owes are dropped when they come.
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  // Opens the sockets. What went wrong, for the operator; nullopt where all is well. After a problem nothing is open.
  std::optional<std::string> start();

  // Of the TCP address, as bound; 0 without one.
  std::uint16_t port() const;

  // Sends the status to whoever listens on /v1/events now, besides the one each second.
  void publish();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace limpet::admin
