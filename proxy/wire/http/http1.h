// SPDX-License-Identifier: Apache-2.0
// HTTP/1.x messages in: heads and bodies (RFC 9110, RFC 9112). Plain heads are taken apart in one pass (plain_head.h).
// All others are for Boost.Beast's basic_parser, which lives in http1.cpp alone, with the guards that it lacks
// (head_guards.h); tests/wire/http/http1_refusal_test.cpp has a row for each. Bodies are decoded without Beast
// (http1_body.cpp). No sockets, no clock.
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

#include "proxy/wire/grammar.h"
#include "proxy/wire/http/fields.h"

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

  // Content follows. A chunked body counts, however empty it is; Content-Length: 0 does not.
  bool has_body() const { return framing == Framing::Chunked || (framing == Framing::Length && length > 0); }
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

// Decodes one body as it comes. Bad is sticky. Chunked bodies are read strictly (RFC 9112 §7.1): CRLF only, sizes of 63
// bits, a size line of at most 1 KiB with its extensions, which are checked and dropped, and at most 64 trailer fields
// in 64 KiB, none of which frames or is folded. Allocates for trailer fields alone.
class BodyDecoder {
 public:
  BodyDecoder();
  BodyDecoder(Framing framing, std::uint64_t length);
  ~BodyDecoder();
  BodyDecoder(BodyDecoder&&) noexcept;
  BodyDecoder& operator=(BodyDecoder&&) noexcept;

  // Takes what belongs to this body from `input`, in order. The pieces of content are appended to `pieces` as views
  // into `input`; `consumed` is how much of the input was taken (all of it on NeedMore; on Done the rest belongs to the
  // next message; where Bad, up to the byte that shows it or a little less). Content before a fault is handed out.
  Status decode(std::string_view input, std::size_t& consumed, std::vector<std::string_view>& pieces);

  // `input` is nothing but plain chunks, each of them whole, so that it can be passed on as it came: their content is
  // appended to `pieces`, and the body stands where it stood. False where it has to be decoded; nothing is done then
  // but to `pieces`, whose content is void.
  bool is_whole_chunks(std::string_view input, std::vector<std::string_view>& pieces) const;

  // The peer has closed: Done where that is a proper end (UntilClose), else Bad.
  Status end_of_input();

  bool done() const { return state_.status == Status::Done; }
  Framing framing() const { return state_.framing; }
  // Trailer fields of a chunked body (RFC 9112 §7.1.2), once Done.
  const Fields& trailers() const;

 private:
  // Of a chunked body: what the next byte is, or may be.
  enum class At : std::uint8_t {
    Size,             // the first digit of a chunk's size
    SizeDigits,       // another digit, or what follows them
    BeforeSemicolon,  // blanks, then the semicolon of an extension
    BeforeName,       // blanks, then an extension's name
    Name,             // more of it, or what follows it
    AfterName,        // blanks, then '=' or the semicolon of the next extension
    BeforeValue,      // blanks, then an extension's value
    Token,            // more of a value that is a token, or what follows it
    Quoted,           // within a value that is a quoted string
    Escaped,          // there, after a backslash
    AfterQuoted,      // what follows the closing quote
    SizeLf,           // the LF of the size line
    Content,          // content of the chunk
    ContentCr,        // the CR of the line end after it
    ContentLf,        // the LF
    Trailer,          // a trailer field, or the CR of the empty line that ends the body
    TrailerLine,      // more of a trailer field
    LastLf,           // the LF of the empty line
    End,              // none
  };

  // Where the body stands: all that there is to know between two calls, but for the trailers. Plain data, to be written
  // and read as it is.
  struct State {
    std::uint64_t left = 0;       // bytes of the body (Length) or of the chunk; in a size line, what it says so far
    std::uint32_t line_size = 0;  // bytes taken of the size line, or of all trailers, line ends included
    std::uint8_t trailer_fields = 0;
    Framing framing = Framing::None;
    Status status = Status::Done;
    At at = At::Size;
  };

  struct Trailers;

  Status decode_chunked(std::string_view& input, std::vector<std::string_view>& pieces);
  void take_content(std::string_view& input, std::vector<std::string_view>& pieces);
  bool take_byte(char c);
  bool moves_on(bool fits, At at);
  bool end_part(char c);
  bool add_digit(int value);
  bool take_trailer(std::string_view& input);

  State state_;
  std::unique_ptr<Trailers> trailers_;  // null where there are none
};

}  // namespace limpet::wire
