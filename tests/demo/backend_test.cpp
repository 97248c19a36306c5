// SPDX-License-Identifier: Apache-2.0
// The backends of `limpet demo` over real loopback sockets: plain answers, WebSocket echo, event stream, long poll, and
// what hostile or slow input gets.
#include "proxy/demo/backend.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "proxy/base/fd.h"
#include "proxy/demo/page.h"

namespace {

using limpet::demo::DemoBackend;

constexpr std::string_view kHandshake =
    "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const timeval patience{10, 0};
    ::setsockopt(socket_.value(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    BOOST_REQUIRE_EQUAL(::connect(socket_.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  void sends(std::string_view bytes) {
    BOOST_REQUIRE_EQUAL(::send(socket_.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL), bytes.size());
  }

  void sends_byte_by_byte(std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      sends(bytes.substr(i, 1));
      ::usleep(200);
    }
  }

  // Everything up to and with `end`, which must come.
  std::string receives_up_to(std::string_view end) {
    std::size_t at;
    while ((at = unread_.find(end)) == std::string::npos) {
      char bytes[4096];
      const ssize_t size = ::recv(socket_.value(), bytes, sizeof bytes, 0);
      BOOST_REQUIRE_MESSAGE(size > 0, "'" << end << "' did not come, only '" << unread_ << "'");
      unread_.append(bytes, static_cast<std::size_t>(size));
    }
    std::string taken = unread_.substr(0, at + end.size());
    unread_.erase(0, taken.size());
    return taken;
  }

  // Everything up to the FIN, which must come.
  std::string receives_rest() {
    char bytes[4096];
    ssize_t size;
    while ((size = ::recv(socket_.value(), bytes, sizeof bytes, 0)) > 0) {
      unread_.append(bytes, static_cast<std::size_t>(size));
    }
    BOOST_REQUIRE_EQUAL(size, 0);
    return std::move(unread_);
  }

  void opens_websocket() {
    sends(kHandshake);
    receives_up_to("{\"backend\":\"demo-9\",\"hello\":true}");
  }

 private:
  limpet::Fd socket_;
  std::string unread_;
};

struct Fixture {
  std::unique_ptr<DemoBackend> backend =
      DemoBackend::start({.name = "demo-9", .cookie = "limpet", .page = "<p>the page</p>"}).value();
  Client client{backend->port()};
};

std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

std::string masked_frame(std::uint8_t first, std::string_view payload) {
  std::string frame{static_cast<char>(first)};
  if (payload.size() < 126) {
    frame += static_cast<char>(0x80 | payload.size());
  } else {
    frame += static_cast<char>(0x80 | 127);
    for (int shift = 56; shift >= 0; shift -= 8) frame += static_cast<char>((payload.size() >> shift) & 0xFF);
  }
  constexpr std::string_view kMask = "\x11\x22\x33\x44";
  frame += kMask;
  for (std::size_t i = 0; i < payload.size(); ++i) frame += static_cast<char>(payload[i] ^ kMask[i % 4]);
  return frame;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(demo_backend, Fixture)

BOOST_AUTO_TEST_CASE(every_answer_names_its_backend) {
  for (const auto& [path, body] : {std::pair("/", "<p>the page</p>"), std::pair("/healthz", "demo-9 is well\n"),
                                   std::pair("/nowhere", "demo-9 has no such page\n")}) {
    client.sends(get(path));
    const std::string answer = client.receives_up_to(body);
    BOOST_TEST(answer.find("\r\nX-Backend: demo-9\r\n") != std::string::npos);
    BOOST_TEST(answer.find("\r\nContent-Length: " + std::to_string(std::string_view(body).size()) + "\r\n") !=
               std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(requests_on_one_connection_are_answered_in_order_however_they_are_split) {
  client.sends_byte_by_byte(get("/healthz") + get("/nowhere") + get("/"));
  BOOST_TEST(client.receives_up_to("demo-9 is well\n").starts_with("HTTP/1.1 200 "));
  BOOST_TEST(client.receives_up_to("no such page\n").starts_with("HTTP/1.1 404 "));
  BOOST_TEST(client.receives_up_to("<p>the page</p>").starts_with("HTTP/1.1 200 "));
}

BOOST_AUTO_TEST_CASE(head_gets_no_body) {
  client.sends("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answer = client.receives_rest();
  BOOST_TEST(answer.find("Content-Length: 15\r\n") != std::string::npos);
  BOOST_TEST(answer.ends_with("\r\n\r\n"));
}

BOOST_AUTO_TEST_CASE(malformed_and_oversized_heads_are_refused_and_the_connection_ends) {
  client.sends("GET / HTTP/1.1\r\nHost : x\r\n\r\n");
  BOOST_TEST(client.receives_rest().starts_with("HTTP/1.1 400 "));
  Client other(backend->port());
  other.sends("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(20000, 'x'));
  BOOST_TEST(other.receives_rest().starts_with("HTTP/1.1 431 "));
}

BOOST_AUTO_TEST_CASE(a_request_with_a_body_is_refused) {
  client.sends("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
  const std::string answer = client.receives_rest();
  BOOST_TEST(answer.starts_with("HTTP/1.1 405 "), answer);
}

BOOST_AUTO_TEST_CASE(forget_expires_the_cookie) {
  client.sends(get("/forget"));
  const std::string answer = client.receives_up_to("\r\n\r\n");
  BOOST_TEST(answer.starts_with("HTTP/1.1 204 "));
  BOOST_TEST(answer.find("\r\nSet-Cookie: limpet=; Max-Age=0; Path=/\r\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(websocket_accepts_by_the_key_and_ticks) {
  client.sends(kHandshake);
  const std::string answer = client.receives_up_to("\r\n\r\n");
  BOOST_TEST(answer.starts_with("HTTP/1.1 101 "));
  BOOST_TEST(answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != std::string::npos);
  client.receives_up_to("{\"backend\":\"demo-9\",\"hello\":true}");
  client.receives_up_to("{\"backend\":\"demo-9\",\"tick\":1}");
  client.receives_up_to("{\"backend\":\"demo-9\",\"tick\":2}");
}

BOOST_AUTO_TEST_CASE(websocket_echoes_frames_that_come_byte_by_byte_and_behind_the_handshake) {
  client.sends(std::string(kHandshake) + masked_frame(0x81, "early"));
  client.receives_up_to(
      "\x81\x05"
      "early");
  client.sends_byte_by_byte(masked_frame(0x82, "hello"));
  client.receives_up_to("\x82\x05hello");
}

BOOST_AUTO_TEST_CASE(websocket_echoes_fragments_as_fragments_and_pongs_between_them) {
  client.opens_websocket();
  client.sends(masked_frame(0x01, "one") + masked_frame(0x89, "ping") + masked_frame(0x80, "two"));
  BOOST_TEST(client.receives_up_to("\x80\x03two").ends_with("\x01\x03one\x8A\x04ping\x80\x03two"));
}

BOOST_AUTO_TEST_CASE(websocket_does_not_tick_into_a_fragmented_message) {
  client.opens_websocket();
  client.sends(masked_frame(0x01, "one"));
  client.receives_up_to("\x01\x03one");
  ::usleep(2'200'000);
  client.sends(masked_frame(0x80, "two"));
  BOOST_TEST(client.receives_up_to("two") == "\x80\x03two");
}

BOOST_AUTO_TEST_CASE(websocket_answers_a_close_and_ends) {
  client.opens_websocket();
  client.sends(masked_frame(0x88,
                            "\x03\xF4"
                            "bye"));
  BOOST_TEST(client.receives_rest().ends_with("\x88\x02\x03\xF4"));
}

BOOST_AUTO_TEST_CASE(websocket_closes_with_1002_on_an_unmasked_frame) {
  client.opens_websocket();
  client.sends("\x81\x02hi");
  BOOST_TEST(client.receives_rest().ends_with("\x88\x02\x03\xEA"));
}

BOOST_AUTO_TEST_CASE(websocket_closes_with_1009_on_a_frame_beyond_its_bound) {
  client.opens_websocket();
  client.sends(masked_frame(0x82, std::string(70000, 'x')));
  BOOST_TEST(client.receives_rest().find("\x88\x10\x03\xF1"
                                         "at most 64 KiB") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(websocket_of_another_version_gets_426) {
  std::string request(kHandshake);
  request.replace(request.find("Version: 13"), 11, "Version: 8");
  client.sends(request);
  const std::string answer = client.receives_rest();
  BOOST_TEST(answer.starts_with("HTTP/1.1 426 "));
  BOOST_TEST(answer.find("Sec-WebSocket-Version: 13\r\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(events_go_on_after_the_last_id_that_was_seen) {
  client.sends("GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 41\r\n\r\n");
  BOOST_TEST(client.receives_up_to("\r\n\r\n").find("Content-Type: text/event-stream\r\n") != std::string::npos);
  BOOST_TEST(client.receives_up_to("\n\n\r\n") == "2a\r\nid: 42\ndata: {\"backend\":\"demo-9\",\"n\":42}\n\n\r\n");
  BOOST_TEST(client.receives_up_to("\n\n\r\n").find("id: 43\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_poll_is_answered_within_five_seconds_and_the_connection_goes_on) {
  const auto began = std::chrono::steady_clock::now();
  client.sends(get("/poll") + get("/healthz"));
  BOOST_TEST(client.receives_up_to("}\n").find("{\"backend\":\"demo-9\",\"waited_s\":") != std::string::npos);
  const auto took = std::chrono::steady_clock::now() - began;
  BOOST_TEST((took > std::chrono::milliseconds(900)));
  BOOST_TEST((took < std::chrono::seconds(6)));
  client.receives_up_to("demo-9 is well\n");
}

BOOST_AUTO_TEST_CASE(a_backend_ends_at_once_with_connections_open) {
  client.opens_websocket();
  const auto began = std::chrono::steady_clock::now();
  backend.reset();
  BOOST_TEST((std::chrono::steady_clock::now() - began < std::chrono::seconds(1)));
  client.receives_rest();
}

BOOST_AUTO_TEST_CASE(the_page_escapes_what_it_is_told) {
  const std::string page = limpet::demo::demo_page("demo-9", "http://127.0.0.1:1", "/tmp/a\"<b>&/limpet");
  BOOST_TEST(page.find("<body data-backend=\"demo-9\" data-admin=\"http://127.0.0.1:1\" "
                       "data-command=\"/tmp/a&quot;&lt;b>&amp;/limpet\">") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
