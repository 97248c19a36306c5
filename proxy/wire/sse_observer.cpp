// SPDX-License-Identifier: Apache-2.0
// Line ends are found by two memchr cursors, each of which moves over the input once. Of a line only its first bytes
// are looked at, and the digits of `retry:`.
#include "proxy/wire/sse_observer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace limpet::wire {

namespace {

constexpr std::string_view kBom = "\xef\xbb\xbf";
constexpr std::string_view kRetry = "retry:";
constexpr std::int64_t kBad = -2;
constexpr std::int64_t kMaxRetryMs = 1'000'000'000;

bool is_data(std::string_view line) {
  return line.size() >= 4 && std::memcmp(line.data(), "data", 4) == 0 && (line.size() == 4 || line[4] == ':');
}

// The next place of one byte at or after a position that only grows.
class Cursor {
 public:
  Cursor(std::string_view text, char byte) : text_(text), byte_(byte) {}

  std::size_t at_or_after(std::size_t from) {
    if (next_ < from || !searched_) {
      next_ = std::min(text_.find(byte_, from), text_.size());
      searched_ = true;
    }
    return next_;
  }

 private:
  const std::string_view text_;
  const char byte_;
  std::size_t next_ = 0;
  bool searched_ = false;
};

}  // namespace

SseObserver::Seen SseObserver::observe(std::string_view input) {
  Seen seen;
  if (input.empty()) {
    if (between_events()) seen.first_boundary = 0;
    return seen;
  }
  std::size_t at = 0;
  if (bom_size_ != kBomPast) at = take_bom(input);
  if (cr_pending_) {
    cr_pending_ = false;
    if (input.front() == '\n') at = 1;
  }
  const auto note_boundary = [&] {
    if (seen.first_boundary == kNone && between_events()) seen.first_boundary = at;
  };
  note_boundary();

  Cursor cr(input, '\r');
  Cursor lf(input, '\n');
  while (at < input.size()) {
    const std::size_t end = std::min(cr.at_or_after(at), lf.at_or_after(at));
    const std::string_view line = input.substr(at, end - at);
    if (name_size_ == 0 && end < input.size() && !line.starts_with('r')) {
      if (take_whole_line(line)) ++seen.events;  // the common case
    } else {
      take_line_part(line);
      if (end == input.size()) break;
      if (end_line()) ++seen.events;
    }
    at = end + 1;
    if (input[end] == '\r') {
      cr_pending_ = at == input.size();
      if (!cr_pending_ && input[at] == '\n') ++at;
    }
    note_boundary();
  }
  return seen;
}

// Returns how many bytes of the input belong to a byte order mark. What only looked like one becomes the line's first
// bytes.
std::size_t SseObserver::take_bom(std::string_view input) {
  const std::size_t had = bom_size_;
  const std::size_t size = std::min(input.size(), kBom.size() - had);
  std::size_t same = 0;
  while (same < size && input[same] == kBom[had + same]) ++same;
  if (same == size) {
    bom_size_ = static_cast<std::uint8_t>(had + same);
    return same;
  }
  bom_size_ = kBomPast;
  take_line_part(kBom.substr(0, had));
  return 0;
}

void SseObserver::take_line_part(std::string_view part) {
  const std::size_t size = std::min(part.size(), sizeof name_ - name_size_);
  std::memcpy(name_ + name_size_, part.data(), size);
  name_size_ = static_cast<std::uint8_t>(name_size_ + size);
  if (size < part.size() && std::string_view(name_, name_size_) == kRetry) take_retry_digits(part.substr(size));
}

// One space may stand before the value; anything but digits makes the line void.
void SseObserver::take_retry_digits(std::string_view part) {
  if (!retry_began_) {
    retry_began_ = true;
    if (part.front() == ' ') part.remove_prefix(1);
  }
  for (const char c : part) {
    if (retry_value_ == kBad) return;
    if (c < '0' || c > '9') {
      retry_value_ = kBad;
      return;
    }
    retry_value_ = std::max<std::int64_t>(retry_value_, 0) * 10 + (c - '0');
    if (retry_value_ > kMaxRetryMs) retry_value_ = kBad;
  }
}

// Of a line that has come in parts, the first bytes of which are in name_, or that may be a `retry:`.
bool SseObserver::end_line() {
  const bool dispatches = take_whole_line({name_, name_size_});
  if (retry_value_ >= 0) retry_ms_ = retry_value_;
  name_size_ = 0;
  retry_value_ = -1;
  retry_began_ = false;
  return dispatches;
}

// `line` is one, or its first bytes. True if it dispatches an event.
bool SseObserver::take_whole_line(std::string_view line) {
  if (line.empty()) {
    event_empty_ = true;
    return std::exchange(event_has_data_, false);
  }
  if (line.front() != ':') {
    event_empty_ = false;
    event_has_data_ = event_has_data_ || is_data(line);
  }
  return false;
}

}  // namespace limpet::wire
