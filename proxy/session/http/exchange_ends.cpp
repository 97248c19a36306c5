// SPDX-License-Identifier: Apache-2.0
// Every way in which an exchange ends, or its request goes out once more, and what becomes of the backend's connection.
#include <algorithm>
#include <utility>

#include "proxy/session/http/exchange.h"

namespace limpet::session {

// Of a connection that was of no use: true where the request goes out on another one.
bool Exchange::ask_again(bool fresh, bool was_taken) {
  // A login would go on in the middle.
  if (upstream_.origin == Connector::Origin::Bound) return false;
  if (!request_.repeatable || !input_.empty() || response_.informational > 0) return false;
  // The lost connection may have held what a poll had waited for, which nobody says twice.
  request_.answer_lost = record_->protocol() == Protocol::LongPoll && was_taken;
  if (request_.answer_lost && (!connector_->learned() || connector_->request().counts_as_absent)) return false;
  worker_.retire(std::move(backend_));
  to_backend_.drop(worker_);
  to_backend_.hold(worker_, *request_text_);
  state_ = State::Opening;
  disarm();
  connector_->reopen(fresh || request_.answer_lost);
  return true;
}

// The backend takes nothing any more. What it has answered is read first.
void Exchange::mind_refusal(net::IoStatus sent) {
  if (sent != net::IoStatus::Reset) return;
  upstream_.refused = true;
  to_backend_.drop(worker_);
}

// What it says was there before the request: it is the rest of another answer.
void Exchange::backend_strayed() {
  worker_.upstreams().said_too_much(*record_->member.backend);
  if (ask_again(false, true)) return;
  drop_backend();
  answer_unavailable(502, CloseReason::ProtocolError);
}

// The backend has closed (or broken off) its side.
void Exchange::backend_eof(bool reset) {
  if (state_ == State::Sent) {
    const bool is_new = upstream_.origin == Connector::Origin::New;
    if (is_new) worker_.shared().observed(*record_->member.backend, false);  // else it only closed an idle connection
    // A learned session lives on its backend: whether that is gone a new connection tells.
    if (!is_new || (connector_->learned() && !std::exchange(request_.repeated, true))) {
      // What a backend had closed before the request came does not acknowledge it; what its kernel has acknowledged it
      // may have read.
      mind_refusal(to_backend_.send_posted(worker_));
      if (ask_again(is_new, is_new || (!upstream_.refused && backend_->unacknowledged() == 0))) return;
    }
    drop_backend();
    input_.clear();
    return answer_unavailable(502, reset ? CloseReason::ResetByBackend : CloseReason::BackendClosed);
  }
  upstream_.may_serve_again = false;
  const bool is_whole = !reset && body_.end_of_input() == wire::Status::Done;
  if (is_whole && events_ && body_.framing() == wire::Framing::UntilClose) {
    end_reason_ = CloseReason::BackendClosed;
    return end_stream();  // with a retry: this may as well be the end of a backend that died
  }
  if (is_whole) return body_done();
  const CloseReason reason = reset ? CloseReason::ResetByBackend : CloseReason::BackendClosed;
  if (record_->protocol() != Protocol::Sse) return break_off(reason);
  drop_backend();
  end_stream_later(reason);
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
  ends_at_ = worker_.now() + delay;
  arm_timer();
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

// The client must not take what it has got for whole.
void Exchange::break_off(CloseReason reason) {
  drop_backend();
  finish(reason);
  state_ = State::Over;
  client_.abort(true);
}

void Exchange::finish(CloseReason reason) {
  disarm();
  if (!record_ || record_->finished()) return;
  if (record_->counted() && record_->protocol() == Protocol::Http && response_.begun) {
    record_->backend_cells().http_request_duration.observe(in_seconds(worker_.now() - began_));
  }
  record_->finish(reason);
}

void Exchange::drop_backend() {
  if (connector_) connector_->stop();
  if (backend_ != nullptr && upstream_.binds && !request_.from_trusted) client_.login_lost();
  worker_.retire(std::move(backend_));
  to_backend_.drop(worker_);
}

void Exchange::give_back_backend() {
  if (to_backend_.send_posted(worker_) == net::IoStatus::Reset) upstream_.may_serve_again = false;
  if (upstream_.may_serve_again && request_.done && to_backend_.empty() && backend_ != nullptr) {
    keep_backend();
  } else {
    drop_backend();
  }
}

// For the client's own next request, where a user may be logged in on it; else for anyone's.
void Exchange::keep_backend() {
  const Backend& backend = *record_->member.backend;
  if (!upstream_.binds) {
    worker_.upstreams().put(backend, number_, std::move(backend_));
  } else if (!worker_.bound_upstreams().put(client_, backend, std::move(backend_))) {
    client_.login_lost();
  }
}

// An answer that would go on by itself is given up; what may yet turn out to be one is asked again when it does.
void Exchange::client_eof() {
  if (state_ == State::Over) return;
  request_.is_last = true;
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
  if (upstream_.paused && client_.pending() <= high_water() / 2) {
    upstream_.paused = false;
    watch_backend();
  }
  if (events_ && state_ == State::Body && client_.pending() == 0) arm_timer();  // heartbeats are due again
}

void Exchange::client_backs_up() {
  if (state_ == State::Body) mind_back_pressure();
}

void Exchange::farewell(CloseReason reason) {
  if (state_ == State::Over || leaving_) return;
  // Who has not come to the place that it is told to leave goes elsewhere at once; when the process leaves there is
  // nowhere better.
  const bool follows = state_ == State::Opening && connector_ != nullptr && reason != CloseReason::Shutdown;
  if (follows && !worker_.shared().affinity.is_still_placed(record_->member) && connector_->key_moved()) return;
  leaving_ = reason;
  // Before the response has begun the key's move is noticed on asking again, or the farewell follows as soon as it is
  // open.
  if (state_ != State::Body || record_->protocol() != Protocol::Sse) return;
  if (!events_ || events_->want_farewell()) end_stream();  // an encoded stream just ends
}

void Exchange::cut(CloseReason reason) {
  if (state_ == State::Over) return;
  drop_backend();
  if (!response_.begun) return answer_come_again(503, reason, "this took longer than the drain allowed");
  if (events_ && state_ != State::Draining) {
    leaving_ = reason;
    end_stream();
    if (state_ != State::Draining) return;  // else its client takes what is left too slowly
  }
  break_off(reason);
}

}  // namespace limpet::session
