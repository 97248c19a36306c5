// SPDX-License-Identifier: Apache-2.0
// sessions, close: the open sessions that a filter matches, listed or sent away.
#include "proxy/admin/session_filter.h"
#include "proxy/cli/backend_name.h"
#include "proxy/cli/commands.h"

namespace limpet::cli {

using admin::close_request_json;
using admin::filter_to_query;
using admin::matches_everything;
using admin::parse_closing;
using admin::parse_sessions;
using admin::PoolStatus;
using admin::SessionFilter;
using admin::SessionInfo;

namespace {

// Turns the pool and backend that were asked for into those that exist; tells what is unknown. A backend that is not in
// the pools has no sessions that one could mean.
std::optional<ExitCode> resolve_names(Console& console, const AdminClient& client, SessionFilter& filter) {
  if (filter.pool.empty() && filter.backend.empty()) return std::nullopt;
  auto found = fetch_pools(console, client);
  if (!found.pools) return found.exit;
  std::vector<PoolStatus> pools = std::move(*found.pools);
  if (!filter.pool.empty()) {
    auto pool = resolve_pool(pools, filter.pool);
    if (!pool) {
      console.err << "limpet: " << printable(pool.error().what) << '\n';
      return kUsage;
    }
    pools = {std::move(*pool)};
  }
  if (filter.backend.empty()) return std::nullopt;
  const auto backend = resolve_backend(pools, filter.backend);
  if (!backend) {
    console.err << "limpet: " << printable(backend.error().what) << '\n';
    return kUsage;
  }
  filter.pool = backend.value().pool;
  filter.backend = backend.value().backend;
  return std::nullopt;
}

}  // namespace

int sessions_command(Console& console, const AdminClient& client, const SessionsOptions& options) {
  SessionFilter filter = options.filter;
  if (const auto exit = resolve_names(console, client, filter)) return *exit;
  const auto reply = client.get("/v1/sessions" + filter_to_query(filter));
  const auto sessions = reply.ok() ? parse_sessions(reply.body) : std::nullopt;
  if (!sessions) return client.explain(console, reply);
  if (options.json) {
    console.out << reply.body << '\n';
    return kDone;
  }
  std::vector<std::vector<std::string>> rows;
  for (const SessionInfo& session : *sessions) {
    rows.push_back({session.id, session.protocol, session.pool + "/" + session.backend, session.key, session.client,
                    session.state, rough_duration(session.age_s), rough_duration(session.idle_s),
                    rough_bytes(session.bytes_to_client), rough_bytes(session.bytes_to_backend)});
  }
  print_table(console.out, "",
              {"SESSION", "PROTOCOL", "BACKEND", "KEY", "CLIENT", "STATE", "AGE", "IDLE", "TO CLIENT", "TO BACKEND"},
              rows);
  if (sessions->size() >= filter.limit) {
    console.err << "There may be more than these " << grouped(filter.limit) << "; --limit shows more.\n";
  }
  return kDone;
}

int close_command(Console& console, const AdminClient& client, const CloseOptions& options) {
  SessionFilter filter = options.filter;
  if (matches_everything(filter) && !options.all) {
    console.err << "limpet: close without a filter would end every session; say --all to mean it\n";
    return kUsage;
  }
  if (const auto exit = resolve_names(console, client, filter)) return *exit;
  const auto reply = client.post("/v1/close", close_request_json(filter));
  const auto closing = reply.ok() ? parse_closing(reply.body) : std::nullopt;
  if (!closing) return client.explain(console, reply);
  if (options.json) {
    console.out << reply.body << '\n';
  } else {
    console.out << "closing " << counted(*closing, "session") << '\n';
  }
  return kDone;
}

}  // namespace limpet::cli
