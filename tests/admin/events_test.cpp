// SPDX-License-Identifier: Apache-2.0
// Event streams, answers that come late or to nobody, and the bound on connections.
#include "proxy/admin/events.h"

#include "tests/admin/fixture.h"

namespace limpet::admin {

BOOST_AUTO_TEST_SUITE(admin_streams)

BOOST_AUTO_TEST_CASE(events_send_the_status_at_once_and_each_second) {
  RunningAdmin server;
  RawClient client(server.unix_address);
  client.sends("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
  BOOST_TEST(client.receives("event: status\ndata: {\"version\":\"9.8.7\""));
  BOOST_TEST(client.received().find("Content-Type: text/event-stream") != std::string::npos);
  server.control.locked([&] { return server.control.now.version = "next"; });
  BOOST_TEST(client.receives("event: status\ndata: {\"version\":\"next\""));
}

BOOST_AUTO_TEST_CASE(publish_sends_a_status_now) {
  RunningAdmin server;
  server.loop.run([&] { server.admin->publish(); });
  BOOST_TEST(server.control.locked([&] { return server.control.status_calls; }) == 0);
  RawClient client(server.unix_address);
  client.sends("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
  BOOST_TEST(client.receives("9.8.7"));
  server.control.locked([&] { return server.control.now.version = "published"; });
  server.loop.run([&] { server.admin->publish(); });
  BOOST_TEST(client.receives("published"));
}

BOOST_AUTO_TEST_CASE(nobody_is_asked_once_the_last_listener_has_vanished) {
  RunningAdmin server;
  for (int i = 0; i < 20; ++i) {
    RawClient client(server.tcp_address);
    client.sends("GET /v1/events HTTP/1.1\r\nHost: " + server.tcp_address + "\r\n\r\n");
    BOOST_TEST(client.receives("9.8.7"));
  }
  // The loop sees the last one go; from then on publishing asks nobody.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  int before = 0;
  int after = -1;
  while (before != after && std::chrono::steady_clock::now() < deadline) {
    before = server.control.locked([&] { return server.control.status_calls; });
    server.loop.run([&] { server.admin->publish(); });
    after = server.control.locked([&] { return server.control.status_calls; });
  }
  BOOST_TEST(before == after);
}

BOOST_AUTO_TEST_CASE(an_admin_that_goes_closes_its_streams) {
  auto server = std::make_unique<RunningAdmin>();
  RawClient client(server->unix_address);
  client.sends("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
  BOOST_TEST(client.receives("9.8.7"));
  server.reset();
  client.receives_all();  // which ends
}

BOOST_AUTO_TEST_CASE(an_answer_that_comes_after_its_client_or_the_admin_has_gone_is_dropped) {
  RunningAdmin server;
  server.control.locked([&] { return server.control.holds_answers = true; });
  const auto ask = [&] {
    auto client = std::make_unique<RawClient>(server.unix_address);
    client->sends("GET /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!server.control.locked([&] { return static_cast<bool>(server.control.held); })) {
      BOOST_REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::yield();
    }
    return client;
  };
  ask();
  server.loop.run([&] { std::exchange(server.control.held, nullptr)({example_session()}); });
  BOOST_TEST(server.over_unix("GET", "/healthz").status == 200);

  const auto client = ask();
  server.loop.run([&] {
    server.admin.reset();
    std::exchange(server.control.held, nullptr)({example_session()});
  });
  BOOST_TEST(client->receives_all() == "");
}

BOOST_AUTO_TEST_CASE(late_answers_arrive) {
  RunningAdmin server;
  server.control.locked([&] { return server.control.holds_answers = true; });
  RawClient client(server.unix_address);
  client.sends("GET /v1/sessions HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  bool answered = false;
  while (!answered && std::chrono::steady_clock::now() < deadline) {
    server.loop.run([&] {
      if (!server.control.held) return;
      std::exchange(server.control.held, nullptr)({example_session()});
      answered = true;
    });
  }
  BOOST_TEST(answer_from(client.receives_all()).status == 200);
}

BOOST_AUTO_TEST_CASE(connections_are_bounded_and_room_is_used_again) {
  RunningAdmin server;
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 105; ++i) idle.push_back(std::make_unique<RawClient>(server.tcp_address));
  BOOST_TEST(server.over_unix("GET", "/healthz").status == 200);  // the operator is not locked out
  RawClient waiting(server.tcp_address);
  waiting.sends("GET /healthz HTTP/1.1\r\n\r\n");
  for (int round = 0; round < 10; ++round) server.loop.run([] {});
  BOOST_TEST(!waiting.has_news());
  idle.clear();
  BOOST_TEST(answer_from(waiting.receives_all()).status == 200);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::admin
