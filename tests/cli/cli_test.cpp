// SPDX-License-Identifier: Apache-2.0
// The command line as its users and their scripts meet it: arguments in, text and exit code out. Commands that ask the
// proxy ask a real Admin with a scripted Control behind it.
#include "proxy/cli/cli.h"

#include <fstream>

#include "tests/cli/fixture.h"

namespace limpet::cli {

using admin::DrainStatus;
using admin::ScratchDirectory;

BOOST_AUTO_TEST_SUITE(command_line_usage)

BOOST_AUTO_TEST_CASE(mistakes_exit_64_with_a_hint) {
  const std::vector<std::vector<std::string>> mistakes = {
      {},
      {"fly"},
      {"status", "--fast"},
      {"drain"},
      {"where"},
      {"drain", "chat-1", "--over", "soon"},
      {"drain", "chat-1", "--pause", "--hurry"},
      {"drain", "chat-1", "--pause", "--over", "5s"},
      {"drain", "chat-1", "--soft", "--deadline", "5s"},
      {"drain", "chat-1", "--wait", "--no-wait"},
      {"sessions", "--protocol", "gopher"},
      {"sessions", "--min-age", "old"},
      {"sessions", "--limit", "0"},
      {"close", "--key", ""},
      {"close", "--limit", "1"},
      {"check", "-c", "a", "b"},
      {"demo", "--port", "99999"},
  };
  for (const auto& arguments : mistakes) {
    const auto ran = limpet(arguments);
    std::string shown;
    for (const auto& argument : arguments) shown += argument + " ";
    BOOST_TEST(ran.exit == kUsage, shown);
    BOOST_TEST(has(ran.err, "--help"), shown << ran.err);
    BOOST_TEST(ran.out == "", shown);
  }
}

BOOST_AUTO_TEST_CASE(commands_that_are_not_due_are_not_offered) {
  const auto help = limpet({"--help"});
  BOOST_TEST(help.exit == kDone);
  for (const char* name :
       {"run", "check", "demo", "status", "drain", "ready", "where", "sessions", "close", "stop", "version"}) {
    BOOST_TEST(has(help.out, std::string("\n  ") + name), name);
  }
  for (const char* name : {"rebalance", "reload", "upgrade", "top"}) {
    BOOST_TEST(!has(help.out, std::string("\n  ") + name), name);
    BOOST_TEST(limpet({name}).exit == kUsage, name);
  }
}

BOOST_AUTO_TEST_CASE(each_command_documents_its_options) {
  const auto help = limpet({"drain", "--help"});
  BOOST_TEST(help.exit == kDone);
  for (const char* option : {"--over", "--deadline", "--soft", "--whole-keys", "--force", "--dry-run", "--no-wait",
                             "--pause", "--resume", "--hurry", "--json", "--admin", "--token-file"}) {
    BOOST_TEST(has(help.out, option), option);
  }
}

BOOST_AUTO_TEST_CASE(a_proxy_that_is_not_there_is_69) {
  for (const std::string& target : {std::string("unix:/nowhere/admin.sock"), std::string("http://127.0.0.1:1")}) {
    const auto ran = limpet({"status", "--admin", target});
    BOOST_TEST(ran.exit == kUnavailable);
    BOOST_TEST(has(ran.err, target));
  }
  BOOST_TEST(limpet({"status", "--admin", "ftp://x:1"}).exit == kUsage);
}

BOOST_AUTO_TEST_CASE(the_environment_names_the_proxy_and_an_option_overrides_it) {
  Proxy proxy;
  ::setenv("LIMPET_ADMIN", proxy.unix_address.c_str(), 1);
  BOOST_TEST(limpet({"status"}).exit == kDone);
  BOOST_TEST(limpet({"status", "--admin", "unix:/nowhere"}).exit == kUnavailable);
  BOOST_TEST(limpet({"--admin", "unix:/nowhere", "status"}).exit == kUnavailable);
  ::unsetenv("LIMPET_ADMIN");
}

BOOST_AUTO_TEST_CASE(the_token_comes_from_the_environment_or_a_file) {
  Proxy proxy("s3cret");
  const std::string target = "http://" + proxy.tcp_address;
  const auto refused = limpet({"status", "--admin", target});
  BOOST_TEST(refused.exit == kNoPermission);
  BOOST_TEST(has(refused.err, "LIMPET_TOKEN"));
  const std::string file = proxy.directory.path() + "/token";
  std::ofstream(file) << "s3cret\n";
  BOOST_TEST(limpet({"status", "--admin", target, "--token-file", file}).exit == kDone);
  BOOST_TEST(limpet({"ready", "chat-1", "--admin", target, "--token-file", file}).exit == kDone);
  BOOST_TEST(limpet({"status", "--admin", target, "--token-file", file + ".not"}).exit == kNoInput);
  ::setenv("LIMPET_TOKEN", "s3cret", 1);
  BOOST_TEST(limpet({"status", "--admin", target}).exit == kDone);
  ::unsetenv("LIMPET_TOKEN");
}

BOOST_AUTO_TEST_CASE(check_says_ok_or_every_problem) {
  ScratchDirectory directory;
  const std::string file = directory.path() + "/limpet.toml";
  std::ofstream(file) << "[[listener]]\nname = \"web\"\naddress = \"127.0.0.1:8080\"\npool = \"chat\"\n"
                         "[[pool]]\nname = \"chat\"\n[[pool.backend]]\nname = \"a\"\naddress = \"127.0.0.1:9001\"\n";
  const auto good = limpet({"check", "-c", file});
  BOOST_TEST(good.exit == kDone);
  BOOST_TEST(good.out == file + ": ok, 1 listener, 0 routes, 1 pool, 1 backend\n");
  BOOST_TEST(limpet({"-c", file, "check"}).out == good.out);
  BOOST_TEST(limpet({"check", file}).out == good.out);
  BOOST_TEST(limpet({"check", file, "--json"}).out ==
             R"({"file":")" + file + R"(","ok":true,"problems":[],"listeners":1,"routes":0,"pools":1,"backends":1})" +
                 "\n");

  std::ofstream(file) << "[proxy]\nworkres = 1\nmax_keys = \"many\"\n";
  const auto bad = limpet({"check", "-c", file});
  BOOST_TEST(bad.exit == kBadConfig);
  BOOST_TEST(has(bad.err, file + ":2:"));
  BOOST_TEST(has(bad.err, file + ":3:"));
  BOOST_TEST(has(limpet({"check", file, "--json"}).out, R"("ok":false,"problems":[{"file":)"));
  BOOST_TEST(limpet({"run", "-c", file}).exit == kBadConfig);
  BOOST_TEST(limpet({"check", "-c", file + ".not"}).exit == kNoInput);
  BOOST_TEST(limpet({"run", "-c", file + ".not"}).exit == kNoInput);
}

BOOST_AUTO_TEST_CASE(run_refuses_flags_that_do_not_go_together) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"run", "--listen", ":8080"},
                                             {"run", "--to", "127.0.0.1:1"},
                                             {"run", "--listen", ":8080", "--to", "127.0.0.1:1", "-c", "x"},
                                             {"run", "--listen", "nonsense", "--to", "127.0.0.1:1"},
                                             {"run", "--listen", ":0", "--to", "127.0.0.1:1", "--key", "tea:leaves"},
                                             {"run", "--listen", ":0", "--to", "127.0.0.1:1", "--admin", "gopher"}}) {
    const auto ran = limpet(arguments);
    BOOST_TEST(ran.exit == kUsage, ran.err);
    BOOST_TEST(has(ran.err, "run --help"));
  }
}

