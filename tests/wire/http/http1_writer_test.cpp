// SPDX-License-Identifier: Apache-2.0
// What is written is byte for byte what RFC 9112 lays out, and what must not be forwarded is known by its name.
#include "proxy/wire/http/http1_writer.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

namespace limpet::wire {

namespace {

// True if a field of that name goes on.
bool passes(Fields fields, std::string_view name) {
  fields.add(name, "x");
  std::string out;
  append_forwarded_fields(out, fields, {});
  return out.find(std::string(name) + ": x\r\n") != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(http1_writer)

BOOST_AUTO_TEST_CASE(a_message_is_laid_out_line_by_line) {
  std::string out = "x";
  append_request_start(out, "GET", "/a?b", "a");
  append_field(out, "Empty", "");
  append_end(out);
  BOOST_TEST(out == "xGET /a?b HTTP/1.1\r\nHost: a\r\nEmpty: \r\n\r\n");
  out.clear();
  append_status_line(out, 503, "Service Unavailable");
  append_status_line(out, 299, "");
  BOOST_TEST(out == "HTTP/1.1 503 Service Unavailable\r\nHTTP/1.1 299 \r\n");
}

BOOST_AUTO_TEST_CASE(fields_of_one_connection_are_known_in_any_case) {
  for (const auto* name : {"Connection", "Proxy-Connection", "Keep-Alive", "TE", "Transfer-Encoding", "Upgrade",
                           "HTTP2-Settings", "connection", "te", "UPGRADE"}) {
    BOOST_TEST_CONTEXT(name) BOOST_TEST(!passes({}, name));
  }
  for (const auto* name : {"Trailer", "Content-Length", "Host", "Te2", "", "Connection2", "Expect"}) {
    BOOST_TEST_CONTEXT(name) BOOST_TEST(passes({}, name));
  }
}

BOOST_AUTO_TEST_CASE(connection_nominates_fields_but_never_protected_ones) {
  const std::vector<std::string> protected_names = {"Host",
                                                    "Content-Length",
                                                    "Content-Type",
                                                    "Authorization",
                                                    "Cookie",
                                                    "Set-Cookie",
                                                    "Forwarded",
                                                    "X-Forwarded-For",
                                                    "X-Forwarded-Proto",
                                                    "X-Forwarded-Host",
                                                    "Sec-WebSocket-Key",
                                                    "sec-websocket-version"};
  Fields fields;
  fields.add("connection", "close, X-Trace");
  fields.add("Connection", "x-other");
  for (const auto& name : protected_names) fields.add("Connection", name);
  BOOST_TEST(!passes(fields, "x-trace"));
  BOOST_TEST(!passes(fields, "X-Other"));
  BOOST_TEST(passes(fields, "X-Third"));
  for (const auto& name : protected_names) BOOST_TEST_CONTEXT(name) BOOST_TEST(passes(fields, name));
  BOOST_TEST(passes({}, "X-Trace"));
}

BOOST_AUTO_TEST_CASE(names_that_cgi_takes_for_those_left_out_are_left_out_too) {
  Fields fields;
  for (const auto* name :
       {"X_Forwarded_For", "x-forwarded_host", "Transfer_Encoding", "X_Trace", "_", "Sec_WebSocket_Key"}) {
    fields.add(name, "a");
  }
  std::string out;
  append_forwarded_fields(out, fields, {FieldName::XForwardedFor, FieldName::XForwardedHost});
  BOOST_TEST(out == "X_Trace: a\r\n_: a\r\nSec_WebSocket_Key: a\r\n");
  out.clear();
  append_forwarded_fields(out, fields, {});
  BOOST_TEST(out == "X_Forwarded_For: a\r\nx-forwarded_host: a\r\nX_Trace: a\r\n_: a\r\nSec_WebSocket_Key: a\r\n");
}

BOOST_AUTO_TEST_CASE(statuses_have_their_reasons) {
  BOOST_TEST(reason_phrase(101) == "Switching Protocols");
  BOOST_TEST(reason_phrase(431) == "Request Header Fields Too Large");
  BOOST_TEST(reason_phrase(599) == "");
  for (const unsigned status : {200, 400, 403, 404, 408, 413, 417, 426, 429, 431, 500, 501, 502, 503, 504, 505}) {
    BOOST_TEST_CONTEXT(status) BOOST_TEST(reason_phrase(status) != "");
  }
}

BOOST_AUTO_TEST_CASE(chunk_heads_are_hexadecimal) {
  char to[20];
  const auto head = [&](std::size_t size) { return std::string(to, write_chunk_head(to, size)); };
  BOOST_TEST(head(500) == "1f4\r\n");
  BOOST_TEST(head(1) == "1\r\n");
  BOOST_TEST(head(static_cast<std::size_t>(-1)) == "ffffffffffffffff\r\n");
}

BOOST_AUTO_TEST_CASE(the_last_chunk_carries_trailers_but_nothing_that_must_not_be_one) {
  Fields trailers;
  trailers.add("X-Sum", "1");
  for (const auto* name : {"Transfer-Encoding", "content-length", "Host", "Trailer", "Connection", "Content-Encoding",
                           "Content-Type", "Content-Range", "Authorization", "Cookie", "Set-Cookie", "X-Forwarded-For",
                           "X_Forwarded_For", "content_type"}) {
    trailers.add(name, "x");
  }
  trailers.add("Server-Timing", "a");
  std::string out;
  append_last_chunk(out, trailers);
  BOOST_TEST(out == "0\r\nX-Sum: 1\r\nServer-Timing: a\r\n\r\n");
  out.clear();
  append_last_chunk(out, {});
  BOOST_TEST(out == kLastChunk);
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back) {
  std::string out;
  append_status_line(out, 200, reason_phrase(200));
  append_field(out, "Transfer-Encoding", "chunked");
  append_end(out);
  const auto head_size = out.size();
  char to[20];
  out.append(to, write_chunk_head(to, 26)).append("abcdefghijklmnopqrstuvwxyz").append(kChunkEnd).append(kLastChunk);
  ResponseHead head;
  const auto result = parse_response_head(out, {}, "GET", head);
  BOOST_TEST(result.consumed == head_size);
  BodyDecoder decoder(head.framing, head.length);
  std::size_t consumed = 0;
  std::vector<std::string_view> pieces;
  BOOST_TEST((decoder.decode(std::string_view(out).substr(head_size), consumed, pieces) == Status::Done));
  BOOST_REQUIRE(pieces.size() == 1U);
  BOOST_TEST(pieces[0] == "abcdefghijklmnopqrstuvwxyz");
  BOOST_TEST(head_size + consumed == out.size());
}

BOOST_AUTO_TEST_CASE(what_is_forwarded_keeps_its_order_and_leaves_out_what_concerns_one_connection) {
  Fields fields;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"Host", "a"}, {"Accept", "x"}, {"X-One", "1"}, {"Keep-Alive", "5"}, {"x-two", "2"}, {"te", "trailers"}}) {
    fields.add(name, value);
  }
  std::string out = "before ";
  append_forwarded_fields(out, fields, {FieldName::Host});
  BOOST_TEST(out == "before Accept: x\r\nX-One: 1\r\nx-two: 2\r\n");

