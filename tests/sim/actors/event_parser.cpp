// SPDX-License-Identifier: Apache-2.0
// See event_parser.h.
#include "tests/sim/actors/event_parser.h"

#include <algorithm>

namespace limpet::sim {
namespace {

constexpr std::string_view kMark = "\xEF\xBB\xBF";

}  // namespace

void EventParser::feed(std::string_view bytes) {
  for (const char c : bytes) {
    if (start_ < kMark.size()) {
      if (c == kMark[start_]) {
        ++start_;
        continue;
      }
      line_.append(kMark.substr(0, start_));
      start_ = kMark.size();
    }
    if (c == '\n' && std::exchange(after_cr_, false)) continue;
    after_cr_ = c == '\r';
    if (c != '\n' && c != '\r') {
      line_.push_back(c);
      continue;
    }
    const std::string line = std::exchange(line_, "");
    take_line(line);
  }
}

void EventParser::take_line(const std::string& line) {
  if (line.empty()) {
    last_id_ = next_id_;  // set even where there is nothing to dispatch
    if (!named_ && data_.empty()) ++blank_events_;
    named_ = false;
    StreamEvent event{std::exchange(type_, ""), std::exchange(data_, ""), last_id_};
    if (event.data.empty()) return;
    event.data.pop_back();
    if (event.type.empty()) event.type = "message";
    dispatch_(event);
    return;
  }
  if (line[0] == ':') return;
  const auto colon = std::min(line.find(':'), line.size());
  const std::string field = line.substr(0, colon);
  std::string value = colon < line.size() ? line.substr(colon + 1) : "";
  if (value.starts_with(' ')) value.erase(0, 1);
  named_ = true;
  if (field == "data") {
    data_ += value + "\n";
  } else if (field == "event") {
    type_ = value;
  } else if (field == "id") {
    if (value.find('\0') == std::string::npos) next_id_ = value;
  } else if (field == "retry") {
    const bool digits = std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!value.empty() && value.size() < 10 && digits) retry_ = std::chrono::milliseconds(std::stol(value));
    named_ = !data_.empty() || !type_.empty();
  } else {
    named_ = !data_.empty() || !type_.empty();
  }
}

}  // namespace limpet::sim
