// SPDX-License-Identifier: Apache-2.0
// drain: orders it, then watches from outside until each backend is empty. Interrupting the command does not touch the
// drain.
#include <algorithm>
#include <set>
#include <thread>

#include "proxy/admin/session_filter.h"
#include "proxy/cli/backend_name.h"
#include "proxy/cli/commands.h"
#include "proxy/cli/drain_watch.h"
#include "proxy/cli/json.h"

namespace limpet::cli {

using admin::drain_request_json;
using admin::DrainPlan;
using admin::parse_error;
using admin::parse_plan;
using admin::parse_pool;
using admin::percent_encode;

namespace {

std::string path_of(const BackendName& name, const char* call) {
  return "/v1/pools/" + percent_encode(name.pool) + "/backends/" + percent_encode(name.backend) + call;
}

void print_heavy(std::ostream& out, const DrainPlan& plan, bool whole_keys) {
  for (const auto& [key, sessions] : plan.heavy) {
    out << "  key " << printable(key) << " holds " << counted(sessions, "session")
        << (whole_keys ? "; they leave in one turn\n" : "; they are spread (--whole-keys: in one turn)\n");
  }
}

void print_plan(Console& console, const BackendName& name, const DrainPlan& plan, bool whole_keys) {
  console.out << "drain of " << printable(name.text()) << " would move " << counted(plan.sessions, "session") << " of "
              << counted(plan.keys, "key") << " in " << rough_duration(plan.takes_s) << '\n';
  print_heavy(console.out, plan, whole_keys);
  std::vector<std::vector<std::string>> rows;
  for (const auto& [backend, load] : plan.load_after) {
    const auto gets = plan.goes_to.find(backend);
    rows.push_back({backend, gets == plan.goes_to.end() ? "0" : grouped(gets->second), grouped(load)});
  }
  if (!rows.empty()) print_table(console.out, "  ", {"BACKEND", "GETS", "THEN HAS"}, rows);
}

class DrainCommand {
 public:
  DrainCommand(Console& console, const AdminClient& client, const DrainOptions& options)
      : console_(console), client_(client), options_(options) {}

  int run();

 private:
  int plan_or_act(const std::vector<BackendName>& names);
  void begin(const std::vector<BackendName>& names);
  void watch();
  bool poll();
  void add_late_cuts();
  int finish();
  void lower_exit(ExitCode code) { exit_ = exit_ == kDone ? code : exit_; }

  Console& console_;
  const AdminClient& client_;
  const DrainOptions& options_;

