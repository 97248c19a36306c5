// SPDX-License-Identifier: Apache-2.0
// HTTP/1.x heads and chunked bodies by Boost.Beast's basic_parser (1.74), which no other file includes. Beast gets a
// head only when it is not plain (plain_head.h), is whole and has passed scan_head, and a chunk's size line or trailers
// only when they are whole; so it never waits, and everything but success is an error. Its limits on heads and bodies
// are lifted: ours hold, and it buffers nothing.
#include "proxy/wire/http1.h"

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <limits>

#include "proxy/wire/control_finder.h"
#include "proxy/wire/grammar.h"
#include "proxy/wire/head_guards.h"
#include "proxy/wire/plain_head.h"

namespace limpet::wire {

namespace {

namespace http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using BeastView = boost::beast::string_view;

std::string_view view(BeastView text) {
  return {text.data(), text.size()};
}

// Beast's parser with callbacks that do nothing.
template <bool kIsRequest>
class QuietParser : public http::basic_parser<kIsRequest> {
 protected:
  QuietParser() {
    this->header_limit(std::numeric_limits<std::uint32_t>::max());
    this->body_limit(std::numeric_limits<std::uint64_t>::max());  // none would be less than any length
  }

  void on_request_impl(http::verb, BeastView, BeastView, int, ErrorCode&) override {}
  void on_response_impl(int, BeastView, int, ErrorCode&) override {}
  void on_field_impl(http::field, BeastView, BeastView, ErrorCode&) override {}
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  std::size_t on_body_impl(BeastView body, ErrorCode&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, ErrorCode&) override { return body.size(); }
  void on_finish_impl(ErrorCode&) override {}
};

// field_name(name), by what Beast has found out about it.
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

// Fills a RequestHead or a ResponseHead with what is on the lines, and sums the fields up.
template <bool kIsRequest, typename Head>
class HeadParser final : public QuietParser<kIsRequest> {
 public:
  // `lines`: the fields', as it will get them.
  HeadParser(Head& head, FieldSummary& summary, std::string_view lines)
      : head_(head), summary_(summary), lines_(lines) {}

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

// The lines of the fields, of which `fields` gets a copy.
std::string_view take_lines(Fields& fields, std::string_view input, const HeadScan& scan) {
  const auto begin = scan.start_line.size() + 2;
  const auto lines = input.substr(begin, scan.size - 2 - begin);
  fields.copy_lines(lines, scan.fields);
  return lines;
}

// A head by Beast, whole and past the guards.
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
    // Beast wants the space that a status line without a reason often lacks: it gets a line of its own with it.
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

  if (const auto refusal = check_connection(fields)) return bad_response(refusal.why);
  const auto refusal = read_framing(fields, out.http11, Framing::UntilClose, out.framing, out.length);
  if (refusal) return bad_response(refusal.why);
  const bool has_no_body = is(request_method, "HEAD") || out.status < 200 || out.status == 204 || out.status == 304;
  if (has_no_body) out.framing = Framing::None;
  if (out.framing != Framing::Length) out.length = 0;
  out.keep_alive = keeps_alive(fields, out.http11) && out.framing != Framing::UntilClose;
  return result;
}

// Takes a chunk that is just a size that is not 0, its content and both line ends; its content, or an empty view where
// `input` does not begin with all of one.
std::string_view take_plain_chunk(std::string_view& input) {
  constexpr std::size_t kMostDigits = 8;
  std::size_t size = 0;
  const char* const limit = input.data() + std::min(input.size(), kMostDigits);
  const auto [end, error] = std::from_chars(input.data(), limit, size, 16);
  if (error != std::errc() || size == 0) return {};
  const auto at = static_cast<std::size_t>(end - input.data()) + 2;
  if (input.size() < at + size + 2) return {};
  const char* const after = end + 2 + size;
  if (end[0] != '\r' || end[1] != '\n' || after[0] != '\r' || after[1] != '\n') return {};
  input.remove_prefix(at + size + 2);
  return {end + 2, size};
}

// A Beast parser that has read a made-up head and stands before the first chunk. Content goes through it as it comes. A
// size line (with the CRLF that ends the chunk before it) and the trailers go through `carry_`, which is bounded, since
// Beast wants them in one piece; most size lines fit a std::string without allocation. A plain chunk that is there as a
// whole, as events and messages mostly are, is taken without Beast, which is the same before and after it.
struct BodyDecoder::Chunked final : QuietParser<true> {
  Chunked();

