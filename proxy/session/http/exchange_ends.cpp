// SPDX-License-Identifier: Apache-2.0
// Every way in which an exchange ends, and what time asks for.
#include <algorithm>
#include <utility>

#include "proxy/session/http/exchange.h"

namespace limpet::session {

namespace {

constexpr Duration kSilence = std::chrono::seconds(5);  // in mid-body, before the kernel is asked to probe both sides

}  // namespace

// Of a connection that has served before and is of no use: true where the request goes out on another one.
bool Exchange::try_another() {
  // A login would go on in the middle.
  if (!reused_ || is_bound_ || !could_repeat_ || !input_.empty() || informational_ > 0) return false;
  worker_.retire(std::move(backend_));
  to_backend_.drop(worker_);
  to_backend_.hold(worker_, *request_text_);
  connect(false);
  return true;
}

// What it says was there before the request: it is the rest of another answer.
void Exchange::backend_strayed() {
  worker_.upstreams().said_too_much(*record_->member.backend);
  if (try_another()) return;
  drop_backend();
  answer_unavailable(502, CloseReason::ProtocolError);
}

// The backend has closed (or broken off) its side.
void Exchange::backend_eof(bool reset) {
  if (state_ == State::Sent) {
    if (try_another()) return;
    drop_backend();
    if (!reused_) worker_.shared().observed(*record_->member.backend, false);  // else it only closed an idle connection
    input_.clear();
    if (learned_) return answer_gone();
    return answer_unavailable(502, reset ? CloseReason::ResetByBackend : CloseReason::BackendClosed);
  }
  keeps_backend_ = false;
  const bool is_whole = !reset && body_.end_of_input() == wire::Status::Done;
  if (is_whole && events_ && body_.framing() == wire::Framing::UntilClose) {
    end_reason_ = CloseReason::BackendClosed;
    return end_stream();  // with a retry: this may as well be the end of a backend that died
  }
  if (is_whole) return body_done();
  drop_backend();
  const CloseReason reason = reset ? CloseReason::ResetByBackend : CloseReason::BackendClosed;
  if (record_->protocol() == Protocol::Sse) return end_stream_later(reason);
  finish(reason);
  state_ = State::Over;
  client_.abort(true);
}

void Exchange::body_done() {
  client_.send_end(body_.framing() == wire::Framing::Chunked ? &body_.trailers() : nullptr);
  if (!client_.flush()) return;
  give_back_backend();
  drain_then_finish(leaving_.value_or(CloseReason::BackendClosed));
}

// The backend died under an event stream. Where many die at once their ends are spread; the client stays connected
// meanwhile.
void Exchange::end_stream_later(CloseReason reason) {
  end_reason_ = reason;
  const Duration delay =
      record_->member.backend->crash_delay(worker_.now(), worker_.shared().crash_spread, worker_.random().fraction());
  state_ = State::Ending;
  if (delay.count() == 0) return end_stream();
  deadline_ = worker_.now() + delay;
  worker_.wheel().arm(*this, deadline_);
}

// `retry:` and the end of the body: the client's EventSource comes back by itself.
void Exchange::end_stream() {
  if (leaving_) end_reason_ = *leaving_;
  drop_backend();
  std::string text;
  if (events_) {
    text = events_->farewell(worker_.random().fraction());
    const std::string_view piece(text);
    client_.send_body({&piece, 1});
  }
  client_.send_end(nullptr);
  if (!client_.flush()) return;
  drain_then_finish(end_reason_);
}

// Where the connection is kept, an answer's last bytes are its to send, should the client not take them with the batch.
void Exchange::drain_then_finish(CloseReason reason) {
  const bool ends = client_.closes_after() || leaving_ || events_;
  if ((ends || worker_.shared().draining.load(std::memory_order_relaxed)) && !client_.send_posted()) return;
  if (client_.pending() > 0) {
    state_ = State::Draining;
    end_reason_ = reason;
    arm_timer();
    return;
  }
  finish(reason);
  state_ = State::Over;
  client_.exchange_over();
}

void Exchange::finish(CloseReason reason) {
  disarm();
  if (!record_ || record_->finished()) return;
  if (record_->counted() && record_->protocol() == Protocol::Http && response_begun_) {
    record_->backend_cells().http_request_duration.observe(in_seconds(worker_.now() - began_));
  }
  record_->finish(reason);
}

void Exchange::drop_backend() {
  if (backend_ != nullptr && binds_backend_ && !from_trusted_) client_.login_lost();
  worker_.retire(std::move(backend_));
  to_backend_.drop(worker_);
}

void Exchange::give_back_backend() {
  if (to_backend_.send_posted(worker_) == net::IoStatus::Reset) keeps_backend_ = false;
  if (keeps_backend_ && request_done_ && to_backend_.empty() && backend_ != nullptr) {
    keep_backend();
  } else {
    drop_backend();
  }
}

// For the client's own next request, where a user may be logged in on it; else for anyone's.
void Exchange::keep_backend() {
  const Backend& backend = *record_->member.backend;
  if (!binds_backend_) {
    worker_.upstreams().put(backend, number_, std::move(backend_));
  } else if (!worker_.bound_upstreams().put(client_, backend, std::move(backend_))) {
    client_.login_lost();
  }
}

void Exchange::client_eof() {
  if (state_ == State::Over) return;
  const Protocol protocol = record_->protocol();
  if (protocol != Protocol::Sse && protocol != Protocol::LongPoll && protocol != Protocol::WebSocket) return;
  drop_backend();
  finish(CloseReason::ClientClosed);
  state_ = State::Over;
  client_.abort(false);
}

void Exchange::client_reset() {
  if (state_ == State::Over) return;
  state_ = State::Over;
  drop_backend();
  finish(CloseReason::ResetByClient);
}

void Exchange::client_drained() {
  if (state_ == State::Over) return;
  last_activity_ = worker_.now();
  if (state_ == State::Draining && client_.pending() == 0) {
    finish(end_reason_);
    state_ = State::Over;
    return client_.exchange_over();
  }
  if (paused_backend_ && client_.pending() <= high_water() / 2) {
    paused_backend_ = false;
    watch_backend();
  }
  if (events_ && state_ == State::Body && client_.pending() == 0) arm_timer();  // heartbeats are due again
}

void Exchange::client_backs_up() {
  if (state_ == State::Body) mind_back_pressure();
}

void Exchange::farewell(CloseReason reason) {
  if (state_ == State::Over || leaving_) return;
  leaving_ = reason;
  // Before the response has begun the key's move is noticed on connecting, or the farewell follows as soon as it is
  // open.
  if (state_ != State::Body || record_->protocol() != Protocol::Sse) return;
  if (!events_ || events_->want_farewell()) end_stream();  // an encoded stream just ends
}

void Exchange::cut(CloseReason reason) {
  if (state_ == State::Over) return;
  drop_backend();
  if (!response_begun_)
    return answer(503, reason, "this took longer than the drain allowed", "Retry-After", retry_after());
  if (events_ && state_ != State::Draining) {
    leaving_ = reason;
    end_stream();
    if (state_ != State::Draining) return;  // else its client takes what is left too slowly
  }
  finish(reason);
  state_ = State::Over;
  client_.abort(true);
}

void Exchange::arm_timer() {
  const Time now = worker_.now();
  const auto& route = *record_->route;
  Time due = deadline_ == Time{} ? Time::max() : deadline_;
  switch (state_) {
  case State::Sent:
    if (!request_done_) {
      due = std::min(due, last_activity_ + route.http.stall_timeout);
    } else {
      const bool poll = shape_ == Protocol::LongPoll;
      due = std::min(due, sent_at_ + (poll ? route.long_poll.timeout : route.http.response_timeout));
      if (record_->protocol() == Protocol::Http) due = std::min(due, sent_at_ + route.long_poll.after);
    }
    break;
  case State::Body:
    if (!probing_) due = std::min(due, last_activity_ + kSilence);
    due = std::min(due, heartbeat_due());
    if (client_.pending() > 0) due = std::min(due, client_.stalled_since() + route.http.stall_timeout);
    break;
  case State::Draining:
    due = client_.stalled_since() + route.http.stall_timeout;
    break;
  case State::Picking:
  case State::Connecting:
  case State::Ending:
  case State::Over:
    break;
  }
  if (due == Time::max()) {
    disarm();
  } else {
    worker_.wheel().arm(*this, std::max(due, now));
  }
}

Time Exchange::heartbeat_due() const {
  const Duration every = record_->route->sse.heartbeat;
  if (!events_ || every.count() == 0 || client_.pending() > 0) return Time::max();
  return std::max(last_activity_, sent_at_) + every;
}

// In mid-body, after a silence.
void Exchange::probe_both() {
  if (std::exchange(probing_, true)) return;
  if (backend_ != nullptr) backend_->probe_when_idle();
  client_.probe_when_idle();
}

void Exchange::on_timer() {
  const Time now = worker_.now();
  const auto& route = *record_->route;
  if (state_ == State::Over) return;
  if (state_ == State::Connecting && now >= deadline_) return connect_failed(true);
  if (state_ == State::Ending && now >= deadline_) return end_stream();
  if (client_.pending() > 0 && client_.stalled(route.http.stall_timeout)) {
    drop_backend();
    finish(CloseReason::SlowClient);
    state_ = State::Over;
    return client_.abort(true);
  }
  if (state_ == State::Sent) {
    if (!request_done_) {
      if (now >= last_activity_ + route.http.stall_timeout) {
        if (!to_backend_.empty()) {  // it is the backend that does not take it
          worker_.shared().observed(*record_->member.backend, false);
          drop_backend();
          return answer_unavailable(504, CloseReason::IdleTimeout);
        }
        drop_backend();
        return answer(408, CloseReason::SlowClient, "the request body did not come in time");
      }
    } else {
      const bool poll = shape_ == Protocol::LongPoll;
      if (now >= sent_at_ + (poll ? route.long_poll.timeout : route.http.response_timeout)) {
        worker_.shared().observed(*record_->member.backend, false);
        drop_backend();
        return answer_unavailable(504, CloseReason::IdleTimeout);
      }
      if (record_->protocol() == Protocol::Http && now >= sent_at_ + route.long_poll.after) {
        record_->set_protocol(Protocol::LongPoll);
        record_->count_opened(client_.http11() ? metrics::HttpVersion::Http11 : metrics::HttpVersion::Http10);
      }
    }
  }
  if (state_ == State::Body && now >= last_activity_ + kSilence) probe_both();
  if (state_ == State::Body && now >= heartbeat_due()) {
    probe_both();
    const std::string_view comment = events_->heartbeat();
    sent_at_ = now;
    if (!comment.empty()) {
      client_.send_body({&comment, 1});
      if (!client_.flush()) return;
    }
  }
  arm_timer();
}

}  // namespace limpet::session
