// SPDX-License-Identifier: Apache-2.0
// where: which backend a key goes to and why, as the proxy says; nothing is computed here.
#include "proxy/admin/session_filter.h"
#include "proxy/cli/backend_name.h"
#include "proxy/cli/commands.h"

namespace limpet::cli {

using admin::filter_to_query;
using admin::parse_sessions;
using admin::parse_where;
using admin::percent_encode;
using admin::SessionFilter;
using admin::SessionInfo;

namespace {

// The pool to ask, or the exit code of having told why there is none.
struct PoolOrExit {
  std::string pool;
  ExitCode exit = kDone;
};

PoolOrExit choose_pool(Console& console, const AdminClient& client, const WhereOptions& options) {
  const auto found = fetch_pools(console, client);
  if (!found.pools) return {"", found.exit};
  if (!options.pool.empty()) {
    const auto pool = resolve_pool(*found.pools, options.pool);
    if (pool) return {pool.value().name, kDone};
    console.err << "limpet: " << printable(pool.error().what) << '\n';
    return {"", kUsage};
  }
  if (found.pools->empty()) {
    console.err << "limpet: the proxy has no pool\n";
    return {"", kUnavailable};
  }
  if (found.pools->size() == 1) return {found.pools->front().name, kDone};
  SessionFilter filter;
  filter.key = options.key;
  filter.limit = 1;
  const auto reply = client.get("/v1/sessions" + filter_to_query(filter));
  const auto open = reply.ok() ? parse_sessions(reply.body) : std::nullopt;
  if (!open) return {"", client.explain(console, reply)};
  return {open->empty() ? found.pools->front().name : open->front().pool, kDone};
}

}  // namespace

int where_command(Console& console, const AdminClient& client, const WhereOptions& options) {
  const auto [pool, exit] = choose_pool(console, client, options);
  if (exit != kDone) return exit;
  const auto reply = client.get("/v1/pools/" + percent_encode(pool) + "/where?key=" + percent_encode(options.key));
  const auto where = reply.ok() ? parse_where(reply.body) : std::nullopt;
  if (!where) return client.explain(console, reply);
  if (options.json) {
    console.out << reply.body << '\n';
    return kDone;
  }
  console.out << "key " << printable(where->key) << " in pool " << printable(pool);
  if (where->backend.empty()) {
    console.out << " goes nowhere: no backend is available\n";
  } else {
    console.out << " goes to " << printable(where->backend) << " (" << printable(where->reason) << ")\n";
  }
  console.out << "ranking:";
  for (const auto& backend : where->ranking) console.out << ' ' << printable(backend);
  console.out << "\nopen sessions: " << where->sessions.size() << '\n';
  std::vector<std::vector<std::string>> rows;
  for (const SessionInfo& session : where->sessions) {
    rows.push_back({session.id, session.protocol, session.backend, session.client, session.state,
                    rough_duration(session.age_s), rough_duration(session.idle_s)});
  }
  if (!rows.empty()) {
    print_table(console.out, "  ", {"SESSION", "PROTOCOL", "BACKEND", "CLIENT", "STATE", "AGE", "IDLE"}, rows);
  }
  return kDone;
}

}  // namespace limpet::cli
