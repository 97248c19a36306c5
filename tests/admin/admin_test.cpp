// SPDX-License-Identifier: Apache-2.0
// The admin API as its callers meet it: every call and every refusal, by raw bytes over the unix socket and TCP.
#include "proxy/admin/admin.h"

#include "proxy/admin/json.h"
#include "tests/admin/fixture.h"

namespace limpet::admin {

namespace {

const std::string kJson = "Content-Type: application/json\r\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(admin_calls)

BOOST_AUTO_TEST_CASE(healthz_is_200_and_readyz_follows_accepting) {
  RunningAdmin server;
  BOOST_TEST(server.over_unix("GET", "/healthz").status == 200);
  BOOST_TEST(server.over_unix("GET", "/readyz").status == 200);
  server.control.locked([&] { return server.control.is_accepting = false; });
  BOOST_TEST(server.over_unix("GET", "/readyz").status == 503);
  BOOST_TEST(server.over_unix("GET", "/healthz").status == 200);
}

BOOST_AUTO_TEST_CASE(metrics_are_prometheus_text) {
  RunningAdmin server;
  const auto answer = server.over_unix("GET", "/metrics");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.has_field("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  BOOST_TEST(answer.body == "# TYPE limpet_sessions gauge\n");
}

BOOST_AUTO_TEST_CASE(status_has_the_documented_members) {
  RunningAdmin server;
  const auto answer = server.over_unix("GET", "/v1/status");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.has_field("Content-Type: application/json"));
  BOOST_TEST(
      answer.body.starts_with(R"({"version":"9.8.7","uptime_s":3725.25,"pid":4242,"workers":2,"state":"running",)"
                              R"("sessions":{"sse":1,"websocket":3},"pools":[{"name":"chat")"));
}

BOOST_AUTO_TEST_CASE(pools_have_the_documented_shape) {
  RunningAdmin server;
  server.control.locked([&] {
    auto& backend = server.control.now.pools[0].backends[0];
    backend.state = "draining";
    backend.drain = DrainStatus{10, 4, 6, 0, 30, 60, 3, 2, true, {{"nat", 2}}};
    return 0;
  });
  const auto one = server.over_unix("GET", "/v1/pools/chat");
  BOOST_TEST(one.status == 200);
  BOOST_TEST(one.body ==
             R"({"name":"chat","algorithm":"ring","digest":"0123456789abcdef","misplaced_keys":2,"backends":[)"
             R"({"name":"chat-1","address":"127.0.0.1:9001","state":"draining","health":"up","weight":1,"share":0.5,)"
             R"("keys":3,"sessions":{"sse":1,"websocket":3},"drain":{"total":10,"remaining":4,"moved":6,"cut":0,)"
             R"("over_s":30.0,"deadline_s":60.0,"elapsed_s":3.0,"eta_s":2.0,"paused":true,)"
             R"("heavy":[{"key":"nat","sessions":2}]}},)"
             R"({"name":"shared","address":"127.0.0.1:9002","state":"ready","health":"down","weight":1,"share":0.5,)"
             R"("keys":0,"sessions":{},"drain":null}]})");
  const auto all = server.over_unix("GET", "/v1/pools");
  BOOST_TEST(all.body.starts_with(R"({"pools":[{"name":"chat",)"));
  BOOST_TEST(all.body.find(one.body) != std::string::npos);
  BOOST_TEST(server.over_unix("GET", "/v1/pools/nope").status == 404);
}

BOOST_AUTO_TEST_CASE(drain_takes_every_member_and_answers_202_with_the_drain) {
  RunningAdmin server;
  server.control.locked([&] {
    server.control.plan_to_give = {4, 3, 30, {{"shared", 4}}, {{"shared", 4}}, {}};
    server.control.on_drain = [](Status& now, const std::string&, const std::string&) {
      now.pools[0].backends[0].drain = DrainStatus{4, 4, 0, 0, 10, 20, 0, 10, false, {}};
    };
    return 0;
  });
  const auto answer =
      server.over_unix("POST", "/v1/pools/chat/backends/chat-1/drain",
                       R"({"over":"10s","deadline":"20s","soft":true,"whole_keys":true,"force":true,"dry_run":false})");
  BOOST_TEST(answer.status == 202);
  BOOST_TEST(answer.body.starts_with(R"({"total":4,"remaining":4,"moved":0,"cut":0,"over_s":10.0,"deadline_s":20.0,)"));
  server.control.locked([&] {
    const auto& order = server.control.order_given;
    BOOST_TEST(server.control.drained == "chat/chat-1");
    BOOST_TEST(order.over.count() == 10000);
    BOOST_TEST(order.deadline.count() == 20000);
    BOOST_TEST((order.soft && order.whole_keys && order.force && !order.dry_run));
    return 0;
  });
}

BOOST_AUTO_TEST_CASE(drain_without_body_has_the_defaults) {
  RunningAdmin server;
  BOOST_TEST(server.over_unix("POST", "/v1/pools/chat/backends/chat-1/drain").status == 202);
  server.control.locked([&] {
    const auto& order = server.control.order_given;
    BOOST_TEST(order.over.count() == 30000);
    BOOST_TEST(order.deadline.count() == 60000);
    BOOST_TEST(!(order.soft || order.whole_keys || order.force || order.dry_run));
    return 0;
  });
}

BOOST_AUTO_TEST_CASE(a_long_drain_without_deadline_is_not_cut_before_it_has_ended) {
  RunningAdmin server;
  BOOST_TEST(server.over_unix("POST", "/v1/pools/chat/backends/chat-1/drain", R"({"over":"5m"})").status == 202);
  BOOST_TEST(server.control.locked([&] { return server.control.order_given.deadline.count(); }) == 330000);
}

BOOST_AUTO_TEST_CASE(dry_run_answers_the_plan_as_a_drain) {
  RunningAdmin server;
  server.control.locked([&] {
    server.control.plan_to_give = {4, 3, 30, {{"shared", 4}}, {{"shared", 5}}, {{"nat", 2}}};
    return 0;
  });
  const auto answer = server.over_unix("POST", "/v1/pools/chat/backends/chat-1/drain", R"({"dry_run":true})");
  BOOST_TEST(answer.status == 202);
  BOOST_TEST(answer.body ==
             R"({"total":4,"remaining":4,"moved":0,"cut":0,"over_s":30.0,"deadline_s":60.0,"elapsed_s":0.0,)"
             R"("eta_s":30.0,"paused":false,"heavy":[{"key":"nat","sessions":2}],"dry_run":true,"sessions":4,"keys":3,)"
             R"("takes_s":30.0,"goes_to":{"shared":4},"load_after":{"shared":5}})");
  BOOST_TEST(server.control.locked([&] { return server.control.order_given.dry_run; }));
}

BOOST_AUTO_TEST_CASE(drain_actions_reach_the_control) {
  RunningAdmin server;
  const std::pair<const char*, DrainAction> actions[] = {
      {"pause", DrainAction::Pause}, {"resume", DrainAction::Resume}, {"hurry", DrainAction::Hurry}};
  for (const auto& [name, action] : actions) {
    const auto body = std::string(R"({"action":")") + name + "\"}";
    BOOST_TEST(server.over_unix("POST", "/v1/pools/chat/backends/chat-1/drain", body).status == 202);
    BOOST_TEST(server.control.locked([&, wanted = action] { return server.control.action_given == wanted; }));
  }
}

BOOST_AUTO_TEST_CASE(refusals_keep_their_status_and_text) {
  RunningAdmin server;
  server.control.locked([&] {
    server.control.refusal = Refusal{409, "the last \"available\" backend"};
    return 0;
  });
  for (const char* call : {"drain", "ready"}) {
    const auto answer = server.over_unix("POST", std::string("/v1/pools/chat/backends/chat-1/") + call);
    BOOST_TEST(answer.status == 409);
    BOOST_TEST(answer.body == R"({"error":"the last \"available\" backend"})");
  }
  const auto action = server.over_unix("POST", "/v1/pools/chat/backends/chat-1/drain", R"({"action":"pause"})");
  BOOST_TEST(action.status == 409);
}

BOOST_AUTO_TEST_CASE(ready_answers_the_backend) {
  RunningAdmin server;
  const auto answer = server.over_unix("POST", "/v1/pools/api/backends/shared/ready", "{}");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.body.starts_with(R"({"name":"shared","address":"127.0.0.1:9003",)"));
  BOOST_TEST(server.control.locked([&] { return server.control.readied; }) == std::vector<std::string>{"api/shared"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(names_in_paths_are_percent_decoded) {
  RunningAdmin server;
  server.over_unix("POST", "/v1/pools/a%2Fb/backends/unix%3A%2Ftmp%2Fx/ready");
  BOOST_TEST(server.control.locked([&] { return server.control.readied.at(0); }) == "a/b/unix:/tmp/x");
}

BOOST_AUTO_TEST_CASE(where_answers_key_backend_reason_ranking_and_sessions) {
  RunningAdmin server;
  const auto answer = server.over_unix("GET", "/v1/pools/chat/where?key=a%20b");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.body.starts_with(
      R"({"key":"a b","backend":"chat-1","reason":"hash","ranking":["chat-1","shared"],"sessions":[{"id":"0.7.1")"));
  BOOST_TEST(server.over_unix("GET", "/v1/pools/chat/where").status == 400);
  BOOST_TEST(server.over_unix("GET", "/v1/pools/nope/where?key=a").status == 404);
}

BOOST_AUTO_TEST_CASE(sessions_are_filtered_and_bytes_that_are_no_utf8_do_no_harm) {
  RunningAdmin server;
  const auto answer = server.over_unix(
      "GET", "/v1/sessions?pool=chat&backend=chat-1&protocol=websocket&key=a%26b&min_age=5m&min_idle=30s&limit=7");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.body.starts_with(R"({"sessions":[{"id":"0.7.1","protocol":"websocket","pool":"chat",)"));
  BOOST_TEST(answer.body.find("al\\u001b[31mice\xEF\xBF\xBD") != std::string::npos);
  server.control.locked([&] {
    const auto& filter = server.control.filter_given;
    BOOST_TEST(filter.pool == "chat");
    BOOST_TEST(filter.backend == "chat-1");
    BOOST_TEST(filter.protocol == "websocket");
    BOOST_TEST(filter.key == "a&b");
    BOOST_TEST(filter.min_age.count() == 300000);
    BOOST_TEST(filter.min_idle.count() == 30000);
    BOOST_TEST(filter.limit == 7U);
    return 0;
  });
  BOOST_TEST(server.over_unix("GET", "/v1/sessions?pool=&backend=&protocol=&key=&min_age=&min_idle=&limit=").status ==
             200);
}

BOOST_AUTO_TEST_CASE(close_takes_the_filter_as_body) {
  RunningAdmin server;
  const auto answer = server.over_unix("POST", "/v1/close", R"({"pool":"chat","min_idle":"1h"})");
  BOOST_TEST(answer.status == 200);
  BOOST_TEST(answer.body == R"({"closing":3})");
  server.control.locked([&] {
    BOOST_TEST(server.control.filter_given.pool == "chat");
    BOOST_TEST(server.control.filter_given.min_idle.count() == 3600000);
    return 0;
  });
}

BOOST_AUTO_TEST_CASE(stop_is_202) {
  RunningAdmin server;
  BOOST_TEST(!server.control.is_stopped);
  const auto answer = server.over_unix("POST", "/v1/stop");
  BOOST_TEST(answer.status == 202);
  BOOST_TEST(server.control.locked([&] { return server.control.is_stopped; }));
}

BOOST_AUTO_TEST_CASE(what_is_not_due_is_501) {
  RunningAdmin server;
  for (const char* call : {"/v1/pools/chat/rebalance", "/v1/reload", "/v1/upgrade"}) {
    const auto answer = server.over_unix("POST", call);
    BOOST_TEST(answer.status == 501);
    BOOST_TEST(answer.body.find("not available in this version") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(the_dashboard_is_one_page_with_a_fresh_nonce) {
  RunningAdmin server;
  const auto first = server.over_unix("GET", "/");
  BOOST_TEST(first.status == 200);
  BOOST_TEST(first.has_field("Content-Type: text/html; charset=utf-8"));
  const auto at = first.head.find("script-src 'nonce-");
  BOOST_REQUIRE(at != std::string::npos);
  const auto nonce = first.head.substr(at + 18, first.head.find('\'', at + 18) - at - 18);
  BOOST_TEST(nonce.size() >= 16U);
  BOOST_TEST(first.body.find("<script nonce=\"" + nonce + "\">") != std::string::npos);
  BOOST_TEST(first.body.find("<style nonce=\"" + nonce + "\">") != std::string::npos);
  BOOST_TEST(first.body.find("innerHTML") == std::string::npos);
  BOOST_TEST(first.body.find("https://") == std::string::npos);
  BOOST_TEST(server.over_unix("GET", "/").head.find(nonce) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(head_is_get_without_the_body) {
  RunningAdmin server;
  const auto got = server.over_unix("GET", "/v1/status");
  const auto head = server.over_unix("HEAD", "/v1/status");
  BOOST_TEST(head.status == 200);
  BOOST_TEST(head.body.empty());
  BOOST_TEST(head.has_field("Content-Length: " + std::to_string(got.body.size())));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(admin_refusals)

BOOST_AUTO_TEST_CASE(a_wrong_method_is_405_with_allow) {
  RunningAdmin server;
  for (const char* path : {"/", "/healthz", "/v1/status", "/v1/pools/chat/where", "/v1/events"}) {
    for (const char* method : {"POST", "DELETE", "PUT", "PATCH", "OPTIONS"}) {
      const auto answer = server.over_unix(method, path);
      BOOST_TEST(answer.status == 405, method << ' ' << path);
      BOOST_TEST(answer.has_field("Allow: GET, HEAD"));
    }
  }
  for (const char* path : {"/v1/stop", "/v1/close", "/v1/pools/chat/backends/chat-1/drain", "/v1/reload"}) {
    const auto answer = server.over_unix("GET", path);
    BOOST_TEST(answer.status == 405, path);
    BOOST_TEST(answer.has_field("Allow: POST"));
  }
  BOOST_TEST(!server.control.locked([&] { return server.control.is_stopped; }));
}

BOOST_AUTO_TEST_CASE(an_unknown_path_is_404) {
  RunningAdmin server;
  for (const char* path : {"/v2/status", "/v1", "/v1/pools/", "/v1/pools//where?key=a", "/v1/status/", "/v1/pools/a/b",
                           "/v1/pools/chat/backends/chat-1", "/index.html", "//"}) {
    const auto answer = server.over_unix("GET", path);
    BOOST_TEST(answer.status == 404, path);
    BOOST_TEST(answer.body.starts_with("{\"error\":\""), path);
  }
}

const std::vector<std::pair<std::string, std::string>> kBadDrains = {
    {R"({"over":30})", "over must be a duration"},
    {R"({"over":"soon"})", "over must be a duration"},
    {R"({"deadline":null})", "deadline must be a duration"},
    {R"({"soft":"yes"})", "soft must be true or false"},
    {R"({"dry-run":true})", "unknown 'dry-run'"},
    {R"({"action":"stop"})", "action must be"},
    {R"({"action":"pause","over":"1s"})", "action stands alone"},
    {R"(["over"])", "must be a JSON object, not array"},
    {R"({"over":"1s")", "not valid JSON"},
    {R"({} {})", "not valid JSON"},
};

BOOST_AUTO_TEST_CASE(a_bad_drain_body_is_400_and_says_why) {
  RunningAdmin server;
  for (const auto& [body, why] : kBadDrains) {
    const auto answer = server.over_unix("POST", "/v1/pools/chat/backends/chat-1/drain", body);
    BOOST_TEST(answer.status == 400, body);
    BOOST_TEST(parse_error(answer.body).find(why) != std::string::npos, body << " gave " << answer.body);
  }
  BOOST_TEST(server.control.locked([&] { return server.control.drained; }) == "");
}

BOOST_AUTO_TEST_CASE(a_bad_filter_is_400_and_closes_nothing) {
  RunningAdmin server;
  for (const char* query : {"pol=chat", "min_age=old", "limit=0", "limit=-1", "limit=1x", "protocol=gopher",
                            "key=a&key=b", "limit=99999999999999999999999"}) {
    BOOST_TEST(server.over_unix("GET", std::string("/v1/sessions?") + query).status == 400, query);
  }
  server.control.locked([&] {
    server.control.filter_given.pool = "untouched";
    return 0;
  });
  for (const char* body : {R"({"pol":"chat"})", R"({"key":7})", R"({"min_age":"old"})", R"({"limit":1})",
                           R"({"pool":""})", R"({"protocol":"gopher"})", "all"}) {
    BOOST_TEST(server.over_unix("POST", "/v1/close", body).status == 400, body);
  }
  BOOST_TEST(server.control.locked([&] { return server.control.filter_given.pool; }) == "untouched");
}

BOOST_AUTO_TEST_CASE(calls_without_members_take_none) {
  RunningAdmin server;
  BOOST_TEST(server.over_unix("POST", "/v1/stop", R"({"now":true})").status == 400);
  BOOST_TEST(server.over_unix("POST", "/v1/pools/chat/backends/chat-1/ready", "[]").status == 400);
  BOOST_TEST(!server.control.locked([&] { return server.control.is_stopped; }));
}

BOOST_AUTO_TEST_CASE(heads_and_bodies_are_bounded) {
  RunningAdmin server;
  const std::string huge(200 * 1024, 'x');
  const auto body = server.over_unix("POST", "/v1/close", huge);
  BOOST_TEST((body.status == 413 || body.status == 0));  // 0: it closed while we were still sending
  const auto head = RunningAdmin::exchange(server.unix_address, "GET", "/healthz", "X: " + huge + "\r\n", "");
  BOOST_TEST(head.status != 200);
  BOOST_TEST(server.over_unix("GET", "/healthz").status == 200);
}

// What a browser may send across sites is a POST with any text as body: it must never be taken for a request.
BOOST_AUTO_TEST_CASE(bytes_after_a_refused_request_are_no_request) {
  RunningAdmin server;
  const std::string smuggled =
      "POST /v1/stop HTTP/1.1\r\nHost: " + server.tcp_address + "\r\n" + kJson + "Content-Length: 2\r\n\r\n{}";
  const std::string host = "Host: " + server.tcp_address + "\r\n";
  const std::string starts[] = {
      "POST /v1/stop HTTP/1.1\r\n" + host + "Content-Type: text/plain\r\nContent-Length: 0\r\n\r\n",
      "POST /v1/stop HTTP/1.1\r\n" + host + "Content-Type: text/plain\r\nContent-Length: 9000000\r\n\r\n",
      "POST /v1/stop HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
      "GET /v1/status HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\n",
      "BREW /v1/stop HTTP/1.1\r\n" + host + "\r\n",
      "POST /v1/stop HTTP/1.1\r\nno colon\r\n\r\n",
  };
  for (const auto& start : starts) {
    RawClient client(server.tcp_address);
    client.sends(start + smuggled + smuggled);
    client.receives_all();
    server.loop.run([] {});
    BOOST_TEST(!server.control.locked([&] { return server.control.is_stopped; }), start);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::admin
