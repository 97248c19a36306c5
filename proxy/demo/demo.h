// SPDX-License-Identifier: Apache-2.0
// `limpet demo`: everything on one machine with no configuration. Three backends built in (backend.h), the proxy
// before them, the page (page.h) and the dashboard. Runs in the foreground until a signal.
#pragma once

#include <cstdint>

namespace limpet::demo {

// Listens on 127.0.0.1:`port` (0: any free one) and, for the admin, on 127.0.0.1:9901 or any free port where that is
// taken. Returns the exit code: run_proxy's, or 69 where the port is taken or a backend cannot start.
int run_demo(std::uint16_t port);

}  // namespace limpet::demo