  Status decode(std::string_view input, std::size_t& consumed, std::vector<std::string_view>& pieces);
  // At the beginning of a size line.
  bool at_chunk() const { return at_ == At::SizeLine && line_at_ == carry_.size(); }

  Fields trailers;

 private:
  static constexpr std::size_t kMaxSizeLine = 1024;  // extensions included
  static constexpr std::size_t kMaxTrailers = 64 * 1024;
  static constexpr std::size_t kMaxTrailerFields = 64;

  enum class At : std::uint8_t { SizeLine, Content, ContentEnd, Trailers };

  Status take_content(std::string_view& input);
  Status take_line(std::string_view& input, std::size_t max_size);
  Status line_taken();
  Status trailer_taken(std::string_view line);

  void on_field_impl(http::field, BeastView name, BeastView value, ErrorCode&) override {
    if (at_ == At::Trailers) trailers.add(view(name), view(value));
  }
  void on_chunk_header_impl(std::uint64_t size, BeastView, ErrorCode& error) override {
    if (size > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) error = http::error::bad_chunk;
    left_ = size;
  }
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, ErrorCode&) override {
    pieces_->push_back(view(body));
    return body.size();
  }

  std::vector<std::string_view>* pieces_ = nullptr;  // during decode only
  std::string carry_;

  At at_ = At::SizeLine;
  std::uint64_t left_ = 0;       // of the chunk's content
  std::size_t line_at_ = 0;      // in carry_: where the line begins that is being taken
  std::size_t trailers_at_ = 0;  // in carry_: where the trailers begin
  std::size_t trailer_fields_ = 0;
};

BodyDecoder::Chunked::Chunked() {
  ErrorCode error;
  put(buffer("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), error);
}

Status BodyDecoder::Chunked::decode(std::string_view input, std::size_t& consumed,
                                    std::vector<std::string_view>& pieces) {
  const auto size = input.size();
  pieces_ = &pieces;
  auto status = Status::NeedMore;
  while (status == Status::NeedMore && !input.empty()) {
    switch (at_) {
    case At::Content:
      status = take_content(input);
      break;
    case At::ContentEnd:
      status = take_line(input, 2);
      break;
    case At::SizeLine:
      if (const auto content = at_chunk() ? take_plain_chunk(input) : std::string_view(); !content.empty()) {
        pieces.push_back(content);
        break;
      }
      status = take_line(input, kMaxSizeLine);
      break;
    case At::Trailers:
      status = take_line(input, kMaxTrailers - (line_at_ - trailers_at_));
      break;
    }
  }
  pieces_ = nullptr;
  consumed = size - input.size();
  return status;
}

Status BodyDecoder::Chunked::take_content(std::string_view& input) {
  const auto content = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size())));
  ErrorCode error;
  if (put(buffer(content), error) != content.size() || error) return Status::Bad;
  input.remove_prefix(content.size());
  left_ -= content.size();
  if (left_ == 0) at_ = At::ContentEnd;
  return Status::NeedMore;
}

