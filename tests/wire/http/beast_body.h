// SPDX-License-Identifier: Apache-2.0
// An oracle for BodyDecoder: decodes a chunked body with Boost.Beast's basic_parser (1.74) behind the guards that it
// lacks. Beast gets size lines and trailers only when they are whole, and the last size line together with them, so it
// refuses some of what is wrong later than BodyDecoder does. Shared by the unit test and the fuzz target.
#pragma once

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "proxy/wire/http/control_finder.h"
#include "proxy/wire/http/http1.h"

namespace limpet::wire::naive {

struct BeastOutcome {
  Status status = Status::NeedMore;
  std::string content;
  std::size_t consumed = 0;
  Fields trailers;
};

class BeastBody final : private boost::beast::http::basic_parser<true> {
 public:
  BeastBody() {
    body_limit(std::numeric_limits<std::uint64_t>::max());
    put_all("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
  }

  BeastOutcome decode(std::string_view body) {
    auto rest = body;
    while (outcome_.status == Status::NeedMore && !rest.empty()) {
      outcome_.status = at_ == At::Content ? take_content(rest) : take_line(rest);
    }
    outcome_.consumed = body.size() - rest.size();
    return outcome_;
  }

 private:
  using ErrorCode = boost::beast::error_code;
  using View = boost::beast::string_view;

  enum class At : std::uint8_t { SizeLine, Content, ContentEnd, Trailers };

  static constexpr std::size_t kMaxSizeLine = 1024;
  static constexpr std::size_t kMaxTrailers = 64 * 1024;
  static constexpr std::size_t kMaxTrailerFields = 64;

  bool put_all(std::string_view bytes) {
    ErrorCode error;
    put({bytes.data(), bytes.size()}, error);
    return !error;
  }

  Status take_content(std::string_view& rest) {
    const auto content = rest.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, rest.size())));
    if (!put_all(content)) return Status::Bad;
    rest.remove_prefix(content.size());
    left_ -= content.size();
    if (left_ == 0) at_ = At::ContentEnd;
    return Status::NeedMore;
  }

  // Takes a line; where there is only its beginning, it is the end of the input.
  Status take_line(std::string_view& rest) {
    const auto end = rest.find('\n');
    const bool is_whole = end != std::string_view::npos;
    const auto part = rest.substr(0, is_whole ? end + 1 : end);
    const std::size_t most = at_ == At::ContentEnd ? 2
                             : at_ == At::Trailers ? kMaxTrailers - (gathered_.size() - trailers_at_)
                                                   : kMaxSizeLine;
    if (part.size() > most) return Status::Bad;
    gathered_ += part;
    rest.remove_prefix(part.size());
    auto line = part;
    if (is_whole) line.remove_suffix(1);
    const bool has_cr = line.ends_with('\r');
    if (has_cr) line.remove_suffix(1);
    if (ControlFinder(line).next() != std::string_view::npos || (is_whole && !has_cr)) return Status::Bad;
    return is_whole ? line_taken(line) : Status::NeedMore;
  }

  Status line_taken(std::string_view line) {
    if (at_ == At::Trailers) return trailer_taken(line);
    if (at_ == At::ContentEnd) {
      at_ = At::SizeLine;
      return Status::NeedMore;
    }
    const auto size = line.substr(0, line.find_first_of("; \t"));
    if (!size.empty() && size.find_first_not_of('0') == std::string_view::npos) {
      at_ = At::Trailers;
      trailers_at_ = gathered_.size();
      return Status::NeedMore;
    }
    if (!put_all(gathered_)) return Status::Bad;
    gathered_.clear();
    at_ = At::Content;
    return Status::NeedMore;
  }

  Status trailer_taken(std::string_view line) {
    if (line.starts_with(' ') || line.starts_with('\t')) return Status::Bad;
    if (!line.empty()) return ++trailer_fields_ > kMaxTrailerFields ? Status::Bad : Status::NeedMore;
    return put_all(gathered_) && is_done() ? Status::Done : Status::Bad;
  }

  void on_request_impl(boost::beast::http::verb, View, View, int, ErrorCode&) override {}
  void on_response_impl(int, View, int, ErrorCode&) override {}
  void on_field_impl(boost::beast::http::field, View name, View value, ErrorCode&) override {
    if (at_ == At::Trailers) outcome_.trailers.add({name.data(), name.size()}, {value.data(), value.size()});
  }
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(View body, ErrorCode&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t size, View, ErrorCode& error) override {
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    if (size > kMost) error = boost::beast::http::error::bad_chunk;
    left_ = size;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, View body, ErrorCode&) override {
    outcome_.content.append(body.data(), body.size());
    return body.size();
  }
  void on_finish_impl(ErrorCode&) override {}

  BeastOutcome outcome_;
  At at_ = At::SizeLine;
  std::uint64_t left_ = 0;  // of the chunk's content
  std::string gathered_;    // for Beast: a size line with the line end before it, or the last one with the trailers
  std::size_t trailers_at_ = 0;
  std::size_t trailer_fields_ = 0;
};

inline BeastOutcome decode_with_beast(std::string_view body) {
  return BeastBody().decode(body);
}

// Whether Beast refuses `body`, if not yet, then when the line in which it ends does, and the trailers after it.
inline bool is_refused_by_beast(std::string_view body) {
  return decode_with_beast(body).status == Status::Bad ||
         decode_with_beast(std::string(body) + "\r\n\r\n").status == Status::Bad;
}

}  // namespace limpet::wire::naive
