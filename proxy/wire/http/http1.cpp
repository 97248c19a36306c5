// SPDX-License-Identifier: Apache-2.0
// HTTP/1.x heads by Boost.Beast's basic_parser (1.74), which no other file includes. Beast gets a head only when it is
// not plain (plain_head.h), is whole and has passed scan_head; so it never waits, and everything but success is an
// error. Its limits are lifted: ours hold. It sees no body (http1_body.cpp).
#include "proxy/wire/http/http1.h"

#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <limits>

#include "proxy/wire/grammar.h"
#include "proxy/wire/http/head_guards.h"
#include "proxy/wire/http/plain_head.h"

namespace limpet::wire {

namespace {

namespace http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using BeastView = boost::beast::string_view;

std::string_view view(BeastView text) {
  return {text.data(), text.size()};
}

// field_name(name), looked up by Beast's own number for the name where that has one.
FieldName known_name(http::field field, std::string_view name) {
  static const auto kNames = [] {
    std::array<FieldName, static_cast<std::size_t>(http::field::xref) + 1> names{};
    for (std::size_t i = 1; i < names.size(); ++i) {
      names[i] = field_name(view(http::to_string(static_cast<http::field>(i))));
    }
    return names;
  }();
  const auto i = static_cast<std::size_t>(field);
  return field == http::field::unknown || i >= kNames.size() ? field_name(name) : kNames[i];
}

// Fills a RequestHead or a ResponseHead with what is on the lines, and sums the fields up. Of a body it sees nothing.
template <bool kIsRequest, typename Head>
class HeadParser final : public http::basic_parser<kIsRequest> {
 public:
  // `lines`: those of the fields, within the bytes that will be put.
  HeadParser(Head& head, FieldSummary& summary, std::string_view lines)
      : head_(head), summary_(summary), lines_(lines) {
    this->header_limit(std::numeric_limits<std::uint32_t>::max());
    this->body_limit(std::numeric_limits<std::uint64_t>::max());  // a Content-Length over it would be refused
  }

 private:
  void on_request_impl(http::verb, BeastView method, BeastView target, int version, ErrorCode&) override {
    if constexpr (kIsRequest) {
      head_.method = view(method);
      head_.target = view(target);
      head_.http11 = version == 11;
    }
  }

  void on_response_impl(int status, BeastView reason, int version, ErrorCode&) override {
    if constexpr (!kIsRequest) {
      head_.status = static_cast<unsigned>(status);
      head_.reason = view(reason);
      head_.http11 = version == 11;
    }
  }

  void on_field_impl(http::field field, BeastView name, BeastView value, ErrorCode&) override {
    const auto known = known_name(field, view(name));
    head_.fields.add_line(lines_, known, view(name), view(value));
    summary_.add(known, view(value));
  }

  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(BeastView body, ErrorCode&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, ErrorCode&) override { return body.size(); }
  void on_finish_impl(ErrorCode&) override {}

