// SPDX-License-Identifier: Apache-2.0
// run, demo: from a configuration file or a few flags to settings, and on to the process.
#include "proxy/cli/commands.h"
#include "proxy/config/config.h"
#include "proxy/demo/demo.h"
#include "proxy/server/process.h"

namespace limpet::cli {

using config::config_from_flags;
using config::load_config;
using config::Problem;

namespace {

int usage(Console& console, const std::string& what) {
  console.err << "limpet: " << what << "\nTry 'limpet run --help'.\n";
  return kUsage;
}

int run_from_flags(Console& console, const RunOptions& options) {
  if (options.listen.empty()) return usage(console, "--to and --key need --listen");
  if (options.to.empty()) return usage(console, "--listen needs --to");
  auto config = config_from_flags(options.listen, options.to, options.keys);
  if (!config.settings) {
    for (const Problem& problem : config.problems) console.err << "limpet: " << printable(problem.what) << '\n';
    return usage(console, "the options of run are not usable");
  }
  if (!options.admin.empty()) {
    const auto target = parse_admin_target(options.admin);
    if (!target) return usage(console, target.error().what);
    const bool is_unix = target.value().address.starts_with("unix:");
    config.settings->admin.socket = is_unix ? target.value().address.substr(5) : "";
    config.settings->admin.address = is_unix ? "" : target.value().address;
  }
  return server::run_proxy(*config.settings);
}

}  // namespace

int run_command(Console& console, const RunOptions& options) {
  const bool flags = !options.listen.empty() || !options.to.empty() || !options.keys.empty();
  if (flags && !options.config.empty()) return usage(console, "-c and --listen, --to, --key exclude each other");
  if (flags) return run_from_flags(console, options);
  const std::string path = options.config.empty() ? kDefaultConfig : options.config;
  const auto config = load_config(path);
  if (config.settings) return server::run_proxy(*config.settings);
  for (const Problem& problem : config.problems) console.err << render(problem, console.color);
  if (config.unreadable && options.config.empty()) {
    console.err << "Name a file by -c, or run without one: limpet run --listen :8080 --to 127.0.0.1:9001\n";
  }
  return config.unreadable ? kNoInput : kBadConfig;
}

int demo_command(std::uint16_t port) {
  return demo::run_demo(port);
}

}  // namespace limpet::cli
