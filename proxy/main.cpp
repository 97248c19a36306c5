// SPDX-License-Identifier: Apache-2.0
// The limpet binary: everything is in proxy/server/cli.h.
#include <exception>
#include <iostream>

#include "proxy/server/cli.h"
#include "proxy/server/exit_code.h"

int main(int argc, char** argv) {
  try {
    auto console = limpet::server::standard_console();
    return limpet::server::run_command_line(argc, argv, console);
  } catch (const std::exception& failure) {  // out of memory, most likely: nothing of ours throws
    std::cerr << "limpet: " << failure.what() << '\n';
    return limpet::server::kInternal;
  }
}
