// SPDX-License-Identifier: Apache-2.0
// Byte by byte: a line ends at CR, LF or CRLF, and a LF right after a CR is swallowed wherever the pieces were cut.
#include "tests/e2e/event_stream_parser.h"

#include <algorithm>

namespace limpet::e2e {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";

}  // namespace

void EventStreamParser::feed(std::string_view bytes) {
  for (const char c : bytes) {
    if (start_ < kMark.size()) {
      if (c == kMark[start_]) {
        ++start_;
        continue;
      }
      line_.append(kMark.substr(0, start_));
      start_ = kMark.size();
    }
    if (c == '\n' && after_cr_) {
      after_cr_ = false;
      continue;
    }
    after_cr_ = c == '\r';
    if (c == '\n' || c == '\r') {
      take_line();
    } else {
      line_.push_back(c);
    }
  }
}

void EventStreamParser::take_line() {
  const std::string line = std::move(line_);
  line_.clear();
  if (line.empty()) {
    committed_id_ = last_event_id_;  // the id is set even where there is no data to dispatch
    if (!data_.empty()) {
      data_.pop_back();
      dispatch_({type_.empty() ? "message" : type_, data_, last_event_id_});
    }
    data_.clear();
    type_.clear();
    return;
  }
  if (line[0] == ':') {
    ++comments_;
    return;
  }
  const auto colon = std::min(line.find(':'), line.size());
  const std::string field = line.substr(0, colon);
  std::string value = colon < line.size() ? line.substr(colon + 1) : "";
  if (!value.empty() && value[0] == ' ') value.erase(0, 1);
  if (field == "data") {
    data_ += value + "\n";
  } else if (field == "event") {
    type_ = value;
  } else if (field == "id") {
    if (value.find('\0') == std::string::npos) last_event_id_ = value;
  } else if (field == "retry") {
    if (!value.empty() && std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      retry_ms_ = std::stol(value);
    }
  }
}

}  // namespace limpet::e2e
