// SPDX-License-Identifier: Apache-2.0
// What time asks for. One function says what is due and when to look again: look(). A peer is asked what it has
// acknowledged (one system call) only where a time would be over otherwise, or where a request may take a while until
// its backend has it.
#include <algorithm>
#include <utility>

#include "proxy/session/http/exchange.h"

namespace limpet::session {

namespace {

constexpr Duration kSilence = std::chrono::seconds(5);  // in mid-body, before the kernel is asked to probe both sides
constexpr Duration kShortestLook = std::chrono::milliseconds(50);
constexpr Duration kLongestLook = std::chrono::seconds(1);
constexpr std::uint64_t kOneFlight = 14 * 1024;  // bytes that even a new connection takes a round trip for, and no more

}  // namespace

// Gathers, at one moment, what is due (the first that is said) and when the next thing will be.
struct Exchange::Look {
  const Time now;
  Due due = Due::Nothing;
  Time next = Time::max();

  void at(Time when, Due what) {
    if (now >= when && due == Due::Nothing) due = what;
    again(when);
  }
  void again(Time when) { next = std::min(next, when); }
};

void Exchange::on_timer() {
  if (state_ == State::Over) return;
  for (;;) {
    const Look found = look();
    if (found.due == Due::Nothing) return arm_timer_for(found.next);
    if (!carry_out(found.due)) return;
  }
}

void Exchange::arm_timer() {
  const Look found = look();
  arm_timer_for(found.due == Due::Nothing ? found.next : found.now);
}

void Exchange::arm_timer_for(Time next) {
  if (next == Time::max()) return disarm();
  worker_.wheel().arm(*this, next);
}

Exchange::Look Exchange::look() {
  Look look{worker_.now()};
  if (client_.pending() > 0) {
    const Duration limit = record_->route->http.stall_timeout;
    if (client_.stalled(limit)) look.at(look.now, Due::ClientStalls);
    look.again(client_.stalled_since() + limit);
  }
  switch (state_) {
  case State::Sent:
    look_at_request(look);
    break;
  case State::Body:
    look_at_body(look);
    break;
  case State::Ending:
    look.at(ends_at_, Due::EndOfStream);
    break;
  case State::Opening:
  case State::Draining:
  case State::Over:
    break;
  }
  return look;
}

// The answer's time begins, as far as is known yet: the request has been written, as much of it as has come.
void Exchange::time_answer() {
  request_.sent_at = worker_.now();
  request_.acknowledged = false;
  request_.left = 0;
  request_.lags = request_.body_size > kOneFlight || !to_backend_.empty();
}

// The clock of the answer starts when the backend's side has acknowledged the request; until then whoever lets it stand
// still is told by stall_timeout.
void Exchange::look_at_request(Look& look) {
  const auto& route = *record_->route;
  const bool polls = request_.shape == Protocol::LongPoll;
  const Duration limit = polls ? route.long_poll.timeout : route.http.response_timeout;
  const bool may_become_poll = record_->protocol() == Protocol::Http;
  if (!request_.acknowledged) {
    const Time first = !request_.done    ? request_.moved_at + between_looks()
                       : request_.lags   ? request_.sent_at + between_looks()
                       : may_become_poll ? request_.sent_at + std::min<Duration>(limit, route.long_poll.after)
                                         : request_.sent_at + limit;
    if (look.now < first) return look.again(first);
    switch (uptake()) {
    case Uptake::Stalled:
      return look.at(look.now, Due::BackendStalls);
    case Uptake::Some:
      request_.lags = true;
      return look.again(look.now + between_looks());
    case Uptake::All:
      break;
    }
    if (!request_.done) return look.at(request_.moved_at + route.http.stall_timeout, Due::RequestStalls);
    request_.acknowledged = true;
    if (request_.lags) request_.sent_at = look.now;
  }
  look.at(request_.sent_at + limit, Due::NoAnswer);
  if (may_become_poll) look.at(request_.sent_at + route.long_poll.after, Due::LongPoll);
}

void Exchange::look_at_body(Look& look) {
  if (!upstream_.probed) look.at(last_activity_ + kSilence, Due::Probe);
  look.at(heartbeat_due(), Due::Heartbeat);
  // An answer may begin before its request has ended. While either moves, or the client is busy with what it has got,
  // nobody is cut.
  if (request_.done || client_.pending() > 0) return;
  const Duration limit = record_->route->http.stall_timeout;
  if (look.now < last_activity_ + limit) return look.again(last_activity_ + limit);
  switch (uptake()) {
  case Uptake::Stalled:
    return look.at(look.now, Due::BackendStalls);
  case Uptake::Some:
    return look.again(look.now + between_looks());
  case Uptake::All:
    return look.again(look.now + limit);
  }
}

// What the backend's side does with what it was sent. Socket buffers are large: that nothing waits here any more does
// not say that the backend has it.
Exchange::Uptake Exchange::uptake() {
  const Time now = worker_.now();
  const Duration limit = record_->route->http.stall_timeout;
  if (backend_ == nullptr) return Uptake::All;
  const std::size_t left = to_backend_.pending() + backend_->unacknowledged();
  if (left != request_.left) {
    request_.left = left;
    if (left > 0 || request_.lags) request_.moved_at = now;
  }
  if (left == 0) return Uptake::All;
  request_.lags = true;
  return now < request_.moved_at + limit ? Uptake::Some : Uptake::Stalled;
}

// Often enough for the shortest of the times that are measured from what is seen then.
Duration Exchange::between_looks() const {
  const auto& http = record_->route->http;
  return std::clamp<Duration>(std::min(http.stall_timeout, http.response_timeout) / 16, kShortestLook, kLongestLook);
}

bool Exchange::carry_out(Due due) {
  switch (due) {
  case Due::Nothing:
    break;
  case Due::EndOfStream:
    end_stream();
    return false;
  case Due::ClientStalls:
    break_off(CloseReason::SlowClient);
    return false;
  case Due::RequestStalls:
    drop_backend();
    answer(408, CloseReason::SlowClient, "the request body did not come in time");
    return false;
  case Due::BackendStalls:
  case Due::NoAnswer:
    if (response_.begun) {
      break_off(CloseReason::IdleTimeout);
      return false;
    }
    worker_.shared().observed(*record_->member.backend, false);
    drop_backend();
    answer_unavailable(504, CloseReason::IdleTimeout);
    return false;
  case Due::LongPoll:
    record_->set_protocol(Protocol::LongPoll);
    record_->count_opened(client_.version());
    if (!request_.is_last) break;
    client_eof();
    return false;
  case Due::Probe:
    probe_both();
    break;
  case Due::Heartbeat: {
    probe_both();
    const std::string_view comment = events_->heartbeat();
    commented_at_ = worker_.now();
    if (comment.empty()) break;
    client_.send_body({&comment, 1});
    return client_.flush();
  }
  }
  return true;
}

Time Exchange::heartbeat_due() const {
  const Duration every = record_->route->sse.heartbeat;
  if (!events_ || every.count() == 0 || client_.pending() > 0) return Time::max();
  return std::max(last_activity_, commented_at_) + every;
}

// In mid-body, after a silence.
void Exchange::probe_both() {
  if (std::exchange(upstream_.probed, true)) return;
  if (backend_ != nullptr) backend_->probe_when_idle();
  client_.probe_when_idle();
}

}  // namespace limpet::session
