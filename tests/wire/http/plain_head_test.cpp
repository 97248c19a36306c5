// SPDX-License-Identifier: Apache-2.0
// Which heads are plain, and that they mean what the guards and Beast make of them: a field that is not plain, added to
// a head, leaves all of it to those.
#include "proxy/wire/http/plain_head.h"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "tests/wire/http/not_plain.h"

using namespace std::string_view_literals;

namespace limpet::wire {

namespace {

template <typename Head>
std::size_t take(std::string_view text, HeadLimits limits = {}) {
  Head head;
  FieldSummary summary;
  return take_plain_head(text, limits, head, summary);
}

HeadResult parse(std::string_view text, RequestHead& head) {
  return parse_request_head(text, {}, head);
}
HeadResult parse(std::string_view text, ResponseHead& head) {
  return parse_response_head(text, {}, "GET", head);
}

// What is said of a whole head, and of the same with a field that is not plain.
template <typename Head>
void compare(const std::string& text) {
  Head head, by_beast;
  const auto result = parse(text, head);
  const auto longer = not_plain(text);
  const auto beast = parse(longer, by_beast);
  BOOST_TEST_REQUIRE((result.status == beast.status), text << result.why << " / " << beast.why);
  BOOST_TEST_REQUIRE(result.http_status == beast.http_status, text);
  if (result.status != Status::Done) return;
  BOOST_TEST_REQUIRE(beast.consumed - result.consumed == longer.size() - text.size(), text);
  BOOST_TEST_REQUIRE(says_the_same(head, by_beast), text);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(plain_head)

BOOST_AUTO_TEST_CASE(heads_as_they_are_written_are_plain) {
  for (const auto text : {"GET / HTTP/1.1\r\n\r\n"sv, "GET /a?b HTTP/1.1\r\nHost: a:80\r\nX-A: b\tc:d\r\n\r\n"sv,
                          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 123456789012345678\r\n\r\n"sv,
                          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
                          "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"sv,
                          "GET / HTTP/1.1\r\nHost: a\r\nconnection: Keep-Alive\r\nname: \xc3\xa9\r\n\r\n"sv}) {
    BOOST_TEST(take<RequestHead>(text) == text.size(), text);
    BOOST_TEST(take<RequestHead>(std::string(text) + "GET") == text.size(), text);
    BOOST_TEST(take<RequestHead>(std::string(text) + "\x01") == text.size(), text);
    for (std::size_t size = 0; size < text.size(); ++size) {
      BOOST_TEST(take<RequestHead>(text.substr(0, size)) == 0U, text.substr(0, size));
    }
  }
  for (const auto text : {"HTTP/1.1 200 OK\r\n\r\n"sv, "HTTP/1.1 999 \r\nA: b\r\n\r\n"sv,
                          "HTTP/1.1 404 Not Found here\r\nContent-Length: 0\r\n\r\n"sv}) {
    BOOST_TEST(take<ResponseHead>(text) == text.size(), text);
    for (std::size_t size = 0; size < text.size(); ++size) {
      BOOST_TEST(take<ResponseHead>(text.substr(0, size)) == 0U, text.substr(0, size));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_must_be_interpreted_is_not) {
  for (const std::string line : {": b",
                                 "A:b",
                                 "A:  b",
                                 "A:\tb",
                                 "A: b ",
                                 "A: b\t",
                                 "A: ",
                                 "A:",
                                 "A",
                                 "A : b",
                                 "A b: c",
                                 " A: b",
                                 "\tA: b",
                                 "\xe9: b",
                                 "A: b\x01",
                                 "A: b\x7f",
                                 "Connection: close, x",
                                 "Connection: x",
                                 "Proxy-Connection: close",
                                 "Content-Length: 1234567890123456789",
                                 "Content-Length: 1a",
                                 "Content-Length: +1",
                                 "Content-Length: 1, 1",
                                 "Content-Length: 1\r\nContent-Length: 1",
                                 "Content-Length: 1\r\nTransfer-Encoding: chunked",
                                 "Transfer-Encoding: chunked\r\nContent-Length: 1",
                                 "Transfer-Encoding: Chunked",
                                 "Transfer-Encoding: gzip",
                                 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                                 "A: b\nB: c",
                                 "A: b\rB: c",
                                 "A: b\r\n c"}) {
    const auto fields = line + "\r\nHost: a\r\n\r\n";
    BOOST_TEST(take<RequestHead>("GET / HTTP/1.1\r\n" + fields) == 0U, line);
    BOOST_TEST(take<ResponseHead>("HTTP/1.1 200 OK\r\n" + fields) == 0U, line);
  }
  for (const std::string start :
       {"", " / HTTP/1.1", "G\x01T / HTTP/1.1", "G(T / HTTP/1.1", "GET  HTTP/1.1", "GET HTTP/1.1", "GET /  HTTP/1.1",
        "GET  / HTTP/1.1", "GET / a HTTP/1.1", "GET / HTTP/1.0", "GET / HTTP/1.1 ", "GET / http/1.1", "GET /",
        "GET\t/ HTTP/1.1", "GET /\t HTTP/1.1"}) {
    BOOST_TEST(take<RequestHead>(start + "\r\nHost: a\r\n\r\n") == 0U, start);
  }
  BOOST_TEST(take<RequestHead>(std::string(65, 'A') + " / HTTP/1.1\r\nHost: a\r\n\r\n") == 0U);
  for (const std::string start : {"HTTP/1.1 200", "HTTP/1.0 200 OK", "HTTP/1.1 099 A", "HTTP/1.1 20 OK",
                                  "HTTP/1.1 2000 OK", "HTTP/1.1  200 OK", "HTTP/1.1 2a0 OK", "http/1.1 200 OK"}) {
    BOOST_TEST(take<ResponseHead>(start + "\r\nA: b\r\n\r\n") == 0U, start);
  }
}

BOOST_AUTO_TEST_CASE(what_is_over_a_limit_is_not) {
  const auto text = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n"sv;
  BOOST_TEST(take<RequestHead>(text, {text.size(), 2}) == text.size());
  BOOST_TEST(take<RequestHead>(text, {text.size() - 1, 2}) == 0U);
  BOOST_TEST(take<RequestHead>(text, {text.size(), 1}) == 0U);
  const auto long_head = [](std::size_t value) {
    return "GET / HTTP/1.1\r\nA: " + std::string(value, 'x') + "\r\n\r\n";
  };
  BOOST_TEST(take<RequestHead>(long_head(8000)) == 8023U);
  BOOST_TEST(take<RequestHead>(long_head(9000)) == 0U);
}

BOOST_AUTO_TEST_CASE(a_head_ends_with_its_empty_line) {
  BOOST_TEST(take<RequestHead>("GET / HTTP/1.1\r\n\r\nHost: a\r\n\r\n") == 18U);
  BOOST_TEST(take<ResponseHead>("HTTP/1.1 200 OK\r\n\r\nHost: a\r\n\r\n") == 19U);
}

BOOST_AUTO_TEST_CASE(beast_fills_in_anew_what_was_not_taken) {
  RequestHead head;
  const auto text = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: close\r\nA: b\r\nB:  c\r\n\r\n"sv;
  BOOST_TEST_REQUIRE((parse(text, head).status == Status::Done));
  BOOST_TEST(head.fields.size() == 5U);
  BOOST_TEST(head.fields.count(FieldName::Host) == 1U);
  BOOST_TEST(head.length == 1U);
  BOOST_TEST_REQUIRE((parse("GET / HTTP/1.1\r\nHost: b\r\n\r\n", head).status == Status::Done));
  BOOST_TEST(head.fields.size() == 1U);
  BOOST_TEST(head.authority == "b");
  BOOST_TEST(head.keep_alive);
  BOOST_TEST((head.framing == Framing::None));
}

BOOST_AUTO_TEST_CASE(what_was_not_taken_leaves_no_fields) {
  RequestHead head;
  FieldSummary summary;
  BOOST_TEST(take_plain_head("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n", {}, head, summary) == 0U);
  BOOST_TEST(head.fields.empty());
  BOOST_TEST(!head.fields.has(FieldName::Host));
}

BOOST_AUTO_TEST_CASE(beast_reads_the_same) {
  // Lines that are plain and lines that nearly are, put together and now and then damaged.
  const std::string starts[] = {"GET /a HTTP/1.1",         "POST /b?c HTTP/1.1", "OPTIONS * HTTP/1.1",
                                "GET http://a/b HTTP/1.1", "GET /\t HTTP/1.1",   "GET /# HTTP/1.1",
                                "CONNECT a\tb HTTP/1.1"};
  const std::string answers[] = {"HTTP/1.1 200 OK", "HTTP/1.1 204 No Content", "HTTP/1.1 101 ", "HTTP/1.1 404 a\tb"};
  const std::string lines[] = {"Host: a",
                               "host: b:80",
                               "Connection: close",
                               "Connection: keep-alive",
                               "Connection: Upgrade",
                               "Content-Length: 7",
                               "Content-Length: 000000000000000017",
                               "Transfer-Encoding: chunked",
                               "Expect: 100-continue",
                               "Expect: x",
                               "Upgrade: websocket",
                               "Cookie: a=b; c=d",
                               "X-A: b:c",
                               "X-A: \xe9 x"};
  const std::string_view damage = " \t:\r\n\0x0,;\x7f\xff"sv;
  std::mt19937 random(7);
  int plain = 0;
  for (int round = 0; round < 20'000; ++round) {
    const bool is_request = round % 2 == 0;
    std::string text = is_request ? starts[random() % std::size(starts)] : answers[random() % std::size(answers)];
    text += "\r\n";
    if (is_request && random() % 4 != 0) text += "Host: a\r\n";
    for (auto more = random() % 4; more > 0; --more) text += lines[random() % std::size(lines)] + "\r\n";
    if (random() % 2 == 0) {
      const char byte = damage[random() % damage.size()];
      const auto at = random() % text.size();
      if (random() % 2 == 0) {
        text[at] = byte;
      } else {
        text.insert(at, 1, byte);
      }
    }
    text += "\r\n";
    if (text.find("\r\n\r\n") != text.size() - 4 || text.starts_with("\r\n")) continue;
    if (is_request) {
      compare<RequestHead>(text);
      plain += take<RequestHead>(text) > 0 ? 1 : 0;
    } else {
      compare<ResponseHead>(text);
      plain += take<ResponseHead>(text) > 0 ? 1 : 0;
    }
  }
  BOOST_TEST(plain > 5'000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
