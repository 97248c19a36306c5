// SPDX-License-Identifier: Apache-2.0
// The running proxy: workers, admin, health checks, drains and signals, on the control loop of the calling thread.
#pragma once

#include <string>

#include "proxy/session/settings.h"

namespace limpet::server {

// Runs until stopped; the exit code (sysexits). `config_path` is "" where there is no file.
int run_proxy(const session::Settings& settings, const std::string& config_path);

}  // namespace limpet::server
