// SPDX-License-Identifier: Apache-2.0
// The event stream interpretation of WHATWG HTML §9.2.6, as a browser does it: what a client of limpet really gets to
// see. Fed with the decoded body in any pieces. An event that the end of the stream leaves unfinished is never
// reported.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace limpet::e2e {

struct ServerEvent {
  std::string type, data, id;
};

class EventStreamParser {
 public:
  using Dispatch = std::function<void(const ServerEvent&)>;
  EventStreamParser(Dispatch dispatch, std::string last_event_id)
      : dispatch_(std::move(dispatch)), last_event_id_(std::move(last_event_id)) {}

  void feed(std::string_view bytes);
  long retry_ms() const { return retry_ms_; }  // the last one given, or -1
  const std::string& last_event_id() const { return committed_id_.empty() ? last_event_id_ : committed_id_; }
  bool between_events() const { return data_.empty() && line_.empty(); }
  std::size_t comments() const { return comments_; }

 private:
  void take_line();

  const Dispatch dispatch_;
  std::string last_event_id_;
  std::string committed_id_;  // of the last event that was dispatched
  std::string line_, data_, type_;
  long retry_ms_ = -1;
  std::size_t comments_ = 0;
  std::size_t start_ = 0;  // bytes of a BOM seen so far; 3 when the question is settled
  bool after_cr_ = false;
};

}  // namespace limpet::e2e