BOOST_AUTO_TEST_CASE(version_names_the_libraries) {
  const auto text = limpet({"version"});
  BOOST_TEST(text.exit == kDone);
  BOOST_TEST(text.out.starts_with("limpet "));
  const auto json = limpet({"version", "--json"});
  for (const char* name : {"libevent", "liburing", "openssl", "boost", "cli11"}) {
    BOOST_TEST(has(text.out, std::string(name) + " "), name);
    BOOST_TEST(has(json.out, std::string("\"") + name + "\":\""), name);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(command_line_and_proxy)

BOOST_AUTO_TEST_CASE(status_prints_pools_and_backends) {
  Proxy proxy;
  proxy.control.locked([&] {
    auto& backend = proxy.control.now.pools[0].backends[0];
    backend.state = "draining";
    backend.drain = DrainStatus{10, 4, 6, 1, 30, 60, 3, 2, false, {}};
    return 0;
  });
  const auto all = proxy.limpet({"status"});
  BOOST_TEST(all.exit == kDone);
  BOOST_TEST(has(all.out, "limpet 9.8.7  running  pid 4242  up 1h 2m  2 workers\n"));
  BOOST_TEST(has(all.out, "pool chat  ring  digest 0123456789abcdef  2 misplaced keys\n"));
  BOOST_TEST(has(all.out, "  chat-1   127.0.0.1:9001  draining  up      1       50.0%  3     1 sse, 3 websocket\n"));
  BOOST_TEST(has(all.out, "  draining chat/chat-1: 4 of 10 sessions left, 2.0/s, ETA 2.0s, 1 cut\n"));
  BOOST_TEST(has(all.out, "pool api"));
  const auto one = proxy.limpet({"status", "api"});
  BOOST_TEST(has(one.out, "pool api"));
  BOOST_TEST(!has(one.out, "chat"));
  BOOST_TEST(has(proxy.limpet({"status", "--json"}).out, R"({"version":"9.8.7",)"));
  BOOST_TEST(proxy.limpet({"status", "api", "--json"}).out.starts_with(R"({"name":"api",)"));
  const auto unknown = proxy.limpet({"status", "nope"});
  BOOST_TEST(unknown.exit == kUsage);
  BOOST_TEST(has(unknown.err, "chat, api"));
}

BOOST_AUTO_TEST_CASE(sessions_print_a_table_that_cannot_steer_the_terminal) {
  Proxy proxy;
  const auto ran =
      proxy.limpet({"sessions", "--backend", "chat/chat-1", "--key", "a b&c", "--min-age", "90s", "--limit", "5"});
  BOOST_TEST(ran.exit == kDone);
  BOOST_TEST(has(ran.out, "SESSION  PROTOCOL   BACKEND      KEY"));
  BOOST_TEST(has(ran.out, "chat/chat-1  al\\x1b[31mice"));
  BOOST_TEST(has(ran.out, "open   1m 2s  2.0s  2.0K       0\n"));
  BOOST_TEST(!has(ran.out, "\x1b"));
  proxy.control.locked([&] {
    const auto& filter = proxy.control.filter_given;
    BOOST_TEST(filter.pool == "chat");
    BOOST_TEST(filter.backend == "chat-1");
    BOOST_TEST(filter.key == "a b&c");
    BOOST_TEST(filter.min_age.count() == 90000);
    BOOST_TEST(filter.limit == 5U);
    return 0;
  });
  BOOST_TEST(proxy.limpet({"sessions", "--json"}).out.starts_with(R"({"sessions":[{"id":"0.7.1",)"));
  BOOST_TEST(proxy.limpet({"sessions", "--pool", "nope"}).exit == kUsage);
  BOOST_TEST(proxy.limpet({"sessions", "--backend", "shared"}).exit == kUsage);
  BOOST_TEST(proxy.limpet({"sessions", "--backend", "shared", "--pool", "api"}).exit == kDone);
}

BOOST_AUTO_TEST_CASE(close_needs_a_filter_or_all) {
  Proxy proxy;
  BOOST_TEST(proxy.limpet({"close"}).exit == kUsage);
  BOOST_TEST(proxy.limpet({"close", "--all"}).out == "closing 3 sessions\n");
  BOOST_TEST(proxy.limpet({"close", "--protocol", "sse", "--json"}).out == "{\"closing\":3}\n");
  BOOST_TEST(proxy.control.locked([&] { return proxy.control.filter_given.protocol; }) == "sse");
}

BOOST_AUTO_TEST_CASE(where_prints_backend_reason_and_ranking) {
  Proxy proxy;
  const auto ran = proxy.limpet({"where", "alice", "--pool", "api"});
  BOOST_TEST(ran.exit == kDone);
  BOOST_TEST(has(ran.out, "key alice in pool api goes to chat-1 (hash)\nranking: chat-1 shared\nopen sessions: 1\n"));
  BOOST_TEST(has(proxy.limpet({"where", "alice"}).out, "in pool chat "));  // where it is open
  BOOST_TEST(has(proxy.limpet({"where", "a/b?c", "--json"}).out, R"({"key":"a/b?c","backend":"chat-1",)"));
  BOOST_TEST(proxy.limpet({"where", "alice", "--pool", "nope"}).exit == kUsage);
}

BOOST_AUTO_TEST_CASE(ready_takes_several_and_refuses_ambiguous_names) {
  Proxy proxy;
  const auto ran = proxy.limpet({"ready", "chat-1", "api/shared"});
  BOOST_TEST(ran.exit == kDone);
  BOOST_TEST(ran.out == "chat/chat-1: ready\napi/shared: ready\n");
  const auto ambiguous = proxy.limpet({"ready", "chat-1", "shared"});
  BOOST_TEST(ambiguous.exit == kUsage);
  BOOST_TEST(has(ambiguous.err, "'shared' is ambiguous; say one of: chat/shared, api/shared"));
  const auto unknown = proxy.limpet({"ready", "nope"});
  BOOST_TEST(unknown.exit == kUsage);
  BOOST_TEST(has(unknown.err, "chat/chat-1"));
  BOOST_TEST(proxy.control.locked([&] { return proxy.control.readied.size(); }) == 2U);  // nothing is begun by halves
}

BOOST_AUTO_TEST_CASE(stop_reaches_the_proxy) {
  Proxy proxy;
  BOOST_TEST(proxy.limpet({"stop"}).exit == kDone);
  BOOST_TEST(proxy.control.locked([&] { return proxy.control.is_stopped; }));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::cli
