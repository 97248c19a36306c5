// SPDX-License-Identifier: Apache-2.0
// The limpet binary: everything is in proxy/cli/cli.h.
#include <exception>
#include <iostream>

#include "proxy/base/exit_code.h"
#include "proxy/cli/cli.h"

int main(int argc, char** argv) {
  try {
    auto console = limpet::cli::standard_console();
    return limpet::cli::run_command_line(argc, argv, console);
  } catch (const std::exception& failure) {  // out of memory, most likely: nothing of ours throws
    std::cerr << "limpet: " << failure.what() << '\n';
    return limpet::kInternal;
  }
}
