// SPDX-License-Identifier: Apache-2.0
// Heads: what good ones mean, whole and on every split. Refusals are in http1_refusal_test.cpp, bodies in
// http1_body_test.cpp.
#include "proxy/wire/http/http1.h"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace std::string_view_literals;

namespace limpet::wire {

namespace {

HeadResult parse_request(std::string_view input, RequestHead& head) {
  return parse_request_head(input, {}, head);
}

RequestHead request(std::string_view text) {
  RequestHead head;
  for (std::size_t size = 0; size < text.size(); ++size) {
    BOOST_TEST((parse_request(std::string(text.substr(0, size)), head).status == Status::NeedMore));
  }
  const auto result = parse_request(std::string(text) + "GET /next HTTP/1.1\r\n", head);
  BOOST_TEST_CONTEXT(text << result.why) BOOST_REQUIRE((result.status == Status::Done));
  BOOST_TEST(result.consumed == text.size());
  return head;
}

ResponseHead response(std::string_view text, std::string_view method = "GET") {
  ResponseHead head;
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::string beginning(text.substr(0, size));
    BOOST_TEST((parse_response_head(beginning, {}, method, head).status == Status::NeedMore));
  }
  const auto result = parse_response_head(std::string(text) + "\x01\nbody", {}, method, head);
  BOOST_TEST_CONTEXT(text << result.why) BOOST_REQUIRE((result.status == Status::Done));
  BOOST_TEST(result.consumed == text.size());
  return head;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(http1)

BOOST_AUTO_TEST_CASE(a_request_head_is_taken_apart) {
  const auto head =
      request("GET /a/b?c=d?e HTTP/1.1\r\nHost: Example.com:8080\r\nX-A:  b\tc \t\r\nEmpty:\r\nx-a: \xe9\r\n\r\n");
  BOOST_TEST(head.method == "GET");
  BOOST_TEST(head.target == "/a/b?c=d?e");
  BOOST_TEST(head.path() == "/a/b");
  BOOST_TEST(head.query() == "c=d?e");
  BOOST_TEST(head.authority == "Example.com:8080");
  BOOST_TEST(head.http11);
  BOOST_TEST(head.keep_alive);
  BOOST_TEST(!head.expects_continue);
  BOOST_TEST((head.framing == Framing::None));
  BOOST_REQUIRE(head.fields.size() == 4U);
  BOOST_TEST(head.fields[1].name == "X-A");
  BOOST_TEST(head.fields[1].value == "b\tc");
  BOOST_TEST(head.fields[2].value == "");
  BOOST_TEST(head.fields.find("x-A").value_or("none") == "b\tc");
  BOOST_TEST(head.fields[3].value == "\xe9");
  std::size_t found = 0;
  for (std::size_t i = 0; i < head.fields.size(); ++i) found += equals_ignoring_case(head.fields[i].name, "X-a");
  BOOST_TEST(found == 2U);
}

BOOST_AUTO_TEST_CASE(names_are_known_in_a_head_as_they_are_elsewhere) {
  ResponseHead head;
  for (const std::string name : {"Accept",
                                 "Accept-Encoding",
                                 "Authorization",
                                 "Connection",
                                 "Content-Encoding",
                                 "Content-Range",
                                 "Content-Type",
                                 "Cookie",
                                 "Expect",
                                 "Forwarded",
                                 "Host",
                                 "HTTP2-Settings",
                                 "Keep-Alive",
                                 "Origin",
                                 "Prefer",
                                 "Proxy-Authorization",
                                 "Proxy-Connection",
                                 "Sec-WebSocket-Accept",
                                 "Sec-WebSocket-Extensions",
                                 "Sec-WebSocket-Key",
                                 "Sec-WebSocket-Protocol",
                                 "Sec-WebSocket-Version",
                                 "Set-Cookie",
                                 "TE",
                                 "Trailer",
                                 "Upgrade",
                                 "X-Forwarded-For",
                                 "X-Forwarded-Host",
                                 "X-Forwarded-Proto",
                                 "X-Request-Id"}) {
    BOOST_TEST_REQUIRE((field_name(name) != FieldName::Other), name);
    for (const bool lower : {false, true}) {
      std::string sent = name;
      for (char& c : sent) c = lower && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
      const auto text = "HTTP/1.1 200 OK\r\nServer: x\r\n" + sent + ": y\r\n" + sent + "s: y\r\n\r\n";
      BOOST_TEST_REQUIRE((parse_response_head(text, {}, "HEAD", head).status == Status::Done), text);
      BOOST_TEST((head.fields.known(0) == FieldName::Other));
      BOOST_TEST((head.fields.known(1) == field_name(name)), sent);
      BOOST_TEST((head.fields.known(2) == FieldName::Other), sent);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_head_object_can_be_used_again) {
  RequestHead head;
  BOOST_TEST((parse_request("PUT http://a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 7\r\n"
                            "Connection: close\r\n\r\n",
                            head)
                  .status == Status::Done));
  BOOST_TEST((parse_request("GET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", head).status == Status::Done));
  BOOST_TEST(head.method == "GET");
  BOOST_TEST(head.target == "/b");
  BOOST_TEST(head.authority == "");
  BOOST_TEST(!head.http11);
  BOOST_TEST(head.keep_alive);
  BOOST_TEST(!head.expects_continue);
  BOOST_TEST((head.framing == Framing::None));
  BOOST_TEST(head.length == 0U);
  BOOST_TEST(head.fields.size() == 1U);
}

BOOST_AUTO_TEST_CASE(targets_are_reduced_to_origin_form) {
  struct Row {
    std::string_view method, target, host, reduced, authority;
  };
  for (const auto& row : {Row{"GET", "http://a/b?c", "a", "/b?c", "a"}, Row{"GET", "HTTPS://A:8/b", "a:8", "/b", "A:8"},
                          Row{"GET", "http://a", "a", "/", "a"}, Row{"GET", "http://a?b", "a", "/?b", "a"},
                          Row{"OPTIONS", "http://a", "a", "*", "a"}, Row{"OPTIONS", "http://a/", "a", "/", "a"},
                          Row{"OPTIONS", "*", "a", "*", "a"}, Row{"GET", "//b/c", "a", "//b/c", "a"},
                          Row{"GET", "http://[::1]:8/", "[::1]:8", "/", "[::1]:8"},
                          Row{"GET", "/a%00|{}^", "a", "/a%00|{}^", "a"}, Row{"get", "/", "a", "/", "a"}}) {
    const auto head = request(std::string(row.method) + " " + std::string(row.target) +
                              " HTTP/1.1\r\nHost: " + std::string(row.host) + "\r\n\r\n");
    BOOST_TEST(head.method == row.method);
    BOOST_TEST(head.target == row.reduced);
    BOOST_TEST(head.authority == row.authority);
  }
  BOOST_TEST(request("GET http://a/b HTTP/1.0\r\n\r\n").authority == "a");
}

BOOST_AUTO_TEST_CASE(one_empty_line_before_a_request_is_skipped) {
  RequestHead head;
  const auto text = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nrest"sv;
  const auto result = parse_request(text, head);
  BOOST_TEST((result.status == Status::Done));
  BOOST_TEST(result.consumed == text.size() - 4);
  for (const auto part : {""sv, "\r"sv, "\r\n"sv}) BOOST_TEST((parse_request(part, head).status == Status::NeedMore));
}

BOOST_AUTO_TEST_CASE(requests_are_framed_by_length_or_chunks_or_have_no_body) {
  const auto length = request("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 9223372036854775807\r\n\r\n");
  BOOST_TEST((length.framing == Framing::Length));
  BOOST_TEST(length.length == 9223372036854775807U);
  const auto zero = request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  BOOST_TEST((zero.framing == Framing::Length));
  BOOST_TEST(zero.length == 0U);
  const auto chunked = request("POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n");
  BOOST_TEST((chunked.framing == Framing::Chunked));
  BOOST_TEST((request("POST / HTTP/1.1\r\nHost: a\r\n\r\n").framing == Framing::None));
}

BOOST_AUTO_TEST_CASE(connections_are_kept_as_the_version_and_the_peer_say) {
  const auto keeps = [](std::string_view version, std::string_view fields) {
    return request("GET / " + std::string(version) + "\r\nHost: a\r\n" + std::string(fields) + "\r\n").keep_alive;
  };
  BOOST_TEST(keeps("HTTP/1.1", ""));
  BOOST_TEST(!keeps("HTTP/1.1", "Connection: close\r\n"));
  BOOST_TEST(!keeps("HTTP/1.1", "Connection: x\r\nconnection: upgrade, CLOSE\r\n"));
  BOOST_TEST(!keeps("HTTP/1.1", "Connection: keep-alive, close\r\n"));
  BOOST_TEST(!keeps("HTTP/1.0", ""));
  BOOST_TEST(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
  BOOST_TEST(!keeps("HTTP/1.0", "Proxy-Connection: keep-alive\r\n"));
  BOOST_TEST(!keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

BOOST_AUTO_TEST_CASE(an_expectation_of_100_is_seen_in_http11_only) {
  BOOST_TEST(request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n").expects_continue);
  BOOST_TEST(!request("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
}

BOOST_AUTO_TEST_CASE(a_head_may_be_as_large_as_the_limit_and_no_larger) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(500, 'x') + "\r\n\r\n";
  RequestHead out;
  BOOST_TEST((parse_request_head(head, {head.size(), 2}, out).status == Status::Done));
  for (std::size_t size = 0; size <= head.size(); ++size) {
    const auto result = parse_request_head(head.substr(0, size), {head.size() - 1, 2}, out);
    const bool is_over = size >= head.size() - 1;
    BOOST_TEST((result.status == (is_over ? Status::Bad : Status::NeedMore)));
    if (is_over) BOOST_TEST(result.http_status == 431U);
  }
  ResponseHead response;
  const auto result = parse_response_head("HTTP/1.1 200 OK\r\nX: y", {20, 2}, "GET", response);
  BOOST_TEST((result.status == Status::Bad));
  BOOST_TEST(result.http_status == 502U);
}

BOOST_AUTO_TEST_CASE(a_head_far_over_the_usual_8_kib_is_taken_up_to_the_limit) {
  const std::string head =
      "GET /" + std::string(40000, 'p') + " HTTP/1.1\r\nHost: a\r\nX: " + std::string(20000, 'x') + "\r\n\r\n";
  RequestHead out;
  BOOST_TEST((parse_request(head, out).status == Status::Done));
  BOOST_TEST(out.fields.find("x")->size() == 20000U);
}

BOOST_AUTO_TEST_CASE(a_head_may_have_as_many_fields_as_the_limit_and_no_more) {
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 1; i < 256; ++i) head += "A: b\r\n";
  RequestHead out;
  BOOST_TEST((parse_request(head + "\r\n", out).status == Status::Done));
  BOOST_TEST(out.fields.size() == 256U);
  BOOST_TEST((parse_request(head, out).status == Status::NeedMore));
  const auto result = parse_request(head + "A: b\r\n", out);
  BOOST_TEST((result.status == Status::Bad));
  BOOST_TEST(result.http_status == 431U);
}

BOOST_AUTO_TEST_CASE(a_response_head_is_taken_apart) {
  const auto head = response("HTTP/1.1 404 Not  F\xfcnd\r\nContent-Length: 12\r\nServer: x\r\n\r\n");
  BOOST_TEST(head.status == 404U);
  BOOST_TEST(head.reason == "Not  F\xfcnd");
  BOOST_TEST(head.http11);
  BOOST_TEST(head.keep_alive);
  BOOST_TEST((head.framing == Framing::Length));
  BOOST_TEST(head.length == 12U);
  BOOST_TEST(head.fields.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_status_line_needs_no_reason_nor_its_space) {
  for (const auto line : {"HTTP/1.1 204\r\n"sv, "HTTP/1.1 204 \r\n"sv}) {
    const auto head = response(std::string(line) + "X: y\r\n\r\n");
    BOOST_TEST(head.status == 204U);
    BOOST_TEST(head.reason == "");
    BOOST_TEST(head.fields.find("X").value_or("none") == "y");
  }
  BOOST_TEST(response("HTTP/1.0 200\r\n\r\n").status == 200U);
  BOOST_TEST(!response("HTTP/1.0 200\r\n\r\n").http11);
  BOOST_TEST(response("HTTP/1.1 599 Odd\r\n\r\n").status == 599U);
}

BOOST_AUTO_TEST_CASE(method_and_status_decide_whether_a_response_has_a_body) {
  struct Row {
    std::string_view method, status, field;
    Framing framing;
  };
  constexpr std::string_view kLength = "Content-Length: 5\r\n";
  constexpr std::string_view kChunked = "Transfer-Encoding: chunked\r\n";
  for (const auto& row : {Row{"GET", "200", kLength, Framing::Length}, Row{"GET", "200", kChunked, Framing::Chunked},
                          Row{"GET", "200", "", Framing::UntilClose}, Row{"POST", "201", "", Framing::UntilClose},
                          Row{"HEAD", "200", kLength, Framing::None}, Row{"HEAD", "200", kChunked, Framing::None},
                          Row{"HEAD", "404", "", Framing::None}, Row{"GET", "100", "", Framing::None},
                          Row{"GET", "101", "", Framing::None}, Row{"GET", "103", kLength, Framing::None},
                          Row{"GET", "204", kLength, Framing::None}, Row{"GET", "204", "", Framing::None},
                          Row{"GET", "304", kLength, Framing::None}, Row{"GET", "304", kChunked, Framing::None},
                          Row{"GET", "205", "", Framing::UntilClose}, Row{"head", "200", kLength, Framing::Length}}) {
    const auto text = "HTTP/1.1 " + std::string(row.status) + " X\r\n" + std::string(row.field) + "\r\n";
    BOOST_TEST_CONTEXT(row.method << " " << row.status << " " << row.field) {
      const auto head = response(text, row.method);
      BOOST_TEST((head.framing == row.framing));
      BOOST_TEST(head.length == (row.framing == Framing::Length ? 5U : 0U));
      BOOST_TEST(head.keep_alive == (row.framing != Framing::UntilClose));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_response_keeps_the_connection_as_version_and_framing_allow) {
  BOOST_TEST(!response("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n").keep_alive);
  BOOST_TEST(response("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n").keep_alive);
  BOOST_TEST(!response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").keep_alive);
  BOOST_TEST(!response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n").keep_alive);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
