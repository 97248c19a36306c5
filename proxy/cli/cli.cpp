// SPDX-License-Identifier: Apache-2.0
// The grammar of the command line: which command has which options. What commands do is in cmd_*.cpp (commands.h).
#include "proxy/cli/cli.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>

#include "proxy/admin/session_filter.h"
#include "proxy/cli/commands.h"
#include "proxy/config/config.h"

namespace limpet::cli {

using admin::DrainAction;
using admin::SessionFilter;
using admin::set_filter_member;
using config::parse_duration;

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Help without what CLI11 adds about types and exclusions.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return "";
    const std::string type = option->get_type_name();
    return (type.empty() || type == "TEXT" ? "" : " " + type) + (option->get_expected_max() > 1 ? "..." : "");
  }
};

const CLI::Validator kDuration(
    [](std::string& text) {
      return parse_duration(text) ? std::string() : "'" + text + "' is not a duration such as 30s";
    },
    "");

// Judged by the same code as the API's filter. An empty value is a variable that was not set, and would match
// everything.
CLI::Validator filter_member(const char* name) {
  return CLI::Validator(
      [name](std::string& text) {
        if (text.empty()) return std::string("the value is empty");
        SessionFilter scratch;
        return set_filter_member(scratch, name, text).value_or("");
      },
      "");
}

class CommandLine {
 public:
  explicit CommandLine(Console& console) : console_(console) { define(); }

  int run(int argc, const char* const* argv);

 private:
  using Asks = std::function<int(const AdminClient&)>;

  void define();
  void define_local();
  void define_drain();
  void define_filters();
  void define_queries();

  CLI::App* command(const std::string& name, const std::string& what, std::function<int()> run);
  // A command that asks the running proxy.
  CLI::App* asking(const std::string& name, const std::string& what, bool& json, Asks run);
  void add_admin_options(CLI::App* command);
  void add_filter(CLI::App* command, SessionFilter& filter);
  int ask(const Asks& run);
  int usage(const CLI::ParseError& error);

  Console& console_;
  CLI::App app_{"limpet: a reverse proxy that brings long-lived connections home to the same backend", "limpet"};
  std::function<int()> chosen_;

  std::string config_, admin_, token_file_;
  RunOptions run_;
  CheckOptions check_;
  VersionOptions version_;
  std::uint16_t demo_port_ = 8080;
  StatusOptions status_;
  DrainOptions drain_;
  std::string over_, deadline_;
  bool no_wait_ = false, wait_ = false, pause_ = false, resume_ = false, hurry_ = false;
  ReadyOptions ready_;
  WhereOptions where_;
  SessionsOptions sessions_;
  CloseOptions close_;
  StopOptions stop_;
};

CLI::App* CommandLine::command(const std::string& name, const std::string& what, std::function<int()> run) {
  CLI::App* added = app_.add_subcommand(name, what);
  added->callback([this, run = std::move(run)] { chosen_ = run; });
  return added;
}

CLI::App* CommandLine::asking(const std::string& name, const std::string& what, bool& json, Asks run) {
  CLI::App* added = command(name, what, [this, run = std::move(run)] { return ask(run); });
  added->add_flag("--json", json, "print the result as JSON");
  add_admin_options(added);
  return added;
}

void CommandLine::add_admin_options(CLI::App* command) {
  command
      ->add_option("--admin", admin_,
                   "the running proxy (default: LIMPET_ADMIN, else " + std::string(kDefaultAdmin) + ")")
      ->type_name("unix:PATH|http://HOST:PORT");
  command->add_option("--token-file", token_file_, "holds the bearer token (default: LIMPET_TOKEN)")->type_name("FILE");
}

void CommandLine::define() {
  app_.require_subcommand(1);
  app_.formatter(std::make_shared<HelpFormatter>());
  app_.get_formatter()->column_width(30);
  app_.add_option("-c,--config", config_, "the configuration (default: " + std::string(kDefaultConfig) + ")")
      ->type_name("FILE");
  add_admin_options(&app_);
  define_local();
  define_queries();
  define_drain();
  define_filters();
}

