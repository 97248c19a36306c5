// SPDX-License-Identifier: Apache-2.0
// See head_guards.h. A line end is the only control byte that is allowed. scan_head() looks at heads that are not plain
// (plain_head.h), each time that more of one has come; the other functions look at the fields of every head. No
// function keeps anything between two calls.
#include "proxy/wire/http/head_guards.h"

#include <algorithm>
#include <limits>

#include "proxy/wire/grammar.h"
#include "proxy/wire/http/control_finder.h"
#include "proxy/wire/uri.h"

namespace limpet::wire {

namespace {

// `line` is a beginning of a request line. Since a longer method is refused at once, a line without a blank is not
// scanned again with every packet for as long as a peer likes.
const char* fault_in_request_line(std::string_view line, bool is_whole) {
  if (line.empty()) return is_whole ? "empty request line" : nullptr;
  const auto method = line.substr(0, std::min(line.find(' '), kMaxMethod + 1));
  if (method.size() > kMaxMethod) return "the method is too long";
  return is_token(method) ? nullptr : "the method is not a token";
}

// `line` is a beginning of a status line. One that ends after the status, without a space, is common and accepted.
const char* fault_in_status_line(std::string_view line, bool is_whole) {
  constexpr std::string_view kShape = "HTTP/1.x ddd ";
  if (line.starts_with("HTTP/1.1 200 ")) return nullptr;  // the common case, without the loop
  for (std::size_t i = 0; i < std::min(line.size(), kShape.size()); ++i) {
    const bool fits = kShape[i] == 'x'   ? line[i] == '0' || line[i] == '1'
                      : kShape[i] == 'd' ? is_digit(line[i])
                                         : line[i] == kShape[i];
    if (!fits) return "not an HTTP/1 response";
  }
  if (line.size() > 9 && line[9] == '0') return "status below 100";
  return is_whole && line.size() < kShape.size() - 1 ? "status line too short" : nullptr;
}

HeadScan refused(unsigned http_status, const char* why) {
  HeadScan scan;
  scan.status = Status::Bad;
  scan.refusal = {http_status, why};
  return scan;
}

bool is_target(std::string_view target) {
  return std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
}

// "http://" or "https://"; 0 where `target` begins with neither.
std::size_t scheme_size(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equals_ignoring_case(target.substr(0, scheme.size()), scheme)) return scheme.size();
  }
  return 0;
}

// Digits only, at most 63 bits.
bool read_length(std::string_view text, std::uint64_t& length) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  length = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (length > (kMost - digit) / 10) return false;
    length = length * 10 + digit;
  }
  return !text.empty();
}

}  // namespace

HeadScan scan_head(std::string_view input, const HeadLimits& limits, HeadKind kind) {
  const auto fault_in_start = kind == HeadKind::Request ? fault_in_request_line : fault_in_status_line;
  const auto window = input.substr(0, limits.max_head);
  HeadScan scan;
  ControlFinder controls(window);
  for (std::size_t at = 0;;) {
    // The next control byte ends the line: any but a line end is refused below. Where there is none, more has to come.
    const auto end = std::min(controls.next(), window.size());
    const auto line = window.substr(at, end - at);
    const bool has_cr = end < window.size() && window[end] == '\r';
    const auto lf_at = end + (has_cr ? 1 : 0);
    const bool is_whole = lf_at < window.size() && window[lf_at] == '\n';
    if (!is_whole && lf_at < window.size()) return refused(400, "control byte in the head");
    if (at == 0) {
      if (const char* why = fault_in_start(line, is_whole || has_cr)) return refused(400, why);
    } else if (!line.empty() && is_blank(line.front())) {
      return refused(400, "folded field line");
    }
    if (!is_whole) {
      if (window.size() == limits.max_head) return refused(431, "head larger than max_head");
      return scan;
    }
    if (!has_cr) return refused(400, "bare LF in the head");
    controls.next();  // the LF
    if (at == 0)
      scan.start_line = line;
    else if (!line.empty() && ++scan.fields > limits.max_fields)
      return refused(431, "too many fields");
    at = lf_at + 1;
    if (line.empty()) {
      scan.status = Status::Done;
      scan.size = at;
      return scan;
    }
  }
}

