// SPDX-License-Identifier: Apache-2.0
// The commands of `limpet`, each a function of its options: what cli.cpp has parsed goes in, an exit code comes out.
// Each group lives in its own cmd_*.cpp. Nothing here knows the command line's syntax, so tests call commands directly.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/admin/control.h"
#include "proxy/admin/json.h"
#include "proxy/cli/admin_client.h"
#include "proxy/cli/console.h"

namespace limpet::cli {

using admin::DrainRequest;
using admin::PoolStatus;
using admin::SessionFilter;

inline constexpr const char* kDefaultConfig = "/etc/limpet/limpet.toml";
inline constexpr const char* kDefaultAdmin = "unix:/run/limpet/admin.sock";

struct RunOptions {
  std::string config;  // "": the default, unless there are flags
  std::vector<std::string> listen, to, keys;
  std::string admin;  // with flags: where the admin API is; "": the default
};
int run_command(Console& console, const RunOptions& options);

int demo_command(std::uint16_t port);

struct CheckOptions {
  std::string config;
  bool json = false;
};
int check_command(Console& console, const CheckOptions& options);

struct VersionOptions {
  bool json = false;
  std::string cli11;  // its version, which only cli.cpp can know
};
int version_command(Console& console, const VersionOptions& options);

// The commands that follow ask the running proxy.

struct StatusOptions {
  std::string pool;  // "": all
  bool json = false;
};
int status_command(Console& console, const AdminClient& client, const StatusOptions& options);

struct DrainOptions {
  std::vector<std::string> backends;
  DrainRequest request;
  bool wait = true;
  bool json = false;
  std::chrono::milliseconds poll_every{250};
  std::chrono::milliseconds print_every{5000};  // where `console` is no terminal
};
int drain_command(Console& console, const AdminClient& client, const DrainOptions& options);

struct ReadyOptions {
  std::vector<std::string> backends;
  bool json = false;
};
int ready_command(Console& console, const AdminClient& client, const ReadyOptions& options);

struct WhereOptions {
  std::string key;
  std::string pool;  // "": the one that has the key open, else the first
  bool json = false;
};
int where_command(Console& console, const AdminClient& client, const WhereOptions& options);

// `filter.backend` may be "pool/backend" here.
struct SessionsOptions {
  SessionFilter filter;
  bool json = false;
};
int sessions_command(Console& console, const AdminClient& client, const SessionsOptions& options);

struct CloseOptions {
  SessionFilter filter;
  bool all = false;  // needed where the filter matches everything
  bool json = false;
};
int close_command(Console& console, const AdminClient& client, const CloseOptions& options);

struct StopOptions {
  bool json = false;
};
int stop_command(Console& console, const AdminClient& client, const StopOptions& options);

// The proxy's pools, or the exit code of having told why not.
struct PoolsOrExit {
  std::optional<std::vector<PoolStatus>> pools;
  ExitCode exit = kDone;
};
PoolsOrExit fetch_pools(Console& console, const AdminClient& client);

}  // namespace limpet::cli