void CommandLine::define_local() {
  CLI::App* run = command("run", "run in the foreground", [this] {
    run_.config = config_;
    run_.admin = admin_.empty() ? environment("LIMPET_ADMIN") : admin_;
    return run_command(console_, run_);
  });
  run->add_option("-c,--config", config_, "the configuration (default: " + std::string(kDefaultConfig) + ")")
      ->type_name("FILE");
  run->add_option("--listen", run_.listen, "without a file: where clients arrive")
      ->delimiter(',')
      ->type_name("ADDRESS");
  run->add_option("--to", run_.to, "without a file: the backends")->delimiter(',')->type_name("ADDRESS");
  run->add_option("--key", run_.keys, "without a file: what identifies a client, such as cookie:sid")
      ->delimiter(',')
      ->type_name("SOURCE");
  run->add_option(
         "--admin", admin_,
         "without a file: where the admin API is (default: LIMPET_ADMIN, else " + std::string(kDefaultAdmin) + ")")
      ->type_name("unix:PATH|http://HOST:PORT");

  CLI::App* check = command("check", "validate a configuration: print every problem", [this] {
    if (check_.config.empty()) check_.config = config_;
    return check_command(console_, check_);
  });
  auto* named =
      check->add_option("-c,--config", config_, "the configuration (default: " + std::string(kDefaultConfig) + ")")
          ->type_name("FILE");
  check->add_option("FILE", check_.config, "the same")->excludes(named);
  check->add_flag("--json", check_.json, "print the result as JSON");

  CLI::App* demo = command("demo", "show everything on one machine, with no configuration",
                           [this] { return demo_command(demo_port_); });
  demo->add_option("--port", demo_port_, "of the page")->type_name("N")->capture_default_str();

  CLI::App* version = command("version", "version, build, library versions", [this] {
    version_.cli11 = CLI11_VERSION;
    return version_command(console_, version_);
  });
  version->add_flag("--json", version_.json, "print the result as JSON");
}

void CommandLine::define_queries() {
  CLI::App* status = asking("status", "backends, states, sessions by protocol, drains in progress", status_.json,
                            [this](const AdminClient& client) { return status_command(console_, client, status_); });
  status->add_option("POOL", status_.pool, "only this pool");

  CLI::App* ready = asking("ready", "take drained or draining backends back", ready_.json,
                           [this](const AdminClient& client) { return ready_command(console_, client, ready_); });
  ready->add_option("BACKEND", ready_.backends, "pool/backend, or backend where that is unambiguous")->required();

  CLI::App* where = asking("where", "which backend a key goes to and why", where_.json,
                           [this](const AdminClient& client) { return where_command(console_, client, where_); });
  where->add_option("KEY", where_.key, "the affinity key")->required();
  where->add_option("--pool", where_.pool, "in this pool (default: the one that has the key open, else the first)")
      ->type_name("POOL");

  asking("stop", "drain the process and exit", stop_.json,
         [this](const AdminClient& client) { return stop_command(console_, client, stop_); });
}

void CommandLine::define_drain() {
  CLI::App* drain = asking("drain", "empty backends gracefully, at a pace, and wait until they are empty", drain_.json,
                           [this](const AdminClient& client) {
                             if (!over_.empty()) drain_.request.over = parse_duration(over_);
                             if (!deadline_.empty()) drain_.request.deadline = parse_duration(deadline_);
                             if (pause_) drain_.request.action = DrainAction::Pause;
                             if (resume_) drain_.request.action = DrainAction::Resume;
                             if (hurry_) drain_.request.action = DrainAction::Hurry;
                             drain_.wait = !no_wait_;
                             return drain_command(console_, client, drain_);
                           });
  drain->add_option("BACKEND", drain_.backends, "pool/backend, or backend where that is unambiguous")->required();
  std::vector<CLI::Option*> orders = {
      drain->add_option("--over", over_, "spread the farewells over so long (default: 30s)")
          ->type_name("DURATION")
          ->check(kDuration),
      drain->add_option("--deadline", deadline_, "cut what is left then (default: 60s, or 30s after --over)")
          ->type_name("DURATION")
          ->check(kDuration),
      drain->add_flag("--soft", drain_.request.soft, "only wait: no farewells, no deadline"),
      drain->add_flag("--whole-keys", drain_.request.whole_keys, "even a heavy key leaves in one turn"),
      drain->add_flag("--force", drain_.request.force, "even the last available backend of its pool"),
      drain->add_flag("--dry-run", drain_.request.dry_run, "say what it would do, and do nothing"),
  };
  orders[2]->excludes(orders[0])->excludes(orders[1]);
  auto* wait = drain->add_flag("--wait", wait_, "wait until the backends are empty (the default)");
  drain->add_flag("--no-wait", no_wait_, "return once the drain has begun")->excludes(wait);
  const std::vector<CLI::Option*> actions = {
      drain->add_flag("--pause", pause_, "pause the drain in progress"),
      drain->add_flag("--resume", resume_, "let a paused drain go on"),
      drain->add_flag("--hurry", hurry_, "end the drain in progress as fast as possible"),
  };
  for (std::size_t i = 0; i < actions.size(); ++i) {
    for (auto* order : orders) actions[i]->excludes(order);
    for (std::size_t j = 0; j < i; ++j) actions[i]->excludes(actions[j]);
  }
}