  std::vector<DrainView> views_;
  std::vector<std::uint64_t> cut_before_;  // per view
  ExitCode exit_ = kDone;
};

int DrainCommand::run() {
  const auto found = fetch_pools(console_, client_);
  if (!found.pools) return found.exit;
  const auto names = resolve_backends(*found.pools, options_.backends);
  if (!names) {
    console_.err << "limpet: " << printable(names.error().what) << '\n';
    return kUsage;
  }
  if (options_.request.dry_run || options_.request.action) return plan_or_act(names.value());
  begin(names.value());
  if (options_.wait) watch();
  return finish();
}

// Calls that are done once they are answered.
int DrainCommand::plan_or_act(const std::vector<BackendName>& names) {
  std::vector<std::pair<BackendName, std::string>> answers;
  for (const BackendName& name : names) {
    const auto reply = client_.post(path_of(name, "/drain"), drain_request_json(options_.request));
    const auto plan = reply.ok() ? parse_plan(reply.body) : std::nullopt;
    if (!plan) {
      lower_exit(client_.explain(console_, reply));
      continue;
    }
    answers.emplace_back(name, reply.body);
    if (options_.json) continue;
    if (options_.request.dry_run) {
      print_plan(console_, name, *plan, options_.request.whole_keys);
    } else {
      console_.out << printable(name.text()) << ": " << counted(plan->sessions, "session") << " left\n";
    }
  }
  if (options_.json) console_.out << answers_json(answers) << '\n';
  return exit_;
}

void DrainCommand::begin(const std::vector<BackendName>& names) {
  const std::string metrics = client_.get("/metrics").body;
  for (const BackendName& name : names) {
    DrainView view{name, "draining", {}, 0, ""};
    const auto reply = client_.post(path_of(name, "/drain"), drain_request_json(options_.request));
    const auto plan = reply.ok() ? parse_plan(reply.body) : std::nullopt;
    if (plan) {
      view.drain.total = view.drain.remaining = view.open = plan->sessions;
      view.drain.eta_s = plan->takes_s;
      if (!options_.json) {
        console_.out << "draining " << printable(name.text()) << ": " << counted(plan->sessions, "session") << " of "
                     << counted(plan->keys, "key") << " in " << rough_duration(plan->takes_s) << '\n';
        print_heavy(console_.out, *plan, options_.request.whole_keys);
      }
    } else {
      lower_exit(client_.explain(console_, reply));
      view.state = "refused";
      view.error = reply.ok() || reply.status == 0 ? "no answer" : parse_error(reply.body);
    }
    views_.push_back(std::move(view));
    cut_before_.push_back(sessions_cut(metrics, name));
  }
  console_.out.flush();
}

void DrainCommand::watch() {
  DrainDisplay display(console_);
  auto printed = std::chrono::steady_clock::now();
  std::vector<bool> told(views_.size());
  for (std::size_t i = 0; i < views_.size(); ++i) told[i] = views_[i].is_over();
  while (std::any_of(views_.begin(), views_.end(), [](const DrainView& view) { return !view.is_over(); })) {
    if (!poll()) return;
    if (options_.json) {
      // Only the result is printed.
    } else if (console_.terminal) {
      display.draw(views_);
    } else {
      const auto now = std::chrono::steady_clock::now();
      const bool is_time = now - printed >= options_.print_every;
      for (std::size_t i = 0; i < views_.size(); ++i) {
        const bool over = views_[i].is_over();
        if (!over && is_time) console_.out << progress_line(views_[i]) << '\n';
        if (over && !told[i]) console_.out << outcome_line(views_[i]) << '\n';
        told[i] = over;
      }
      if (is_time) printed = now;
      console_.out.flush();
    }
  }
}

// False where the proxy no longer tells.
bool DrainCommand::poll() {
  std::this_thread::sleep_for(options_.poll_every);
  std::set<std::string> pools;
  for (const DrainView& view : views_) {
    if (!view.is_over()) pools.insert(view.name.pool);
  }
  for (const std::string& pool : pools) {
    const auto reply = client_.get("/v1/pools/" + percent_encode(pool));
    const auto status = reply.ok() ? parse_pool(reply.body) : std::nullopt;
    if (!status) {
      lower_exit(client_.explain(console_, reply));
      return false;
    }
    for (DrainView& view : views_) {
      if (!view.is_over() && view.name.pool == pool) update(view, *status);
    }
  }
  if (std::any_of(views_.begin(), views_.end(), [](const DrainView& view) { return view.is_empty(); })) add_late_cuts();
  return true;
}

void DrainCommand::add_late_cuts() {
  const auto reply = client_.get("/metrics");
  if (!reply.ok()) return;
  for (std::size_t i = 0; i < views_.size(); ++i) {
    if (!views_[i].is_empty()) continue;
    const std::uint64_t now = sessions_cut(reply.body, views_[i].name);
    const std::uint64_t cut = now - std::min(now, cut_before_[i]);
    views_[i].drain.cut = std::max(views_[i].drain.cut, cut);
    views_[i].drain.total = std::max(views_[i].drain.total, views_[i].drain.cut);
  }
}

int DrainCommand::finish() {
  if (options_.json) console_.out << drains_json(views_) << '\n';
  if (exit_ != kDone) return exit_;
  const bool failed =
      std::any_of(views_.begin(), views_.end(), [](const DrainView& view) { return !view.error.empty(); });
  if (failed) return kUnavailable;
  const bool cut = std::any_of(views_.begin(), views_.end(), [](const DrainView& view) { return view.drain.cut > 0; });
  return cut ? kSessionsCut : kDone;
}

}  // namespace

int drain_command(Console& console, const AdminClient& client, const DrainOptions& options) {
  return DrainCommand(console, client, options).run();
}

}  // namespace limpet::cli