  Head& head_;
  FieldSummary& summary_;
  const std::string_view lines_;
};

boost::asio::const_buffer buffer(std::string_view text) {
  return {text.data(), text.size()};
}

HeadResult bad(Refusal refusal) {
  return {Status::Bad, 0, refusal.http_status, refusal.why};
}

HeadResult bad_response(const char* why) {
  return bad({502, why});
}

// RFC 9112 §9.3.
bool keeps_alive(const FieldSummary& fields, bool http11) {
  return !fields.says_close && (http11 || fields.says_keep_alive);
}

// Gives `fields` a copy of the lines that are fields, and returns those lines within `input`.
std::string_view take_lines(Fields& fields, std::string_view input, const HeadScan& scan) {
  const auto begin = scan.start_line.size() + 2;
  const auto lines = input.substr(begin, scan.size - 2 - begin);
  fields.copy_lines(lines, scan.fields);
  return lines;
}

// Parses a head that is whole and has passed the guards.
Refusal parse(std::string_view input, const HeadScan& scan, RequestHead& out, FieldSummary& summary) {
  HeadParser<true, RequestHead> parser(out, summary, take_lines(out.fields, input, scan));
  ErrorCode error;
  parser.put(buffer(input.substr(0, scan.size)), error);
  if (error == http::error::bad_version && has_foreign_version(scan.start_line)) return {505, "unknown version"};
  if (error || !parser.is_header_done()) return {400, "malformed head"};
  return {};
}

Refusal parse(std::string_view input, const HeadScan& scan, ResponseHead& out, FieldSummary& summary) {
  HeadParser<false, ResponseHead> parser(out, summary, take_lines(out.fields, input, scan));
  ErrorCode error;
  auto rest = input.substr(0, scan.size);
  if (constexpr std::string_view kBare = "HTTP/1.1 200"; scan.start_line.size() == kBare.size()) {
    // A status line without a reason often lacks the space after the status as well, which Beast demands: it is given a
    // copy of the line with the space.
    const auto line = std::string(scan.start_line) + " \r\n";
    parser.put(buffer(line), error);
    if (error != http::error::need_more) return {502, "malformed status line"};
    rest.remove_prefix(scan.start_line.size() + 2);
  }
  parser.put(buffer(rest), error);
  if (error || !parser.is_header_done()) return {502, "malformed head"};
  return {};
}

constexpr HeadKind kind_of(const RequestHead&) {
  return HeadKind::Request;
}
constexpr HeadKind kind_of(const ResponseHead&) {
  return HeadKind::Response;
}

// Fills in what is on the lines of the head that `input` begins with, and sums its fields up.
template <typename Head>
HeadResult read_lines(std::string_view input, const HeadLimits& limits, Head& out, FieldSummary& summary) {
  if (const auto size = take_plain_head(input, limits, out, summary); size > 0) return {Status::Done, size, 0, ""};
  const auto scan = scan_head(input, limits, kind_of(out));
  if (scan.status == Status::NeedMore) return {};
  if (scan.status == Status::Bad) return bad(scan.refusal);
  summary = {};
  if (const auto refusal = parse(input, scan, out, summary)) return bad(refusal);
  return {Status::Done, scan.size, 0, ""};
}

}  // namespace

HeadResult parse_request_head(std::string_view input, const HeadLimits& limits, RequestHead& out) {
  if (input.empty() || input == "\r") return {};
  const std::size_t skipped = input.starts_with("\r\n") ? 2 : 0;
  input.remove_prefix(skipped);
  if (input.empty()) return {};
  FieldSummary fields;
  auto result = read_lines(input, limits, out, fields);
  if (result.status != Status::Done) return result;

  if (const auto refusal = check_connection(fields)) return bad(refusal);
  if (const auto refusal = read_target(fields, out)) return bad(refusal);
  if (const auto refusal = read_framing(fields, out.http11, Framing::None, out.framing, out.length))
    return bad(refusal);
  if (fields.expects_other) return bad({417, "unknown expectation"});
  out.keep_alive = keeps_alive(fields, out.http11);
  out.expects_continue = fields.expects_continue && out.http11;  // RFC 9110 §10.1.1: ignored in 1.0
  result.consumed += skipped;
  return result;
}

HeadResult parse_response_head(std::string_view input, const HeadLimits& limits, std::string_view request_method,
                               ResponseHead& out) {
  if (input.empty()) return {};
  FieldSummary fields;
  const auto result = read_lines(input, limits, out, fields);
  if (result.status == Status::Bad) return bad_response(result.why);
  if (result.status == Status::NeedMore) return result;

  if (out.status < 100 || out.status > 599) return bad_response("a status that is none");  // RFC 9110 §15
  if (const auto refusal = check_connection(fields)) return bad_response(refusal.why);
  const auto refusal = read_framing(fields, out.http11, Framing::UntilClose, out.framing, out.length);
  if (refusal) return bad_response(refusal.why);
  const bool has_no_body = is(request_method, "HEAD") || out.status < 200 || out.status == 204 || out.status == 304;
  if (has_no_body) out.framing = Framing::None;
  if (out.framing != Framing::Length) out.length = 0;
  out.keep_alive = keeps_alive(fields, out.http11) && out.framing != Framing::UntilClose;
  return result;
}

}  // namespace limpet::wire
