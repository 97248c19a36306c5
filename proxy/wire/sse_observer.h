// SPDX-License-Identifier: Apache-2.0
// Watches the body of an event stream (WHATWG HTML §9.2.5-6) and knows where its lines and events end. Lines end with
// CRLF, LF or CR; an event ends at an empty line; comment lines begin none. A CR at the end of the input may be half of
// CRLF: the boundary after it is claimed only when the next byte has shown which. Never holds, alters or delays bytes;
// small state, no allocation.
//
// A byte order mark at the start of the stream is no part of the first line, and nothing may be put before it: before
// the first byte the observer cannot know of one, afterwards it claims the place behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace limpet::wire {

class SseObserver {
 public:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  struct Seen {
    std::uint32_t events = 0;  // events with data (those a client dispatches) that ended in this input
    // Offset in the input of the first place between events, at which the farewell may stand: 0 where the input begins
    // at one, its size where it ends at one, kNone where there is none.
    std::size_t first_boundary = kNone;
  };

  Seen observe(std::string_view input);

  // All seen so far ends between two events (true before the first byte), and that is certain (no CR pending).
  bool between_events() const { return at_line_start() && event_empty_; }
  // All seen so far ends at the start of a line, certainly: a comment line may be put in here.
  bool at_line_start() const { return name_size_ == 0 && !cr_pending_ && (bom_size_ == 0 || bom_size_ == kBomPast); }
  // The backend's own last complete `retry:` line in milliseconds, up to 1e9; -1 before there was one.
  std::int64_t retry_ms() const { return retry_ms_; }
  // At the end of the input a CR is waiting for a possible LF. The boundary that it makes becomes certain with the next
  // byte.
  bool cr_pending() const { return cr_pending_; }
  // No further byte of this stream will be passed on, so a pending CR is a whole line end.
  void finish() { cr_pending_ = false; }

 private:
  static constexpr std::uint8_t kBomPast = 3;

  std::size_t take_bom(std::string_view input);
  void take_line_part(std::string_view part);
  void take_retry_digits(std::string_view part);
  bool end_line();
  bool take_whole_line(std::string_view line);

  std::int64_t retry_ms_ = -1;
  std::int64_t retry_value_ =
      -1;                       // of the present line, a `retry:` one; -1 before a digit, kBad (see .cpp) where ignored
  char name_[6] = {};           // the first bytes of the present line, enough to tell "data" and "retry:"
  std::uint8_t name_size_ = 0;  // 0: the line is empty so far
  std::uint8_t bom_size_ = 0;   // bytes of a byte order mark seen at the stream's start; kBomPast: it is over
  bool retry_began_ = false;    // a byte of the value has been seen
  bool event_empty_ = true;     // no line but comments since the last empty one
  bool event_has_data_ = false;
  bool cr_pending_ = false;
};

}  // namespace limpet::wire
