// SPDX-License-Identifier: Apache-2.0
// HTTP/1.x messages in: heads and bodies (RFC 9110, RFC 9112). Plain heads are taken apart in one pass (plain_head.h).
// All else is for Boost.Beast's basic_parser, which lives in http1.cpp alone, with the guards that it lacks
// (head_guards.h); tests/wire/http1_refusal_test.cpp has a row for each. No sockets, no clock.
//
// A head is parsed in one go, once all of it is there; a body is decoded as it comes. Messages are always serialised
// anew (http1_writer.h): a raw line is never passed on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/wire/fields.h"
#include "proxy/wire/grammar.h"

namespace limpet::wire {

enum class Status : std::uint8_t { NeedMore, Done, Bad };

// How the end of a body is found (RFC 9112 §6.3).
enum class Framing : std::uint8_t { None, Length, Chunked, UntilClose };

struct RequestHead {
  std::string method;      // as sent; case-sensitive
  std::string target;      // origin-form ("/a?b") or "*"; an absolute-form target is reduced to it
  std::string authority;   // Host's value, or the absolute-form target's authority; empty only in HTTP/1.0
  bool http11 = true;      // HTTP/1.1; false: HTTP/1.0
  bool keep_alive = true;  // RFC 9112 §9.3
  bool expects_continue = false;
  Framing framing = Framing::None;
  std::uint64_t length = 0;  // of the body, where framing is Length
  Fields fields;             // all, hop-by-hop ones included

  std::size_t capacity() const {  // bytes held
    return fields.capacity() + method.capacity() + target.capacity() + authority.capacity();
  }
  bool is_safe() const {
    return is(method, "GET") || is(method, "HEAD") || is(method, "OPTIONS") || is(method, "TRACE");
  }
  // Without the query, as sent.
  std::string_view path() const { return std::string_view(target).substr(0, target.find('?')); }
  // What follows the first '?'; empty without one.
  std::string_view query() const {
    const auto at = target.find('?');
    return at == std::string::npos ? std::string_view() : std::string_view(target).substr(at + 1);
  }
};

struct ResponseHead {
  unsigned status = 0;
  std::string reason;
  bool http11 = true;
  bool keep_alive = true;
  Framing framing = Framing::None;
  std::uint64_t length = 0;
  Fields fields;

  std::size_t capacity() const { return fields.capacity() + reason.capacity(); }  // bytes held
};

struct HeadLimits {
  std::size_t max_head = 64 * 1024;  // bytes, start line and fields and the empty line
  std::size_t max_fields = 256;
};

// What became of an attempt to parse a head.
struct HeadResult {
  Status status = Status::NeedMore;
  std::size_t consumed = 0;    // bytes of the input that are the head (and CRLF skipped before it), where Done
  unsigned http_status = 400;  // where Bad: 400, 417, 431, 501 or 505 for a request; 502 for a response
  const char* why = "";        // where Bad: for the log; a literal
};

// `input` is everything received since the end of the previous message and starts with this head; before a request at
// most one CRLF is skipped (RFC 9112 §2.2). NeedMore: call again with the same bytes and more. Bad as soon as no more
// bytes could make a head of it, or one within the limits. `out` means something after Done only; it may be reused,
// which saves memory.
HeadResult parse_request_head(std::string_view input, const HeadLimits& limits, RequestHead& out);

// The request's method and the status decide the framing (HEAD, 1xx, 204, 304 have no body).
HeadResult parse_response_head(std::string_view input, const HeadLimits& limits, std::string_view request_method,
                               ResponseHead& out);

// Decodes one body as it comes. Bad is sticky.
class BodyDecoder {
 public:
  BodyDecoder();
  BodyDecoder(Framing framing, std::uint64_t length);
  ~BodyDecoder();
  BodyDecoder(BodyDecoder&&) noexcept;
  BodyDecoder& operator=(BodyDecoder&&) noexcept;

  // Takes what belongs to this body from `input`, in order. The pieces of content are appended to `pieces` as views
  // into `input`; `consumed` is how much of the input was taken (all of it on NeedMore; on Done the rest belongs to the
  // next message). Chunk extensions are dropped.
  Status decode(std::string_view input, std::size_t& consumed, std::vector<std::string_view>& pieces);

  // `input` is nothing but plain chunks, each of them whole, so that it can be passed on as it came: their content is
  // appended to `pieces`, and the body stands where it stood. False where it has to be decoded; nothing is done then
  // but to `pieces`, whose content is void.
  bool is_whole_chunks(std::string_view input, std::vector<std::string_view>& pieces) const;

  // The peer has closed: Done where that is a proper end (UntilClose), else Bad.
  Status finish();

  bool done() const { return status_ == Status::Done; }
  Framing framing() const { return framing_; }
  // Trailer fields of a chunked body (RFC 9112 §7.1.2), once Done.
  const Fields& trailers() const;

 private:
  struct Chunked;
  Framing framing_ = Framing::None;
  Status status_ = Status::Done;
  bool at_chunk_ = false;  // of a chunked body: at the beginning of a size line
  std::uint64_t left_ = 0;
  std::unique_ptr<Chunked> chunked_;
};

}  // namespace limpet::wire
