// SPDX-License-Identifier: Apache-2.0
// See http1_writer.h. Names and values come from the parser or from limpet itself, so they hold no line ends: nothing
// is checked or escaped here.
#include "proxy/wire/http/http1_writer.h"

#include <algorithm>
#include <charconv>

#include "proxy/wire/http/append.h"

namespace limpet::wire {

namespace {

constexpr FieldNames kHopByHop = {FieldName::Connection,   FieldName::ProxyConnection,  FieldName::KeepAlive,
                                  FieldName::Te,           FieldName::TransferEncoding, FieldName::Upgrade,
                                  FieldName::Http2Settings};

// What a proxy or its configuration relies on; neither a Connection field nor a trailer may touch it.
constexpr FieldNames kVouchedFor = {FieldName::Host,          FieldName::ContentLength, FieldName::ContentType,
                                    FieldName::Authorization, FieldName::Cookie,        FieldName::SetCookie,
                                    FieldName::Forwarded,     FieldName::XForwardedFor, FieldName::XForwardedProto,
                                    FieldName::XForwardedHost};

constexpr FieldNames kNoTrailers =
    kHopByHop | kVouchedFor |
    FieldNames{FieldName::Trailer, FieldName::ContentEncoding, FieldName::ContentRange, FieldName::ProxyAuthorization};

// Whether the Connection fields name nothing that would be forwarded otherwise: the common case, in which no other
// field's name has to be looked for in them.
bool nominates_nothing_more(const Fields& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields.known(i) != FieldName::Connection) continue;
    const auto value = fields[i].value;
    if (!equals_ignoring_case(value, "keep-alive") && !equals_ignoring_case(value, "close") &&
        !equals_ignoring_case(value, "upgrade")) {
      return false;
    }
  }
  return true;
}

bool is_nominated(const Fields& fields, std::string_view name) {
  constexpr std::string_view kWebSocket = "Sec-WebSocket-";
  if (kVouchedFor.has(field_name(name)) || equals_ignoring_case(name.substr(0, kWebSocket.size()), kWebSocket)) {
    return false;
  }
  return fields.has_token(FieldName::Connection, name);
}

// CGI, and the server interfaces after it, make the same variable of '_' and '-' in a name: a client's X_Forwarded_For
// could pass for the X-Forwarded-For that limpet sets.
bool passes_for_one_of(FieldNames names, std::string_view name) {
  constexpr std::size_t kLongest = 32;
  if (name.size() > kLongest || name.find('_') == std::string_view::npos) return false;
  char read[kLongest];
  std::replace_copy(name.begin(), name.end(), read, '_', '-');
  return names.has(field_name({read, name.size()}));
}

}  // namespace

void append_forwarded_fields(std::string& out, const Fields& fields, FieldNames without) {
  without = without | kHopByHop;
  const bool any_nominated = fields.has(FieldName::Connection) && !nominates_nothing_more(fields);
  std::string_view run;  // lines that follow each other, copied in one go
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto known = fields.known(i);
    const bool is_left_out = without.has(known) || (any_nominated && is_nominated(fields, fields[i].name)) ||
                             (known == FieldName::Other && passes_for_one_of(without, fields[i].name));
    const auto line = is_left_out ? std::string_view() : fields.line(i);
    if (!is_left_out && run.data() + run.size() == line.data()) {
      run = {run.data(), run.size() + line.size()};
    } else {
      if (!run.empty()) out.append(run);
      run = line;
    }
  }
  out.append(run);
}

void append_request_start(std::string& out, std::string_view method, std::string_view target, std::string_view host) {
  append_all(out, method, " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n");
}

void append_status_line(std::string& out, unsigned status, std::string_view reason) {
  char digits[10];
  const auto end = std::to_chars(digits, digits + sizeof digits, status).ptr;
  append_all(out, "HTTP/1.1 ", std::string_view(digits, end), " ", reason, "\r\n");
}

std::string_view reason_phrase(unsigned status) {
  switch (status) {  // RFC 9110 §15 and the IANA registry
  case 100:
    return "Continue";
  case 101:
    return "Switching Protocols";
  case 102:
    return "Processing";
  case 103:
    return "Early Hints";
  case 200:
    return "OK";
  case 201:
    return "Created";
  case 202:
    return "Accepted";
  case 203:
    return "Non-Authoritative Information";
  case 204:
    return "No Content";
  case 205:
    return "Reset Content";
  case 206:
    return "Partial Content";
  case 300:
    return "Multiple Choices";
  case 301:
    return "Moved Permanently";
  case 302:
    return "Found";
  case 303:
    return "See Other";
  case 304:
    return "Not Modified";
  case 307:
    return "Temporary Redirect";
  case 308:
    return "Permanent Redirect";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 406:
    return "Not Acceptable";
  case 407:
    return "Proxy Authentication Required";
  case 408:
    return "Request Timeout";
  case 409:
    return "Conflict";
  case 410:
    return "Gone";
  case 411:
    return "Length Required";
  case 412:
    return "Precondition Failed";
  case 413:
    return "Content Too Large";
  case 414:
    return "URI Too Long";
  case 415:
    return "Unsupported Media Type";
  case 416:
    return "Range Not Satisfiable";
  case 417:
    return "Expectation Failed";
  case 421:
    return "Misdirected Request";
  case 422:
    return "Unprocessable Content";
  case 425:
    return "Too Early";
  case 426:
    return "Upgrade Required";
  case 428:
    return "Precondition Required";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 451:
    return "Unavailable For Legal Reasons";
  case 500:
    return "Internal Server Error";
  case 501:
    return "Not Implemented";
  case 502:
    return "Bad Gateway";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  case 505:
    return "HTTP Version Not Supported";
  case 511:
    return "Network Authentication Required";
  }
  return "";
}

std::size_t write_chunk_head(char* to, std::size_t size) {
  char* end = std::to_chars(to, to + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  return static_cast<std::size_t>(end - to);
}

void append_last_chunk(std::string& out, const Fields& trailers) {
  out += "0\r\n";
  for (std::size_t i = 0; i < trailers.size(); ++i) {
    if (!kNoTrailers.has(trailers.known(i)) && !passes_for_one_of(kNoTrailers, trailers[i].name)) {
      out.append(trailers.line(i));
    }
  }
  append_end(out);
}

}  // namespace limpet::wire
