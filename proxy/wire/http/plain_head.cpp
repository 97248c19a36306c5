// SPDX-License-Identifier: Apache-2.0
// See plain_head.h. Written by hand although Boost.Beast could do it: parsing its heads is the largest part of what a
// short request costs. A line's end is found sixteen bytes at a time (ControlFinder), its name by a table (token_size).
#include "proxy/wire/http/plain_head.h"

#include <algorithm>

#include "proxy/wire/grammar.h"
#include "proxy/wire/http/control_finder.h"

namespace limpet::wire {

namespace {

// Bytes of a head. A head that comes in several packets is looked at from its beginning with each of them, so a large
// one, which is rare, is left to others.
constexpr std::size_t kMostSize = 8192;
constexpr std::size_t kMostDigits = 18;

// The lines of a head, one after the other.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text), controls_(text) {}

  // Sets `line` to the next one, without its CRLF. False where it is not there as a whole or holds a control character.
  bool next(std::string_view& line) {
    std::size_t end = controls_.next();
    if (end + 1 == at_) end = controls_.next();  // that was the LF of the line before
    if (end >= text_.size() || text_.size() - end < 2 || text_[end] != '\r' || text_[end + 1] != '\n') return false;
    line = {text_.data() + at_, end - at_};
    at_ = end + 2;
    return true;
  }

  std::size_t taken() const { return at_; }

 private:
  std::string_view text_;
  ControlFinder controls_;
  std::size_t at_ = 0;
};

bool take_start_line(std::string_view line, RequestHead& head) {
  constexpr std::string_view kEnd = " HTTP/1.1";
  const std::size_t method = token_size(line);
  if (method == 0 || method > kMaxMethod || line.size() < method + 2 + kEnd.size() || line[method] != ' ') return false;
  const std::string_view target(line.data() + method + 1, line.size() - method - 1 - kEnd.size());
  if (!line.ends_with(kEnd)) return false;
  if (target.find(' ') != std::string_view::npos || target.find('\t') != std::string_view::npos) return false;
  head.method.assign(line.data(), method);
  head.target.assign(target);
  head.http11 = true;
  return true;
}

bool take_start_line(std::string_view line, ResponseHead& head) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  constexpr std::size_t kReason = kStart.size() + 4;
  if (line.size() < kReason || !line.starts_with(kStart) || line[kReason - 1] != ' ') return false;
  const char* const digits = line.data() + kStart.size();
  if (digits[0] == '0' || !is_digit(digits[0]) || !is_digit(digits[1]) || !is_digit(digits[2])) return false;
  head.status = static_cast<unsigned>((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
  head.reason.assign(line.data() + kReason, line.size() - kReason);
  head.http11 = true;
  return true;
}

// Whether a field that decides on the framing, or on whether the connection persists, has one of the few values that
// need no interpretation. Any other field is plain.
bool is_plain(FieldName name, std::string_view value, const FieldSummary& before) {
  switch (name) {
  case FieldName::Connection:
    return equals_ignoring_case(value, "keep-alive") || equals_ignoring_case(value, "close") ||
           equals_ignoring_case(value, "upgrade");
  case FieldName::ContentLength:
    return before.lengths + before.codings == 0 && value.size() <= kMostDigits &&
           std::all_of(value.begin(), value.end(), is_digit);
  case FieldName::TransferEncoding:
    return before.lengths + before.codings == 0 && is(value, "chunked");
  case FieldName::ProxyConnection:
    return false;
  default:
    return true;
  }
}

// `at`: where the line begins, counted from the first field's line.
bool take_field(std::string_view line, std::size_t at, Fields& fields, FieldSummary& summary) {
  const std::size_t colon = token_size(line);
  if (colon == 0 || line.size() < colon + 3 || line[colon] != ':' || line[colon + 1] != ' ') return false;
  const std::string_view value(line.data() + colon + 2, line.size() - colon - 2);
  if (is_blank(value.front()) || is_blank(value.back())) return false;
  const auto known = field_name({line.data(), colon});
  if (!is_plain(known, value, summary)) return false;
  fields.name_line(at, known, colon, value.size());
  summary.add(known, value);
  return true;
}

template <typename Head>
std::size_t take_lines(std::string_view input, std::size_t max_fields, Head& head, FieldSummary& summary) {
  Lines lines(input);
  std::string_view line;
  if (!lines.next(line) || !take_start_line(line, head)) return 0;
  const std::size_t begin = lines.taken();
  for (std::size_t at = begin; lines.next(line); at = lines.taken()) {
    if (line.empty()) {
      head.fields.hold_lines(input.substr(begin, at - begin));
      return lines.taken();
    }
    if (head.fields.size() == max_fields || !take_field(line, at - begin, head.fields, summary)) return 0;
  }
  return 0;
}

template <typename Head>
std::size_t take(std::string_view input, const HeadLimits& limits, Head& head, FieldSummary& summary) {
  head.fields.begin_lines();
  const auto window = input.substr(0, std::min(limits.max_head, kMostSize));
  const std::size_t size = take_lines(window, limits.max_fields, head, summary);
  if (size == 0) head.fields.clear();
  return size;
}

}  // namespace

std::size_t take_plain_head(std::string_view input, const HeadLimits& limits, RequestHead& head,
                            FieldSummary& summary) {
  return take(input, limits, head, summary);
}

std::size_t take_plain_head(std::string_view input, const HeadLimits& limits, ResponseHead& head,
                            FieldSummary& summary) {
  return take(input, limits, head, summary);
}

}  // namespace limpet::wire
