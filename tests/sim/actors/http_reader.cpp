// SPDX-License-Identifier: Apache-2.0
// See http_reader.h.
#include "tests/sim/actors/http_reader.h"

#include <algorithm>

namespace limpet::sim {
namespace {

constexpr std::size_t kMostHead = 64 * 1024;
constexpr std::size_t kMostLine = 256;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void HttpReader::feed(std::string_view bytes) {
  in_.erase(0, at_);
  at_ = 0;
  in_.append(bytes);
}

HttpReader::Event HttpReader::bad(std::string_view what) {
  state_ = State::Bad;
  problem_ = what;
  return Event::Bad;
}

HttpReader::Event HttpReader::next() {
  switch (state_) {
  case State::Start:
    return start();
  case State::Length:
  case State::ChunkData:
    return take_body();
  case State::ChunkSize:
  case State::ChunkEnd:
  case State::Trailer:
    return chunk_line();
  case State::Ended:
    state_ = State::Start;
    return Event::End;
  case State::Raw:
    if (at_ == in_.size()) return Event::More;
    piece_ = in_.substr(at_);
    at_ = in_.size();
    return Event::Raw;
  case State::Bad:
    break;
  }
  return Event::Bad;
}

HttpReader::Event HttpReader::start() {
  if (at_ == in_.size()) return Event::More;
  if (speaks_ == Speaks::Answers && expected_.empty()) return bad("unasked_answer");
  const auto end = in_.find("\r\n\r\n", at_);
  if (end == std::string::npos) return in_.size() - at_ > kMostHead ? bad("endless_head") : Event::More;
  const auto problem = parse_head(std::string_view(in_).substr(at_, end - at_), speaks_, head_);
  at_ = end + 4;
  if (!problem.empty()) return bad(problem);
  if (head_.status >= 100 && head_.status < 200 && head_.status != 101) return Event::Interim;
  return begin_body();
}

HttpReader::Event HttpReader::begin_body() {
  Expected to{"", false};
  if (speaks_ == Speaks::Answers) {
    to = expected_.front();
    expected_.pop_front();
  }
  if (head_.status == 101 && !to.upgrade) return bad("unasked_upgrade");
  BodyPlan plan;
  if (const auto problem = plan_body(head_, speaks_, to.method, plan); !problem.empty()) return bad(problem);
  left_ = plan.length;
  state_ = head_.status == 101                ? State::Raw
           : plan.framing == Framing::Length  ? State::Length
           : plan.framing == Framing::Chunked ? State::ChunkSize
                                              : State::Ended;
  return Event::Head;
}

HttpReader::Event HttpReader::take_body() {
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in_.size() - at_));
  if (size == 0) return Event::More;
  piece_ = in_.substr(at_, size);
  at_ += size;
  left_ -= size;
  if (left_ == 0) state_ = state_ == State::Length ? State::Ended : State::ChunkEnd;
  return Event::Body;
}

bool HttpReader::line(std::string_view& found) {
  const auto end = in_.find("\r\n", at_);
  if (end == std::string::npos) return false;
  found = std::string_view(in_).substr(at_, end - at_);
  at_ = end + 2;
  return true;
}

HttpReader::Event HttpReader::chunk_line() {
  std::string_view text;
  if (!line(text)) return in_.size() - at_ > kMostLine ? bad("bad_chunk") : Event::More;
  if (state_ == State::ChunkEnd) {
    if (!text.empty()) return bad("bad_chunk");
    state_ = State::ChunkSize;
    return next();
  }
  if (state_ == State::Trailer) {
    if (!text.empty() && text.find(':') == std::string_view::npos) return bad("bad_chunk");
    if (text.empty()) state_ = State::Ended;
    return next();
  }
  if (text.empty() || text.size() > 15) return bad("bad_chunk");
  left_ = 0;
  for (const char c : text) {
    if (hex_value(c) < 0) return bad("bad_chunk");
    left_ = left_ * 16 + static_cast<std::uint64_t>(hex_value(c));
  }
  state_ = left_ == 0 ? State::Trailer : State::ChunkData;
  return next();
}

}  // namespace limpet::sim
