// SPDX-License-Identifier: Apache-2.0
// The running proxy: workers, admin, health checks, drains and signals, on the control loop of the calling thread.
#pragma once

#include "proxy/session/settings.h"

namespace limpet::server {

// Runs until stopped; the exit code (sysexits).
int run_proxy(const session::Settings& settings);

}  // namespace limpet::server
