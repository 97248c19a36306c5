// SPDX-License-Identifier: Apache-2.0
// The event stream interpretation of WHATWG HTML §9.2.6, as a browser does it, and what parsers over fetch() make of a
// blank line besides. Fed with the decoded body in any pieces; an event that the end leaves unfinished is dropped.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proxy/base/clock.h"

namespace limpet::sim {

struct StreamEvent {
  std::string type, data, id;
};

class EventParser {
 public:
  EventParser(std::string last_id, std::function<void(const StreamEvent&)> dispatch)
      : dispatch_(std::move(dispatch)), last_id_(last_id), next_id_(std::move(last_id)) {}

  void feed(std::string_view bytes);

  const std::string& last_id() const { return last_id_; }
  std::optional<Duration> retry() const { return retry_; }  // the last that was given
  bool mid_event() const { return !data_.empty() || !line_.empty() || named_; }
  // Blank lines that end nothing: an empty message to whoever reads the answer to a POST (fetch-event-source).
  std::size_t blank_events() const { return blank_events_; }

 private:
  void take_line(const std::string& line);

  const std::function<void(const StreamEvent&)> dispatch_;
  std::string last_id_, next_id_;
  std::string line_, type_, data_;
  std::optional<Duration> retry_;
  std::size_t start_ = 0;  // bytes of the byte order mark seen; 3: that question is settled
  std::size_t blank_events_ = 0;
  bool after_cr_ = false;
  bool named_ = false;  // a field of the next event has come
};

}  // namespace limpet::sim
