// SPDX-License-Identifier: Apache-2.0
// The drain as it is promised, with the real proxy: one of three backends is emptied under traffic, and every
// promise is a checker over the log (checkers.h). Three hundred WebSockets in the normal run, two thousand in the heavy
// one.
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "tests/e2e/drain_run.h"
#include "tests/e2e/judge.h"
#include "tests/e2e/proxy_process.h"

namespace limpet::e2e {
namespace {

// All but the listener and the backends.
constexpr const char* kChat = R"(
[[route]]
path = "/"
pool = "chat"
[route.websocket]
close_timeout = "2s"
[route.sse]
retry = "200ms"
retry_jitter = "300ms"
[[route]]
path = "/poll"
pool = "chat"
[route.long_poll]
always = true
[[pool]]
name = "chat"
[pool.affinity]
keys = ["query:user"]
)";

std::string seconds(double value) {
  return std::to_string(static_cast<int>(value * 1000)) + "ms";
}

nlohmann::json backend_status(const ProxyProcess& proxy, const std::string& name) {
  const auto answer = proxy.admin("GET", "/v1/pools/chat");
  BOOST_TEST_REQUIRE(answer.status == 200, proxy.log());
  const auto pool = nlohmann::json::parse(answer.body);
  for (const auto& backend : pool.at("backends")) {
    if (backend.at("name") == name) return backend;
  }
  throw std::runtime_error("no backend " + name + " in " + answer.body);
}

void judge(const EventLog& log) {
  BOOST_TEST_MESSAGE(ends_per_second(log) << " ends per second");
  BOOST_TEST(ends_per_second(log) >= kPaceFloor, "too few ends to judge the pace by: " << ends_per_second(log));
  kept(kPromisesToAll, log);
  kept(kPromisesToWebSockets, log);
  kept(kPromisesToRequests, log);
}

void drain_of(const DrainPlan& plan) {
  allow_many_descriptors();
  DrainRun run(plan);
  const auto port = free_port();
  ProxyProcess proxy(config_for(port, kChat, run.backends()));
  Middle middle;
  middle.port = port;
  middle.drain = [&](const std::string& backend, double over) {
    const auto answer =
        proxy.admin("POST", "/v1/pools/chat/backends/" + backend + "/drain",
                    R"({"over":")" + seconds(over) + R"(","deadline":")" + seconds(over + 20) + R"("})");
    BOOST_TEST_REQUIRE(answer.status == 202, answer.body);
  };
  middle.drained = [&](const std::string& backend) { return backend_status(proxy, backend).at("state") == "drained"; };
  const EventLog& log = run.play(middle);
  judge(log);

  const auto status = backend_status(proxy, log.drained);
  std::uint64_t left = 0;
  for (const auto& [protocol, count] : status.at("sessions").items()) left += count.get<std::uint64_t>();
  BOOST_TEST(left == 0U, status.dump());
  BOOST_TEST(proxy.running(), proxy.log());
  BOOST_TEST(proxy.terminate(15) == 0, proxy.log());
}

}  // namespace

BOOST_AUTO_TEST_CASE(three_hundred_websockets_leave_a_drained_backend_unharmed) {
  DrainPlan plan;
  plan.websockets = 300;
  plan.over = 4;
  drain_of(plan);
}

BOOST_AUTO_TEST_CASE(two_thousand_websockets_leave_a_drained_backend_unharmed) {
  DrainPlan plan;
  plan.websockets = 2000;
  plan.over = 10;
  plan.after = 8;
  plan.rest = 6;
  plan.traffic.interval = 2;
  drain_of(plan);
}

}  // namespace limpet::e2e