void CommandLine::add_filter(CLI::App* command, SessionFilter& filter) {
  const auto add = [&](const char* option, const char* member, const char* type, const char* what) {
    command
        ->add_option_function<std::string>(
            option, [&filter, member](const std::string& value) { set_filter_member(filter, member, value); }, what)
        ->type_name(type)
        ->check(filter_member(member));
  };
  add("--pool", "pool", "POOL", "of this pool");
  add("--backend", "backend", "BACKEND", "on this backend, or pool/backend");
  add("--protocol", "protocol", "PROTOCOL", "websocket, sse, long_poll, http, ...");
  add("--key", "key", "KEY", "of this affinity key");
  add("--min-age", "min_age", "DURATION", "open for at least so long");
  add("--min-idle", "min_idle", "DURATION", "silent for at least so long");
}

void CommandLine::define_filters() {
  CLI::App* sessions = asking("sessions", "list open sessions", sessions_.json, [this](const AdminClient& client) {
    return sessions_command(console_, client, sessions_);
  });
  add_filter(sessions, sessions_.filter);
  sessions
      ->add_option_function<std::string>(
          "--limit", [this](const std::string& value) { set_filter_member(sessions_.filter, "limit", value); },
          "at most so many (default: 1000)")
      ->type_name("N")
      ->check(filter_member("limit"));

  CLI::App* close = asking("close", "farewell to the sessions that a filter matches", close_.json,
                           [this](const AdminClient& client) { return close_command(console_, client, close_); });
  add_filter(close, close_.filter);
  close->add_flag("--all", close_.all, "every session: needed where nothing else is asked for");
}

int CommandLine::run(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    console_.out << app_.help();
    return kDone;
  } catch (const CLI::ParseError& error) {
    return usage(error);
  }
  return chosen_();
}

int CommandLine::usage(const CLI::ParseError& error) {
  const auto chosen = app_.get_subcommands();
  const std::string command = chosen.empty() ? "limpet" : "limpet " + chosen.front()->get_name();
  const auto strangers = app_.remaining();
  std::string what = error.what();
  if (chosen.empty() && !strangers.empty()) {
    what = "unknown '" + strangers.front() + "'";
  } else if (chosen.empty() && error.get_name() == "RequiredError") {
    what = "a command is required";
  }
  console_.err << "limpet: " << printable(what) << "\nTry '" << command << " --help'.\n";
  return kUsage;
}

int CommandLine::ask(const Asks& run) {
  if (admin_.empty()) admin_ = environment("LIMPET_ADMIN");
  if (admin_.empty()) admin_ = kDefaultAdmin;
  auto target = parse_admin_target(admin_);
  if (!target) {
    console_.err << "limpet: " << printable(target.error().what) << '\n';
    return kUsage;
  }
  target->token = environment("LIMPET_TOKEN");
  if (!token_file_.empty()) {
    std::ifstream file(token_file_);
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!file.is_open() || file.bad()) {
      console_.err << "limpet: cannot read " << printable(token_file_) << '\n';
      return kNoInput;
    }
    const auto first = text.find_first_not_of(" \t\r\n");
    const auto last = text.find_last_not_of(" \t\r\n");
    target->token = first == std::string::npos ? "" : text.substr(first, last - first + 1);
  }
  if (target->token.find_first_of("\r\n") != std::string::npos) {
    console_.err << "limpet: the token has more than one line\n";
    return kUsage;
  }
  return run(AdminClient(*target));
}

}  // namespace

int run_command_line(int argc, const char* const* argv, Console& console) {
  return CommandLine(console).run(argc, argv);
}

}  // namespace limpet::cli
