// SPDX-License-Identifier: Apache-2.0
// ready, stop: orders that the proxy carries out at once, or begins to; neither command waits for more than the answer.
#include "proxy/admin/session_filter.h"
#include "proxy/cli/backend_name.h"
#include "proxy/cli/commands.h"
#include "proxy/cli/json.h"

namespace limpet::cli {

using admin::percent_encode;

int ready_command(Console& console, const AdminClient& client, const ReadyOptions& options) {
  const auto found = fetch_pools(console, client);
  if (!found.pools) return found.exit;
  const auto names = resolve_backends(*found.pools, options.backends);
  if (!names) {
    console.err << "limpet: " << printable(names.error().what) << '\n';
    return kUsage;
  }
  ExitCode exit = kDone;
  std::vector<std::pair<BackendName, std::string>> answers;
  for (const BackendName& name : names.value()) {
    const auto reply = client.post(
        "/v1/pools/" + percent_encode(name.pool) + "/backends/" + percent_encode(name.backend) + "/ready", "{}");
    if (!reply.ok()) {
      const ExitCode failure = client.explain(console, reply);
      exit = exit == kDone ? failure : exit;
      continue;
    }
    answers.emplace_back(name, reply.body);
    if (!options.json) console.out << printable(name.text()) << ": ready\n";
  }
  if (options.json) console.out << answers_json(answers) << '\n';
  return exit;
}

int stop_command(Console& console, const AdminClient& client, const StopOptions& options) {
  const auto reply = client.post("/v1/stop", "{}");
  if (!reply.ok()) return client.explain(console, reply);
  console.out << (options.json ? reply.body : "limpet drains, then exits") << '\n';
  return kDone;
}

}  // namespace limpet::cli