void FieldSummary::add(FieldName name, std::string_view value) {
  switch (name) {
  case FieldName::Host:
    ++hosts;
    host = value;
    break;
  case FieldName::ContentLength:
    ++lengths;
    length = value;
    break;
  case FieldName::TransferEncoding:
    ++codings;
    coding = value;
    break;
  case FieldName::Connection:
    connection_size += value.size();
    says_close = says_close || list_has_token(value, "close");
    says_keep_alive = says_keep_alive || list_has_token(value, "keep-alive");
    break;
  case FieldName::Expect:
    (equals_ignoring_case(value, "100-continue") ? expects_continue : expects_other) = true;
    break;
  default:
    break;
  }
}

Refusal check_connection(const FieldSummary& fields) {
  constexpr std::size_t kMost = 512;  // bytes; the longest seen from honest senders take 60
  return fields.connection_size > kMost ? Refusal{400, "Connection names too much"} : Refusal{};
}

Refusal read_framing(const FieldSummary& fields, bool http11, Framing if_neither, Framing& framing,
                     std::uint64_t& length) {
  framing = if_neither;
  length = 0;
  if (fields.codings > 0) {
    if (fields.lengths > 0) return {400, "both Content-Length and Transfer-Encoding"};
    if (!http11) return {400, "Transfer-Encoding in HTTP/1.0"};
    if (fields.codings > 1) return {400, "Transfer-Encoding twice"};
    if (!equals_ignoring_case(fields.coding, "chunked")) {
      const bool is_single = is_token(fields.coding);
      return {is_single ? 501U : 400U, "Transfer-Encoding other than chunked"};
    }
    framing = Framing::Chunked;
  } else if (fields.lengths > 0) {
    if (fields.lengths > 1) return {400, "Content-Length twice"};
    if (!read_length(fields.length, length)) return {400, "Content-Length is not a number of 63 bits"};
    framing = Framing::Length;
  }
  return {};
}

Refusal read_target(const FieldSummary& fields, RequestHead& head) {
  if (is(head.method, "CONNECT")) return {501, "CONNECT"};
  if (!is_target(head.target)) return {400, "byte that a target may not have"};
  if (fields.hosts > 1) return {400, "Host twice"};
  if (fields.hosts == 0 && head.http11) return {400, "no Host"};
  if (fields.hosts == 1 && !is_valid_authority(fields.host)) return {400, "Host is not an authority"};
  head.authority = fields.host;
  if (head.target.starts_with('/')) return {};
  if (is(head.target, "*")) return is(head.method, "OPTIONS") ? Refusal{} : Refusal{400, "* is for OPTIONS only"};

  // Absolute-form (RFC 9112 §3.2.2); an empty path of OPTIONS asks about the server as a whole (§3.2.4).
  const auto begin = scheme_size(head.target);
  if (begin == 0) return {400, "target in no known form"};
  const auto end = std::min(head.target.find_first_of("/?", begin), head.target.size());
  const auto authority = std::string_view(head.target).substr(begin, end - begin);
  if (!is_valid_authority(authority)) return {400, "the target's authority is none"};
  if (fields.hosts == 1 && !equals_ignoring_case(authority, fields.host)) return {400, "Host and target disagree"};
  head.authority = authority;
  head.target.erase(0, end);
  if (head.target.empty() && head.method == "OPTIONS")
    head.target = "*";
  else if (!head.target.starts_with('/'))
    head.target.insert(0, 1, '/');
  return {};
}

bool has_foreign_version(std::string_view request_line) {
  const auto after_method = request_line.find(' ');
  const auto after_target = request_line.find(' ', after_method + 1);
  if (after_target == std::string_view::npos) return false;
  const auto version = request_line.substr(after_target + 1);
  return version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' &&
         is_digit(version[7]) && version != "HTTP/1.1" && version != "HTTP/1.0";
}

}  // namespace limpet::wire
