// SPDX-License-Identifier: Apache-2.0
// The ways in which a WebSocket session ends (RFC 6455 §5.5.1, §7).
#include "proxy/session/websocket/session.h"

namespace limpet::session {

namespace {

constexpr Duration kMessageBoundaryWait = std::chrono::seconds(1);
constexpr Duration kLinger = std::chrono::seconds(3);  // for the peer's FIN after ours
constexpr std::uint16_t kGoingAway = 1001;
constexpr std::uint16_t kBadGateway = 1014;

}  // namespace

void WebSocketSession::farewell(CloseReason reason) {
  if (phase_ != Phase::Open) return;
  if (client_.closed_politely || client_.told_close || client_.eof) return;  // it is ending already
  end_reason_ = reason;
  goodbye_code_ = reason == CloseReason::IdleTimeout ? kGoingAway : route().websocket.drain_code;
  phase_ = Phase::AwaitingBoundary;
  phase_until_ = worker_.now() + kMessageBoundaryWait;
  say_close_at_boundary();
  if (phase_ == Phase::Over) return;
  arm();
  update_interest();
}

void WebSocketSession::cut(CloseReason reason) {
  finish(reason);
}

// Requires: phase_ is AwaitingBoundary.
void WebSocketSession::say_close_at_boundary() {
  if (backend_.seen.blind()) {  // nobody can tell where a Close may stand
    shut(backend_);
    return linger();
  }
  if (backend_.seen.at_message_boundary() || (any_frame_boundary_ && backend_.seen.at_frame_boundary())) {
    say_close(goodbye_code_);
  }
}

// The client gets our Close at once, behind what waits for it; from here on nothing else is sent to it.
void WebSocketSession::say_close(std::uint16_t code) {
  std::string frame;
  wire::append_close(frame, code, {}, nullptr);
  client_.told_close = true;
  count_close(code, metrics::By::Limpet);
  phase_ = Phase::CloseSent;
  phase_until_ = worker_.now() + route().websocket.close_timeout;
  send(client_, frame);
  if (phase_ != Phase::Over) arm();
}

// Tells the backend in the client's place, where the client's last frame is complete.
void WebSocketSession::say_going_away() {
  if (backend_.stream == nullptr || backend_.told_close || backend_.shut || client_.seen.blind() ||
      !client_.seen.at_frame_boundary()) {
    return;
  }
  std::uint8_t mask[4];
  worker_.random().fill(mask, sizeof mask);
  std::string frame;
  wire::append_close(frame, kGoingAway, {}, mask);
  backend_.told_close = true;
  send(backend_, frame);
}

void WebSocketSession::count_close(std::uint16_t code, metrics::By by) {
  if (close_counted_) return;
  close_counted_ = true;
  record_->close_code = code;
  record_->backend_cells().websocket_closes[metrics::close_code_index(code)][static_cast<std::size_t>(by)].add();
}

// Called before the Close is forwarded.
void WebSocketSession::saw_close(Side& from) {
  from.closed_politely = true;
  count_close(from.seen.close_code(), is_client(from) ? metrics::By::Client : metrics::By::Backend);
  other(from).told_close = true;
  if (phase_ == Phase::AwaitingBoundary) phase_ = Phase::Open;  // it ends by itself: nothing is added
  if (phase_ == Phase::Open && !client_.eof && !other(from).closed_politely) {
    end_reason_ = is_client(from) ? CloseReason::ClientClosed : CloseReason::BackendClosed;
  }
}

// Called when the Close has been forwarded.
void WebSocketSession::after_close(Side& from, bool lets_client_go) {
  if (phase_ == Phase::Open) {
    // The other answers and the backend closes, which ends the session. Bounded, should either not.
    phase_until_ = worker_.now() + route().websocket.close_timeout;
    arm();
    if (lets_client_go) client_.outlet.send_posted(worker_);
    if (lets_client_go && client_.outlet.empty()) {
      worker_.retire(std::move(client_.stream));
      client_.eof = client_.shut = true;
    }
  } else if (phase_ == Phase::BackendLost) {
    end_without_backend();
  } else if (is_client(from) && phase_ == Phase::CloseSent) {
    linger();
  }
}

// Both have said Close: when the client has it, its connection is closed, which is the server's part (RFC 6455 §7.1.1).
// A client that may still send the Pong that it owes, or has sent what nobody has read, is left to linger(): closing
// would then reset the connection.
bool WebSocketSession::may_let_client_go() const {
  return phase_ == Phase::Open && client_.closed_politely && backend_.closed_politely && client_.stream != nullptr &&
         !client_.owes_pong && !client_.ping_out && client_.outlet.empty() && client_.stream->silent();
}

// FIN to the client; what it still sends is read until its own FIN, for closing with unread input would send RST.
void WebSocketSession::linger() {
  phase_ = Phase::Lingering;
  phase_until_ = worker_.now() + kLinger;
  shut(client_);
  arm();
  finish_if_done();
}

void WebSocketSession::side_eof(Side& from) {
  from.eof = true;
  if (is_client(from)) {
    if (phase_ == Phase::BackendLost) return finish(end_reason_);
    if (phase_ == Phase::Open || phase_ == Phase::AwaitingBoundary) {
      if (!client_.closed_politely && !client_.told_close) end_reason_ = CloseReason::ClientClosed;
      phase_ = Phase::Open;
      phase_until_ = worker_.now() + route().websocket.close_timeout;
      arm();
    } else if (!client_.closed_politely) {
      say_going_away();
    }
    if (phase_ == Phase::Over) return;
    shut(backend_);
    if (phase_ == Phase::CloseSent) return linger();
  } else {
    if (may_forward_to_client() && !client_.told_close && !client_.closed_politely && !client_.eof) {
      return lost_backend(CloseReason::BackendClosed);
    }
    if (client_.stream == nullptr) return finish(end_reason_);
    if (phase_ == Phase::Open || phase_ == Phase::AwaitingBoundary) return linger();
  }
  finish_if_done();
}

// The connection to that side is broken.
void WebSocketSession::side_gone(Side& side) {
  if (phase_ == Phase::Over) return;
  if (is_client(side)) {
    const bool was_ending = client_.closed_politely || client_.told_close || phase_ == Phase::BackendLost;
    client_.shut = true;
    say_going_away();
    return finish(was_ending ? end_reason_ : CloseReason::ResetByClient);
  }
  backend_gone(CloseReason::ResetByBackend);
}

// The backend is of no use any more; what that means depends on how far the session's own end has come.
void WebSocketSession::backend_gone(CloseReason reason) {
  backend_.outlet.drop(worker_);
  worker_.retire(std::move(backend_.stream));
  backend_.eof = backend_.shut = true;
  if (may_forward_to_client() && !client_.told_close && !client_.closed_politely && !client_.eof) {
    return lost_backend(reason);
  }
  if (phase_ == Phase::Open || phase_ == Phase::AwaitingBoundary) return linger();
  finish_if_done();
}

// The backend broke off without a Close. Where many sessions lose theirs at once the clients' ends are spread; until
// then the client stays connected and what it says goes nowhere.
void WebSocketSession::lost_backend(CloseReason reason) {
  if (phase_ == Phase::Open) end_reason_ = reason;
  if (backend_.stream != nullptr) {
    backend_.outlet.drop(worker_);
    worker_.retire(std::move(backend_.stream));
  }
  backend_.eof = backend_.shut = true;
  phase_ = Phase::BackendLost;
  const Duration delay =
      record_->member.backend->crash_delay(worker_.now(), worker_.shared().crash_spread, worker_.random().fraction());
  if (delay.count() == 0) return end_without_backend();
  phase_until_ = worker_.now() + delay;
  arm();
}

void WebSocketSession::end_without_backend() {
  const bool may_close = !backend_.seen.blind() && backend_.seen.at_frame_boundary();
  if (may_close) say_close(kBadGateway);
  if (phase_ == Phase::Over) return;
  if (!may_close || client_.closed_politely) linger();
}

void WebSocketSession::finish_if_done() {
  if (phase_ == Phase::Over) return;
  const auto done = [](const Side& side) {
    return side.stream == nullptr || (side.eof && side.shut && side.outlet.empty());
  };
  if (done(client_) && done(backend_)) finish(end_reason_);
}

void WebSocketSession::finish(CloseReason reason, bool reset_client) {
  if (phase_ == Phase::Over) return;
  phase_ = Phase::Over;
  disarm();
  if (!close_counted_)
    count_close(0, reason == CloseReason::ResetByClient || reason == CloseReason::ClientClosed ? metrics::By::Client
                   : reason == CloseReason::Cut || reason == CloseReason::SlowClient           ? metrics::By::Limpet
                                                                                               : metrics::By::Backend);
  record_->finish(reason);
  for (Side* side : {&client_, &backend_}) {
    side->outlet.drop(worker_);
    if (side == &client_ && reset_client && side->stream != nullptr) side->stream->close_with_reset();
    worker_.retire(std::move(side->stream));
  }
  worker_.retire(*this);
}

}  // namespace limpet::session
