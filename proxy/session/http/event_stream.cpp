// SPDX-License-Identifier: Apache-2.0
// See event_stream.h. Where a farewell may stand is looked for on a copy of the observer: what lies behind that place
// is not sent, and so must not have been seen.
#include "proxy/session/http/event_stream.h"

namespace limpet::session {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

std::string EventStream::opening() const {
  return "retry: " + std::to_string(settings_.retry.count()) + "\n\n";
}

std::int64_t EventStream::base_ms() const {
  return seen_.retry_ms() >= 0 ? seen_.retry_ms() : settings_.retry.count();
}

std::uint32_t EventStream::pass(std::string_view piece, std::vector<std::string_view>& out) {
  if (started_) return pass_bytes(piece, out);
  const std::size_t before = held_.size();
  const std::string_view more = piece.substr(0, kByteOrderMark.size() - before);
  held_ += more;
  if (held_.size() < kByteOrderMark.size() && kByteOrderMark.starts_with(held_)) return 0;  // may yet become one
  started_ = true;
  if (held_ == kByteOrderMark) {
    piece.remove_prefix(more.size());
    return pass_bytes(piece, out);
  }
  held_.resize(before);
  const std::uint32_t events = pass_bytes(held_, out);
  return events + pass_bytes(piece, out);
}

std::uint32_t EventStream::pass_bytes(std::string_view bytes, std::vector<std::string_view>& out) {
  if (said_farewell_ || bytes.empty()) return 0;
  if (!farewell_wanted_) {
    out.push_back(bytes);
    return seen_.observe(bytes).events;
  }
  wire::SseObserver ahead = seen_;
  const auto seen = ahead.observe(bytes);
  if (seen.first_boundary == wire::SseObserver::kNone) {
    out.push_back(bytes);
    seen_ = ahead;
    said_farewell_ = ends_between_events();
    return seen.events;
  }
  said_farewell_ = true;
  const std::string_view kept = bytes.substr(0, seen.first_boundary);
  if (kept.empty()) return 0;
  out.push_back(kept);
  return seen_.observe(kept).events;
}

// A CR at the end counts as a whole line end: should its LF still come, it makes one more empty line, which means
// nothing here.
bool EventStream::ends_between_events() const {
  wire::SseObserver ended = seen_;
  ended.finish();
  return ended.between_events();
}

bool EventStream::want_farewell() {
  farewell_wanted_ = true;
  if (ends_between_events()) said_farewell_ = true;
  return said_farewell_;
}

std::string EventStream::farewell(double random_fraction) const {
  const auto jitter = static_cast<std::int64_t>(random_fraction * static_cast<double>(settings_.retry_jitter.count()));
  const std::string line = "retry: " + std::to_string(base_ms() + jitter) + "\n";
  // In mid-event an empty line would dispatch the unfinished half: the field alone is heeded at the end of its line,
  // and the client discards the rest at the end of the stream.
  if (said_farewell_ || ends_between_events()) return line + "\n";
  return seen_.at_line_start() || seen_.cr_pending() ? line : "\n" + line;
}

std::string_view EventStream::heartbeat() const {
  if (ends_between_events()) return ":\n\n";
  return seen_.at_line_start() ? ":\n" : std::string_view();
}

}  // namespace limpet::session
