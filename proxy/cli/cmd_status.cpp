// SPDX-License-Identifier: Apache-2.0
// status: the proxy, its pools and backends, and the drains in progress, for people or as the API has it.
#include <cstdio>

#include "proxy/admin/session_filter.h"
#include "proxy/cli/backend_name.h"
#include "proxy/cli/commands.h"
#include "proxy/cli/drain_watch.h"

namespace limpet::cli {

using admin::BackendStatus;
using admin::parse_pools;
using admin::parse_status;
using admin::pool_json;
using admin::PoolStatus;

namespace {

std::string percent(double share) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f%%", share * 100);
  return text;
}

void print_pool(Console& console, const PoolStatus& pool) {
  console.out << "\npool " << printable(pool.name) << "  " << pool.algorithm << "  digest " << pool.digest;
  if (pool.misplaced_keys > 0) console.out << "  " << counted(pool.misplaced_keys, "misplaced key");
  console.out << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const BackendStatus& backend : pool.backends) {
    rows.push_back({backend.name, backend.address, backend.state, backend.health, std::to_string(backend.weight),
                    percent(backend.share), grouped(backend.keys), by_protocol(backend.sessions)});
  }
  print_table(console.out, "  ", {"BACKEND", "ADDRESS", "STATE", "HEALTH", "WEIGHT", "SHARE", "KEYS", "SESSIONS"},
              rows);
  for (const BackendStatus& backend : pool.backends) {
    if (!backend.drain || backend.state != "draining") continue;
    DrainView view{{pool.name, backend.name}, backend.state, *backend.drain, total(backend.sessions), ""};
    console.out << "  draining " << progress_line(view) << '\n';
  }
}

int one_pool(Console& console, const AdminClient& client, const StatusOptions& options) {
  const auto found = fetch_pools(console, client);
  if (!found.pools) return found.exit;
  const auto pool = resolve_pool(*found.pools, options.pool);
  if (!pool) {
    console.err << "limpet: " << printable(pool.error().what) << '\n';
    return kUsage;
  }
  if (options.json) {
    console.out << pool_json(pool.value()) << '\n';
  } else {
    print_pool(console, pool.value());
  }
  return kDone;
}

}  // namespace

PoolsOrExit fetch_pools(Console& console, const AdminClient& client) {
  const auto reply = client.get("/v1/pools");
  PoolsOrExit result;
  if (reply.ok()) result.pools = parse_pools(reply.body);
  if (!result.pools) result.exit = client.explain(console, reply);
  return result;
}

int status_command(Console& console, const AdminClient& client, const StatusOptions& options) {
  if (!options.pool.empty()) return one_pool(console, client, options);
  const auto reply = client.get("/v1/status");
  const auto status = reply.ok() ? parse_status(reply.body) : std::nullopt;
  if (!status) return client.explain(console, reply);
  if (options.json) {
    console.out << reply.body << '\n';
    return kDone;
  }
  console.out << "limpet " << printable(status->version) << "  " << printable(status->state) << "  pid " << status->pid
              << "  up " << rough_duration(status->uptime_s) << "  " << counted(status->workers, "worker") << '\n'
              << "sessions: " << by_protocol(status->sessions) << '\n';
  for (const PoolStatus& pool : status->pools) print_pool(console, pool);
  return kDone;
}

}  // namespace limpet::cli
