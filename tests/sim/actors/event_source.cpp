// SPDX-License-Identifier: Apache-2.0
// See event_source.h.
#include "tests/sim/actors/event_source.h"

namespace limpet::sim {

using namespace std::chrono_literals;

// Chromium waits 3 s, Gecko 5 s.
EventSource::EventSource(Nature& nature, Commons& commons, std::string name, Manner manner)
    : Client(nature, commons, std::move(name), std::move(manner)),
      line_(nature, *this),
      back_(nature),
      retry_(chance(nature.random(), 0.5) ? 3s : 5s) {}

void EventSource::start() {
  commons_.history.begin(name_, now(), std::max<Duration>(pace(), 1ms));
  connect();
}

void EventSource::rest() {
  Client::rest();
  commons_.history.stop(name_, now());
}

std::string EventSource::unrest() const {
  if (state_ == State::Failed) return "failed for good";
  if (state_ != State::Open) return "not connected";
  const std::uint64_t told = commons_.history.count(name_, now());
  if (resting_ && seen_ != told) return "has " + std::to_string(seen_) + " events of " + std::to_string(told);
  return {};
}

void EventSource::connect() {
  state_ = State::Connecting;
  nature_.count(last_id_.empty() ? "event_source_opens" : "event_source_resumes");
  Ask get = ask("GET", kEventsPath, {name_, 0, ++tries_});
  get.fields.emplace_back("Accept", "text/event-stream");
  get.fields.emplace_back("Cache-Control", "no-cache");
  if (!last_id_.empty()) get.fields.emplace_back("Last-Event-ID", last_id_);
  line_.ask(std::move(get));
}

void EventSource::come_back() {
  if (parser_) {
    last_id_ = parser_->last_id();
    retry_ = parser_->retry().value_or(retry_);
    parser_.reset();
  }
  state_ = State::Waiting;
  back_.set(retry_, [this] { connect(); });
}

void EventSource::on_head(HttpLine& line, const Head& head) {
  const std::string type = head.fields.value("content-type");
  if (head.status == 200 && (type == "text/event-stream" || type.starts_with("text/event-stream;"))) {
    state_ = State::Open;
    parser_ = std::make_unique<EventParser>(last_id_, [this](const StreamEvent& event) { take(event); });
    return;
  }
  state_ = State::Failed;
  complain("failed for good: " + std::to_string(head.status) + " " + type);
  line.close();
}

void EventSource::on_body(HttpLine&, std::string_view piece) {
  parser_->feed(piece);
}

void EventSource::take(const StreamEvent& event) {
  if (!is_mine(event.data, {name_, 0, seen_ + 1}, line_.opened_at())) return;
  ++seen_;
  if (event.id != std::to_string(seen_)) nature_.fail("wrong_event_id", name_ + ": " + event.id);
  nature_.count("event");
}

void EventSource::on_answered(HttpLine& line) {
  if (parser_ && parser_->mid_event()) blame("end_inside_event", "an event stream ended cleanly", line.opened_at());
  nature_.count("event_stream_end");
  line.close();
  come_back();
}

void EventSource::on_lost(HttpLine&, const Lost&) {
  nature_.count("event_stream_lost");
  come_back();
}

}  // namespace limpet::sim