// Moves a line, or as much of it as is there, into carry_.
Status BodyDecoder::Chunked::take_line(std::string_view& input, std::size_t max_size) {
  const auto end = input.find('\n');
  const bool is_whole = end != std::string_view::npos;
  const auto part = input.substr(0, is_whole ? end + 1 : end);
  if (part.size() > max_size - (carry_.size() - line_at_)) return Status::Bad;
  carry_ += part;
  input.remove_prefix(part.size());
  auto line = std::string_view(carry_).substr(line_at_);
  if (is_whole) line.remove_suffix(1);
  const bool has_cr = line.ends_with('\r');
  if (has_cr) line.remove_suffix(1);
  if (ControlFinder(line).next() != std::string_view::npos || (is_whole && !has_cr)) return Status::Bad;
  return is_whole ? line_taken() : Status::NeedMore;
}

Status BodyDecoder::Chunked::line_taken() {
  const auto line = std::string_view(carry_).substr(line_at_, carry_.size() - 2 - line_at_);
  line_at_ = carry_.size();
  if (at_ == At::Trailers) return trailer_taken(line);
  if (at_ == At::ContentEnd) {
    at_ = At::SizeLine;
    return Status::NeedMore;
  }
  const auto size = line.substr(0, line.find_first_of("; \t"));
  if (!size.empty() && size.find_first_not_of('0') == std::string_view::npos) {
    at_ = At::Trailers;  // Beast wants the last size line together with them
    trailers_at_ = carry_.size();
    return Status::NeedMore;
  }
  ErrorCode error;
  put(buffer(carry_), error);
  if (error) return Status::Bad;
  carry_.clear();
  line_at_ = 0;
  at_ = At::Content;
  return Status::NeedMore;
}

Status BodyDecoder::Chunked::trailer_taken(std::string_view line) {
  if (line.starts_with(' ') || line.starts_with('\t')) return Status::Bad;
  if (!line.empty()) return ++trailer_fields_ > kMaxTrailerFields ? Status::Bad : Status::NeedMore;
  ErrorCode error;
  put(buffer(carry_), error);
  return error || !is_done() ? Status::Bad : Status::Done;
}

BodyDecoder::BodyDecoder() = default;
BodyDecoder::~BodyDecoder() = default;
BodyDecoder::BodyDecoder(BodyDecoder&&) noexcept = default;
BodyDecoder& BodyDecoder::operator=(BodyDecoder&&) noexcept = default;

BodyDecoder::BodyDecoder(Framing framing, std::uint64_t length) : framing_(framing) {
  switch (framing) {
  case Framing::None:
    break;
  case Framing::Length:
    left_ = length;
    if (length > 0) status_ = Status::NeedMore;
    break;
  case Framing::Chunked:
    chunked_ = std::make_unique<Chunked>();
    at_chunk_ = true;
    status_ = Status::NeedMore;
    break;
  case Framing::UntilClose:
    status_ = Status::NeedMore;
    break;
  }
}

Status BodyDecoder::decode(std::string_view input, std::size_t& consumed, std::vector<std::string_view>& pieces) {
  consumed = 0;
  if (status_ != Status::NeedMore || input.empty()) return status_;
  if (framing_ == Framing::Chunked) {
    status_ = chunked_->decode(input, consumed, pieces);
    at_chunk_ = status_ == Status::NeedMore && chunked_->at_chunk();
    return status_;
  }
  if (framing_ == Framing::Length) {
    input = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size())));
    left_ -= input.size();
    if (left_ == 0) status_ = Status::Done;
  }
  consumed = input.size();
  pieces.push_back(input);
  return status_;
}

bool BodyDecoder::is_whole_chunks(std::string_view input, std::vector<std::string_view>& pieces) const {
  if (!at_chunk_) return false;
  do {
    const auto content = take_plain_chunk(input);
    if (content.empty()) return false;
    pieces.push_back(content);
  } while (!input.empty());
  return true;
}

Status BodyDecoder::finish() {
  at_chunk_ = false;
  if (status_ == Status::NeedMore) status_ = framing_ == Framing::UntilClose ? Status::Done : Status::Bad;
  return status_;
}

const Fields& BodyDecoder::trailers() const {
  static const Fields kNone;
  return chunked_ ? chunked_->trailers : kNone;
}

}  // namespace limpet::wire
