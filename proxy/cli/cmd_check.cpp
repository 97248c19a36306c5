// SPDX-License-Identifier: Apache-2.0
// check: prints every problem of a configuration file, or what the file holds. Asks no running proxy.
#include "proxy/cli/commands.h"
#include "proxy/cli/json.h"
#include "proxy/config/config.h"

namespace limpet::cli {

using config::load_config;
using config::Problem;

int check_command(Console& console, const CheckOptions& options) {
  const std::string path = options.config.empty() ? kDefaultConfig : options.config;
  const auto config = load_config(path);
  const int exit = config.settings ? kDone : config.unreadable ? kNoInput : kBadConfig;
  if (options.json) {
    console.out << check_json(path, config) << '\n';
    return exit;
  }
  if (!config.settings) {
    for (const Problem& problem : config.problems) console.err << render(problem, console.color);
    if (!config.unreadable) console.err << path << ": " << counted(config.problems.size(), "problem") << '\n';
    return exit;
  }
  const session::Settings& settings = *config.settings;
  std::size_t backends = 0;
  for (const auto& pool : settings.pools) backends += pool->backends.size();
  console.out << path << ": ok, " << counted(settings.listeners.size(), "listener") << ", "
              << counted(settings.routes.size(), "route") << ", " << counted(settings.pools.size(), "pool") << ", "
              << counted(backends, "backend") << '\n';
  return exit;
}

}  // namespace limpet::cli
