// SPDX-License-Identifier: Apache-2.0
// The command line: arguments in, one command run, exit code out. CLI11 is included by cli.cpp alone.
#pragma once

#include "proxy/cli/console.h"

namespace limpet::cli {

// The exit code is one of base/exit_code.h. The environment counts: LIMPET_ADMIN, LIMPET_TOKEN.
int run_command_line(int argc, const char* const* argv, Console& console);

}  // namespace limpet::cli
