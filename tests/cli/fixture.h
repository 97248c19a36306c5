// SPDX-License-Identifier: Apache-2.0
// For tests of the command line: runs it into strings, alone or against a scripted proxy.
#pragma once

#include <sstream>

#include "proxy/base/exit_code.h"
#include "proxy/cli/cli.h"
#include "tests/admin/fixture.h"

namespace limpet::cli {

struct Ran {
  int exit = -1;
  std::string out, err;
};

inline Ran limpet(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "limpet");
  std::vector<const char*> argv;
  for (const auto& argument : arguments) argv.push_back(argument.c_str());
  std::ostringstream out, err;
  Console console{out, err};
  Ran ran;
  ran.exit = run_command_line(static_cast<int>(argv.size()), argv.data(), console);
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A proxy and the command line that knows where it is.
struct Proxy : admin::RunningAdmin {
  using RunningAdmin::RunningAdmin;
  Ran limpet(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--admin", unix_address});
    return cli::limpet(std::move(arguments));
  }
};

}  // namespace limpet::cli
