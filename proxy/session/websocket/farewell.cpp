// SPDX-License-Identifier: Apache-2.0
// The ways in which a WebSocket session ends (RFC 6455 §5.5.1, §7): by a farewell, by a peer's Close or FIN, by a
// connection that breaks. Each end waits for what the peers still have to take and to say; how long is keepalive.cpp's.
// The server's side closes first and reads to the client's FIN: closing with unread input would send RST, behind which
// the Close may be lost.
#include "proxy/session/websocket/session.h"

namespace limpet::session {

namespace {

constexpr std::uint16_t kGoingAway = 1001;
constexpr Duration kFirstLook = std::chrono::milliseconds(100);

}  // namespace

// A phase of the end, which has its time from now on. Most are over before anyone has to look whether all that was sent
// is acknowledged.
void WebSocketSession::begin(Phase phase) {
  phase_ = phase;
  begin_wait();
  worker_.wheel().arm(*this, worker_.now() + std::min<Duration>(kFirstLook, route().websocket.close_timeout));
}

// --- the farewell ---

void WebSocketSession::farewell(CloseReason reason) {
  if (over() || (phase_ != Phase::Open && phase_ != Phase::Closing)) return;
  dismissed_ = dismissed_ || reason != CloseReason::IdleTimeout;
  if (phase_ == Phase::Closing) return;  // it is ending already
  end_reason_ = reason;
  goodbye_code_ = reason == CloseReason::IdleTimeout ? kGoingAway : route().websocket.drain_code;
  begin(Phase::AwaitingBoundary);
  say_close_at_boundary();
  if (!over()) update_interest();
}

// Requires: phase_ is AwaitingBoundary.
void WebSocketSession::say_close_at_boundary() {
  const Observer& seen = backend_half_.seen;
  if (seen.blind()) {  // nobody can tell where a Close may stand
    shut(backend_);
    return linger();
  }
  if (seen.at_message_boundary() || (any_frame_boundary_ && seen.at_frame_boundary())) say_close(goodbye_code_);
}

// The client gets our Close at once, behind what waits for it; from here on nothing else is sent to it.
void WebSocketSession::say_close(std::uint16_t code) {
  if (client_.stream == nullptr) return;
  std::string frame;
  wire::append_close(frame, code, {}, nullptr);
  client_half_.told_close = true;
  count_close(code, metrics::By::Limpet);
  phase_ = Phase::CloseSent;
  send(client_, frame);
  if (!over() && phase_ == Phase::CloseSent) begin(Phase::CloseSent);
}

// Tells the backend in the client's place, where the client's last frame is complete.
void WebSocketSession::say_going_away() {
  if (backend_.stream == nullptr || backend_half_.told_close || backend_.shut ||
      !client_half_.seen.at_frame_boundary()) {
    return;
  }
  std::uint8_t mask[4];
  worker_.random().fill(mask, sizeof mask);
  std::string frame;
  wire::append_close(frame, kGoingAway, {}, mask);
  backend_half_.told_close = true;
  send(backend_, frame);
}

void WebSocketSession::count_close(std::uint16_t code, metrics::By by) {
  if (close_counted_) return;
  close_counted_ = true;
  record_->close_code = code;
  record_->backend_cells().websocket_closes[metrics::close_code_index(code)][static_cast<std::size_t>(by)].add();
}

// --- a peer says Close ---

// Called before the Close is forwarded.
void WebSocketSession::saw_close(End& from) {
  Half& speaker = half(from);
  Half& hearer = half(other(from));
  speaker.closed_politely = true;
  count_close(speaker.seen.close_code(), is_client(from) ? metrics::By::Client : metrics::By::Backend);
  hearer.told_close = true;
  if (!may_forward_to_client()) return;
  phase_ = Phase::Closing;  // from a farewell's wait, too: it ends by itself, and nothing is added
  if (!client_.eof && !hearer.closed_politely) {
    end_reason_ = is_client(from) ? CloseReason::ClientClosed : CloseReason::BackendClosed;
  }
}

// Called when the Close has been forwarded.
void WebSocketSession::after_close(End& from, bool lets_client_go) {
  if (phase_ == Phase::Closing) {
    // The other answers and the backend closes, which ends the session. Bounded, should either not.
    begin(Phase::Closing);
    if (lets_client_go && all_taken(client_)) release(client_);
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
  return phase_ == Phase::Closing && client_half_.closed_politely && backend_half_.closed_politely &&
         client_.stream != nullptr && !client_half_.owes_pong && !client_half_.ping_out && client_.outlet.empty() &&
         client_.stream->silent();
}

// FIN to the client; what it still sends is read until its own FIN, for closing with unread input would send RST.
void WebSocketSession::linger() {
  shut(client_);
  begin(Phase::Lingering);
  finish_if_done();
}

// --- a peer's FIN, or a connection that breaks ---

void WebSocketSession::on_fin(End& from) {
  if (is_client(from)) {
    if (phase_ == Phase::BackendLost) return end_without_backend();
    if (may_forward_to_client()) {
      if (!client_half_.closed_politely && !client_half_.told_close) end_reason_ = CloseReason::ClientClosed;
      begin(Phase::Closing);
    } else if (!client_half_.closed_politely) {
      say_going_away();
    }
    if (over()) return;
    shut(backend_);
    if (phase_ == Phase::CloseSent) return linger();
  } else if (may_forward_to_client() && client_stays()) {
    return lost_backend(CloseReason::BackendClosed);
  } else if (client_.stream == nullptr) {  // nobody is left who could say more to it
    if (all_taken(backend_)) return finish(end_reason_);
    shut(backend_);
  } else if (may_forward_to_client()) {
    return linger();
  }
  finish_if_done();
}

void WebSocketSession::on_lost(End& end) {
  if (!half(end).closed_politely) torn_ = true;  // what it was sent last may be lost
  if (!is_client(end)) return leave_backend(CloseReason::ResetByBackend);
  const bool was_ending = client_half_.closed_politely || client_half_.told_close || phase_ == Phase::BackendLost;
  leave_client(was_ending ? end_reason_ : CloseReason::ResetByClient);
}

// The client is no more. What it sent still goes to the backend, which hears of it; no answer is awaited.
void WebSocketSession::leave_client(CloseReason reason) {
  release(client_);
  end_reason_ = reason;
  say_going_away();
  if (over()) return;
  if (all_taken(backend_)) return finish(end_reason_);
  shut(backend_);
  backend_.eof = true;
  begin(Phase::Lingering);
}

// The backend is of no use any more; what that means depends on how far the session's own end has come.
void WebSocketSession::leave_backend(CloseReason reason) {
  if (may_forward_to_client() && client_stays()) return lost_backend(reason);
  release(backend_);
  if (may_forward_to_client()) return linger();
  finish_if_done();
}

// The backend broke off without a Close. Where many sessions lose theirs at once the clients' ends are spread; until
// then the client stays connected and what it says goes nowhere.
void WebSocketSession::lost_backend(CloseReason reason) {
  if (phase_ == Phase::Open) end_reason_ = reason;
  if (!backend_half_.seen.at_message_boundary()) torn_ = true;
  release(backend_);
  phase_ = Phase::BackendLost;
  const Time now = worker_.now();
  const Duration delay =
      record_->member.backend->crash_delay(now, worker_.shared().crash_spread, worker_.random().fraction());
  if (delay.count() == 0) return end_without_backend();
  ending_since_ = now + delay;
  arm();
}

void WebSocketSession::end_without_backend() {
  const bool may_close = backend_half_.seen.at_frame_boundary();
  if (may_close) say_close(route().websocket.crash_code);
  if (over() || client_.stream == nullptr) return;
  if (!may_close || client_half_.closed_politely || client_.eof) linger();
}

// --- the time of a phase is over ---

void WebSocketSession::end_phase(Time now) {
  switch (phase_) {
  case Phase::AwaitingBoundary:
    return finish(CloseReason::Cut);  // stands in the middle of a frame
  case Phase::CloseSent:
    // The client did not answer. What it sent is with the backend (or on its way there); now the backend hears of it.
    if (!client_half_.seen.at_frame_boundary() && !client_half_.seen.blind()) torn_ = true;
    say_going_away();
    if (over()) return;
    shut(backend_);
    return linger();
  case Phase::Closing:  // a closing handshake that nobody completes
  case Phase::Lingering:
    if (!delivery(now, true).complete) torn_ = true;
    return finish(end_reason_);
  case Phase::Open:
  case Phase::BackendLost:
    return;  // they end otherwise
  }
}

void WebSocketSession::before_finish(CloseReason reason) {
  if (close_counted_) return;
  const bool by_client = reason == CloseReason::ResetByClient || reason == CloseReason::ClientClosed;
  const bool by_limpet = reason == CloseReason::Cut || reason == CloseReason::SlowClient;
  count_close(0, by_client ? metrics::By::Client : by_limpet ? metrics::By::Limpet : metrics::By::Backend);
}

}  // namespace limpet::session
