// SPDX-License-Identifier: Apache-2.0
// What time asks of a WebSocket session: Pings to silent peers, idle and stall limits, and the end of each phase.
// Nothing is re-armed per message: the timer looks at the last-heard stamps when it fires.
#include <algorithm>
#include <cstring>

#include "proxy/base/crypto.h"
#include "proxy/session/websocket/session.h"

namespace limpet::session {

namespace {

constexpr std::uint32_t kBehindMuch = 16 * 1024;                 // bytes; less is on its way for a moment only
constexpr Duration kPingRetry = std::chrono::milliseconds(500);  // where a Ping was due but could not stand there

}  // namespace

void WebSocketSession::arm() {
  const Time due = next_due();
  if (due == Time::max()) {
    disarm();
  } else {
    worker_.wheel().arm(*this, due);
  }
}

Time WebSocketSession::next_due() const {
  Time due = phase_until_ == Time{} ? Time::max() : phase_until_;
  for (const Side* side : {&client_, &backend_}) {
    if (!side->outlet.empty()) due = std::min(due, side->outlet.stalled_since() + route().http.stall_timeout);
  }
  if (phase_ != Phase::Open) return due;
  const auto& websocket = route().websocket;
  if (websocket.idle_timeout.count() > 0) due = std::min(due, last_activity() + websocket.idle_timeout);
  if (websocket.ping_interval.count() > 0) {
    for (const Side* side : {&client_, &backend_}) {
      const bool awaits = (side->ping_out || side->watched) && side->last_heard < side->ping_sent;
      const Time at = (awaits ? side->ping_sent : side->last_heard) + websocket.ping_interval;
      due = std::min(due, std::max(at, worker_.now() + (at <= worker_.now() ? kPingRetry : Duration{0})));
    }
  }
  return due;
}

void WebSocketSession::on_timer() {
  const Time now = worker_.now();
  if (phase_ == Phase::Over) return;
  if (client_.stream != nullptr && client_.outlet.stalled(*client_.stream, now, route().http.stall_timeout)) {
    say_going_away();
    return finish(CloseReason::SlowClient, true);
  }
  if (backend_.stream != nullptr && backend_.outlet.stalled(*backend_.stream, now, route().http.stall_timeout)) {
    backend_gone(CloseReason::IdleTimeout);  // a backend that takes nothing is as good as dead
  } else if (phase_until_ != Time{} && now >= phase_until_) {
    phase_timeout(now);
  } else if (phase_ == Phase::Open && phase_until_ == Time{}) {
    const auto& websocket = route().websocket;
    if (websocket.idle_timeout.count() > 0 && now >= last_activity() + websocket.idle_timeout) {
      farewell(CloseReason::IdleTimeout);
    } else if (websocket.ping_interval.count() > 0 && keep_alive(client_, now)) {
      keep_alive(backend_, now);
    }
  }
  if (phase_ == Phase::Over) return;
  arm();
  update_interest();
}

void WebSocketSession::phase_timeout(Time now) {
  phase_until_ = {};
  switch (phase_) {
  case Phase::AwaitingBoundary:
    if (any_frame_boundary_) return finish(CloseReason::Cut);  // stands in the middle of a frame
    any_frame_boundary_ = true;
    phase_until_ = now + route().websocket.close_timeout;
    return say_close_at_boundary();
  case Phase::BackendLost:
    return end_without_backend();
  case Phase::CloseSent:
    // The client did not answer. What it sent is with the backend (or on its way there); now the backend hears of it.
    say_going_away();
    if (phase_ == Phase::Over) return;
    shut(backend_);
    return linger();
  case Phase::Open:  // a closing handshake that nobody completes
  case Phase::Lingering:
    return finish(end_reason_);
  case Phase::Over:
    return;
  }
}

// False where the session has changed its phase.
bool WebSocketSession::keep_alive(Side& side, Time now) {
  const Duration interval = route().websocket.ping_interval;
  if (side.paused) {  // it is not read: the other side's stall decides, not this one's silence
    side.last_heard = now;
    return true;
  }
  if ((side.ping_out || side.watched) && side.last_heard < side.ping_sent) {
    if (now < side.ping_sent + interval) return true;
    if (ping_is_on_its_way(side)) {
      side.ping_sent = now;
      return true;
    }
    if (is_client(side)) {
      say_going_away();
      finish(CloseReason::IdleTimeout);
    } else {
      lost_backend(CloseReason::IdleTimeout);
    }
    return false;
  }
  if (now < side.last_heard + interval) return true;
  // One Pong may answer only the latest Ping (RFC 6455 §5.5.3): none is sent while the other peer awaits one.
  const Side& speaker = other(side);
  if (side.owes_pong) {
    // The other peer's Ping asks what ours would: silence for one more interval is death, too.
    side.watched = true;
    side.ping_sent = now;
    note_ahead(side);
    return true;
  }
  side.watched = false;
  if (!side.outlet.empty() || speaker.seen.blind() || !speaker.seen.at_frame_boundary() || speaker.held != nullptr ||
      side.eof || side.told_close) {
    return true;
  }
  worker_.random().fill(&side.ping_payload, sizeof side.ping_payload);
  std::uint8_t mask[4];
  if (!is_client(side)) worker_.random().fill(mask, sizeof mask);
  char payload[sizeof side.ping_payload];
  std::memcpy(payload, &side.ping_payload, sizeof payload);
  std::string frame;
  wire::append_ping(frame, {payload, sizeof payload}, is_client(side) ? nullptr : mask);
  side.ping_out = true;
  side.ping_sent = now;
  send(side, frame);
  if (phase_ != Phase::Open) return false;
  note_ahead(side);
  return true;
}

// How far the peer's side has acknowledged what was relayed to it.
std::uint32_t WebSocketSession::acknowledged(const Side& side) const {
  const auto relayed = record_->bytes(is_client(side) ? Direction::ToClient : Direction::ToBackend);
  return static_cast<std::uint32_t>(relayed) - static_cast<std::uint32_t>(side.outlet.pending()) -
         side.stream->unacknowledged();
}

void WebSocketSession::note_ahead(Side& side) {
  side.ahead = side.stream->unacknowledged();
  side.acknowledged = acknowledged(side);
}

// A slow peer gets to our Ping late: while it still takes what stands before it, it is alive.
bool WebSocketSession::ping_is_on_its_way(Side& side) {
  if (side.ahead < kBehindMuch) return false;
  const std::uint32_t position = acknowledged(side);
  const auto moved = static_cast<std::int32_t>(position - side.acknowledged);
  if (moved <= 0) return false;
  side.acknowledged = position;
  side.ahead -= std::min(static_cast<std::uint32_t>(moved), side.ahead);
  return true;
}

}  // namespace limpet::session