  fields.add("Connection", "keep-alive, X-One");
  fields.add("connection", "cookie");
  fields.add("Cookie", "k=v");
  out.clear();
  append_forwarded_fields(out, fields, {});
  BOOST_TEST(out == "Host: a\r\nAccept: x\r\nx-two: 2\r\nCookie: k=v\r\n");

  out.clear();
  append_forwarded_fields(out, Fields(), {});
  BOOST_TEST(out.empty());
}

BOOST_AUTO_TEST_CASE(lines_as_they_came_and_lines_that_are_laid_out_anew_keep_their_order) {
  const auto forwarded = [](std::string_view lines) {
    RequestHead head;
    const std::string text = "GET / HTTP/1.1\r\n" + std::string(lines) + "\r\n";
    BOOST_TEST_REQUIRE((parse_request_head(text, {}, head).status == Status::Done));
    std::string out;
    append_forwarded_fields(out, head.fields, {});
    return out;
  };
  BOOST_TEST(forwarded("Host: x\r\nA: 1\r\nB:2\r\nC:  3 \r\nD: 4\r\nE:\r\nF: \r\nG:\t7\r\nH: 8\t\r\nI: 9\r\n") ==
             "Host: x\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: \r\nF: \r\nG: 7\r\nH: 8\r\nI: 9\r\n");
  BOOST_TEST(forwarded("Host:x\r\nKeep-Alive: 1\r\nA: 1\r\nTE:x\r\nB: 2\r\n") == "Host: x\r\nA: 1\r\nB: 2\r\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limpet::wire
