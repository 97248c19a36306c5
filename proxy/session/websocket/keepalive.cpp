// SPDX-License-Identifier: Apache-2.0
// What time asks of a WebSocket session. due() alone decides what is due at a moment and when to look again: it asks
// the outlets first whether the peers still take what they were sent, then for the end of the present phase, or, while
// the session is open, for Pings to silent peers (RFC 6455 §5.5.2) and the idle limit. Nothing is re-armed per message:
// the timer looks at the last-heard stamps when it fires.
#include <algorithm>
#include <cstring>

#include "proxy/session/websocket/session.h"

namespace limpet::session {

namespace {

constexpr std::uint32_t kBehindMuch = 16 * 1024;                 // bytes; less is on its way for a moment only
constexpr Duration kPingRetry = std::chrono::milliseconds(500);  // where a Ping was due but could not stand there
constexpr Duration kSilence = std::chrono::seconds(5);           // before the kernel is asked to probe
constexpr Duration kMessageBoundaryWait = std::chrono::seconds(1);
constexpr Duration kLinger = std::chrono::seconds(3);  // for the peer's FIN after ours
constexpr int kMostCloseTimeouts = 10;                 // that a peer's slowness may hold an end

}  // namespace

void WebSocketSession::Due::at(Time now, Time when, Task what) {
  if (now >= when && task == Task::None) task = what;
  next_look = std::min(next_look, when);
}

WebSocketSession::Due WebSocketSession::due(Time now) {
  Due due;
  const Delivery delivered = delivery(now, phase_ != Phase::Open);
  if (delivered.stalled != nullptr) {
    due.at(now, now, is_client(*delivered.stalled) ? Task::ResetClient : Task::LeaveBackend);
    return due;
  }
  due.next_look = delivered.next_look;
  switch (phase_) {
  case Phase::Open:
    add_keepalive(due, now);
    break;
  case Phase::BackendLost:
    due.at(now, ending_since_, Task::EndWithoutBackend);
    break;
  case Phase::AwaitingBoundary:
    if (any_frame_boundary_) {
      add_end(due, now, delivered);
    } else {
      due.at(now, ending_since_ + kMessageBoundaryWait, Task::TakeFrameBoundary);
    }
    break;
  case Phase::Closing:
  case Phase::CloseSent:
  case Phase::Lingering:
    add_end(due, now, delivered);
    break;
  }
  return due;
}

void WebSocketSession::add_end(Due& due, Time now, const Delivery& delivered) {
  const Duration close_timeout = route().websocket.close_timeout;
  const Duration limit = phase_ == Phase::Lingering ? kLinger : close_timeout;
  const Time cap = ending_since_ + kMostCloseTimeouts * close_timeout;
  due.at(now, wait_over(now, delivered, limit, heard_in_mid_frame(), cap), Task::EndPhase);
}

// When a peer was last heard that stands in the midst of a frame of which the rest would still be passed on.
Time WebSocketSession::heard_in_mid_frame() const {
  const auto heard = [&](const End& end) {
    const Observer& seen = half(end).seen;
    return end.eof || seen.blind() || seen.at_frame_boundary() ? Time{} : end.last_heard;
  };
  const Time backend = may_forward_to_client() ? heard(backend_) : Time{};
  const Time client = phase_ == Phase::Closing || phase_ == Phase::CloseSent ? heard(client_) : Time{};
  return std::max(backend, client);
}

// While the session is open.
void WebSocketSession::add_keepalive(Due& due, Time now) const {
  const auto& websocket = route().websocket;
  if (websocket.idle_timeout.count() > 0) due.at(now, last_activity() + websocket.idle_timeout, Task::EndIdle);
  for (const End* end : {&client_, &backend_}) {
    const Half& speaker = half(*end);
    if (!can_be_pinged(*end) && !end->probed) due.at(now, end->last_heard + kSilence, Task::ProbeBoth);
    const bool awaits = (speaker.ping_out || speaker.watched) && end->last_heard < speaker.ping_sent;
    if (websocket.ping_interval.count() == 0 || (!awaits && !can_be_pinged(*end))) continue;
    const Time at = (awaits ? speaker.ping_sent : end->last_heard) + websocket.ping_interval;
    if (now >= at && due.task == Task::None) due.task = Task::Ping;
    due.next_look = std::min(due.next_look, now >= at ? now + kPingRetry : at);
  }
}

// Else the kernel probes: there are no Pings, or nobody can tell where one may stand.
bool WebSocketSession::can_be_pinged(const End& end) const {
  const Observer& beside = is_client(end) ? backend_half_.seen : client_half_.seen;
  return route().websocket.ping_interval.count() > 0 && !beside.blind();
}

void WebSocketSession::on_time(Time now) {
  switch (due(now).task) {
  case Task::None:
    return;
  case Task::ResetClient:
    release_by_reset(client_);
    return leave_client(CloseReason::SlowClient);
  case Task::LeaveBackend:  // a backend that takes nothing is as good as dead
    torn_ = true;
    return leave_backend(CloseReason::IdleTimeout);
  case Task::TakeFrameBoundary:
    any_frame_boundary_ = true;
    begin_wait();
    return say_close_at_boundary();
  case Task::EndWithoutBackend:
    return end_without_backend();
  case Task::EndPhase:
    return end_phase(now);
  case Task::EndIdle:
    return farewell(CloseReason::IdleTimeout);
  case Task::ProbeBoth:
    probe(client_);
    return probe(backend_);
  case Task::Ping:
    if (keep_alive(client_, now)) keep_alive(backend_, now);
    return;
  }
}

// False where the session has changed its phase.
bool WebSocketSession::keep_alive(End& end, Time now) {
  const Duration interval = route().websocket.ping_interval;
  Half& listener = half(end);
  if (end.paused) {  // it is not read: the other side's stall decides, not this one's silence
    end.last_heard = now;
    return true;
  }
  if ((listener.ping_out || listener.watched) && end.last_heard < listener.ping_sent) {
    if (now < listener.ping_sent + interval) return true;
    if (ping_is_on_its_way(end)) {
      listener.ping_sent = now;
      return true;
    }
    if (!listener.watched || listener.owes_pong || !listener.ping_out) {
      if (is_client(end)) {
        leave_client(CloseReason::IdleTimeout);
      } else {
        lost_backend(CloseReason::IdleTimeout);
      }
      return false;
    }
    listener.ping_out = false;  // it was heard since our last Ping, whose Pong never came: it may answer the next
  }
  if (now < end.last_heard + interval) return true;
  // One Pong may answer only the latest Ping (RFC 6455 §5.5.3): none is sent while the other peer awaits one. Nor while
  // our last one's Pong has yet to come behind what was heard since: it would be taken for the other peer's. (Whether a
  // blind one's has come nobody can tell.)
  if ((listener.owes_pong || listener.ping_out) && !listener.seen.blind()) {
    // The other peer's Ping asks what ours would: silence for one more interval is death, too. Where it was our own a
    // new one follows first.
    listener.watched = true;
    listener.ping_sent = now;
    note_ahead(end);
    return true;
  }
  listener.watched = false;
  const Half& speaker = half(other(end));
  if (!end.outlet.empty() || speaker.seen.blind() || !speaker.seen.at_frame_boundary() || speaker.held != nullptr ||
      end.eof || listener.told_close) {
    return true;
  }
  worker_.random().fill(&listener.ping_payload, sizeof listener.ping_payload);
  std::uint8_t mask[4];
  if (!is_client(end)) worker_.random().fill(mask, sizeof mask);
  char payload[sizeof listener.ping_payload];
  std::memcpy(payload, &listener.ping_payload, sizeof payload);
  std::string frame;
  wire::append_ping(frame, {payload, sizeof payload}, is_client(end) ? nullptr : mask);
  listener.ping_out = true;
  listener.ping_sent = now;
  send(end, frame);
  if (over() || phase_ != Phase::Open) return false;
  note_ahead(end);
  return true;
}

// How far the peer's side has acknowledged what was relayed to it.
std::uint32_t WebSocketSession::acknowledged(const End& end) const {
  const auto relayed = record_->bytes(is_client(end) ? Direction::ToClient : Direction::ToBackend);
  return static_cast<std::uint32_t>(relayed) - static_cast<std::uint32_t>(end.outlet.pending()) -
         end.stream->unacknowledged();
}

void WebSocketSession::note_ahead(const End& end) {
  half(end).ahead = end.stream->unacknowledged();
  half(end).acknowledged = acknowledged(end);
}

// A slow peer gets to our Ping late: while it still takes what stands before it, it is alive.
bool WebSocketSession::ping_is_on_its_way(const End& end) {
  Half& listener = half(end);
  if (listener.ahead < kBehindMuch) return false;
  const std::uint32_t position = acknowledged(end);
  const auto moved = static_cast<std::int32_t>(position - listener.acknowledged);
  if (moved <= 0) return false;
  listener.acknowledged = position;
  listener.ahead -= std::min(static_cast<std::uint32_t>(moved), listener.ahead);
  return true;
}

}  // namespace limpet::session
