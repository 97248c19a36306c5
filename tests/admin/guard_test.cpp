// SPDX-License-Identifier: Apache-2.0
// Who may call the admin API over TCP: Content-Type, Host, Origin and token, by raw requests.
#include "proxy/admin/guard.h"

#include "tests/admin/fixture.h"

namespace limpet::admin {

namespace {

const std::string kJson = "Content-Type: application/json\r\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(admin_over_tcp)

BOOST_AUTO_TEST_CASE(a_post_needs_json_content_type) {
  RunningAdmin server;
  BOOST_TEST(server.over_tcp("POST", "/v1/stop").status == 415);
  BOOST_TEST(server.over_tcp("POST", "/v1/stop", "Content-Type: text/plain\r\n").status == 415);
  BOOST_TEST(server.over_tcp("POST", "/v1/stop", kJson + kJson).status == 415);
  BOOST_TEST(!server.control.locked([&] { return server.control.is_stopped; }));
  BOOST_TEST(server.over_tcp("POST", "/v1/stop", "Content-Type: Application/JSON ; charset=utf-8\r\n").status == 202);
}

BOOST_AUTO_TEST_CASE(a_foreign_host_is_403_but_for_the_probes) {
  RunningAdmin server;
  const std::string port = server.tcp_address.substr(server.tcp_address.rfind(':'));
  for (const std::string& host :
       {"evil.example" + port, std::string("127.0.0.1"), std::string("127.0.0.1:1"), "localhost.evil.example" + port,
        "127.0.0.2" + port, "user@localhost" + port, "localhost" + port + "\r\nHost: localhost" + port}) {
    BOOST_TEST(server.over_tcp("GET", "/v1/status", "Host: " + host + "\r\n").status == 403, host);
    BOOST_TEST(server.over_tcp("POST", "/v1/stop", "Host: " + host + "\r\n" + kJson).status == 403, host);
    BOOST_TEST(server.over_tcp("GET", "/healthz", "Host: " + host + "\r\n").status == 200, host);
  }
  BOOST_TEST(server.over_tcp("GET", "/v1/status", "Host: localhost" + port + "\r\n").status == 200);
  BOOST_TEST(server.over_tcp("GET", "/v1/status", "Host: LOCALHOST" + port + "\r\n").status == 200);
  BOOST_TEST(!server.control.locked([&] { return server.control.is_stopped; }));
}

BOOST_AUTO_TEST_CASE(a_foreign_origin_is_403) {
  RunningAdmin server;
  const std::string port = server.tcp_address.substr(server.tcp_address.rfind(':'));
  const std::string own = "Origin: http://" + server.tcp_address + "\r\n";
  for (const std::string& origin : {std::string("null"), std::string("http://evil.example"), "https://localhost" + port,
                                    std::string("http://localhost"), "http://localhost" + port + ".evil.example"}) {
    BOOST_TEST(server.over_tcp("POST", "/v1/stop", kJson + "Origin: " + origin + "\r\n").status == 403, origin);
  }
  BOOST_TEST(server.over_tcp("POST", "/v1/stop", kJson + own + own).status == 403);
  BOOST_TEST(!server.control.locked([&] { return server.control.is_stopped; }));
  BOOST_TEST(server.over_tcp("POST", "/v1/stop", kJson + own).status == 202);
}

BOOST_AUTO_TEST_CASE(the_token_guards_all_but_the_probes) {
  RunningAdmin server("s3cret");
  for (const char* path : {"/v1/status", "/metrics", "/v1/events", "/", "/nothing"}) {
    for (const char* field :
         {"", "Authorization: Bearer wrong\r\n", "Authorization: Bearer s3cret2\r\n", "Authorization: Basic s3cret\r\n",
          "Authorization: Bearer \r\n", "Authorization: Bearer s3cret\r\nAuthorization: Bearer s3cret\r\n"}) {
      const auto answer = server.over_tcp("GET", path, field);
      BOOST_TEST(answer.status == 401, path << ' ' << field);
      BOOST_TEST(answer.has_field("WWW-Authenticate: Bearer realm=\"limpet\""));
    }
  }
  BOOST_TEST(server.over_tcp("POST", "/v1/stop", kJson).status == 401);
  BOOST_TEST(server.over_tcp("GET", "/healthz").status == 200);
  BOOST_TEST(server.over_tcp("GET", "/readyz").status == 200);
  BOOST_TEST(server.over_tcp("GET", "/metrics", "Authorization: Bearer s3cret\r\n").status == 200);
  BOOST_TEST(server.over_tcp("GET", "/nothing", "authorization: bearer s3cret\r\n").status == 404);
  BOOST_TEST(server.over_unix("GET", "/v1/status").status == 200);  // its file's mode guards it
}

BOOST_AUTO_TEST_CASE(the_refused_dashboard_is_the_page_that_asks_for_the_token) {
  RunningAdmin server("s3cret");
  const auto answer = server.over_tcp("GET", "/");
  BOOST_TEST(answer.status == 401);
  BOOST_TEST(answer.has_field("Content-Type: text/html; charset=utf-8"));
  BOOST_TEST(answer.body.find("id=\"token\"") != std::string::npos);
  BOOST_TEST(answer.body.find("9.8.7") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(public_metrics_need_no_token_but_a_host) {
  RunningAdmin server("s3cret", true);
  BOOST_TEST(server.over_tcp("GET", "/metrics").status == 200);
  BOOST_TEST(server.over_tcp("GET", "/metrics", "Host: evil.example\r\n").status == 403);
  BOOST_TEST(server.over_tcp("GET", "/v1/status").status == 401);
}

BOOST_AUTO_TEST_CASE(the_configured_name_and_the_address_reached_are_hosts_of_ours) {
  const AdminGuard guard("Admin.internal:9901", 9901, "", false);
  Caller caller;
  caller.path = "/v1/status";
  caller.local_ip = *net::IpAddress::parse("fd00::5");
  for (const char* host : {"admin.internal:9901", "ADMIN.INTERNAL:9901", "[fd00::5]:9901", "localhost:9901"}) {
    caller.host = host;
    BOOST_TEST(!guard.check(caller), host);
  }
  for (const char* host : {"admin.internal", "[fd00::6]:9901", "10.0.0.1:9901", ":9901", "", "[fd00::5]"}) {
    caller.host = host;
    BOOST_TEST(guard.check(caller).has_value(), host);
  }
  caller.host = std::nullopt;
  BOOST_TEST(guard.check(caller).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::admin
