// SPDX-License-Identifier: Apache-2.0
// The way of a WebSocket's bytes: what is read is seen by the direction's observer and written on as it came. It is
// walked frame by frame only where a Pong of limpet's own may be among it, a Close is, or a farewell waits for its
// boundary (RFC 6455 §5). What is behind a Close goes nowhere. Owned and run by the worker, as the session is.
#include "proxy/session/websocket/session.h"

#include <cstring>

namespace limpet::session {

namespace {

// What the client may still send toward a backend that does not take it, so that its Close is found.
constexpr std::uint64_t kExtraForClose = 1024 * 1024;

// The backend's own Close is on its way already: it is relayed, and nothing is added.
bool has_close(wire::WebSocketObserver ahead, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto step = ahead.step(bytes.substr(at));
    if (step.what == wire::WebSocketObserver::What::Close) return true;
    if (step.what == wire::WebSocketObserver::What::More) return false;
    at += step.consumed;
  }
  return false;
}

}  // namespace

WebSocketSession::WebSocketSession(Worker& worker, std::unique_ptr<SessionRecord> record,
                                   std::unique_ptr<net::Stream> client, Outlet to_client,
                                   std::unique_ptr<net::Stream> backend)
    : RelayOf(worker, std::move(record), std::move(client), std::move(to_client), std::move(backend)) {}

void WebSocketSession::start(std::string_view from_client, std::string_view from_backend) {
  listen_to_both();
  if (!from_backend.empty()) pass(backend_, from_backend);
  if (!over() && !from_client.empty()) pass(client_, from_client);
  if (over()) return;
  arm();
  update_interest();
}

const char* WebSocketSession::state_name() const {
  return phase_ == Phase::Open || phase_ == Phase::Closing ? "open" : "farewell";
}

// At most a control frame's beginning, and nearly always nothing.
inline std::size_t WebSocketSession::put_held(const End& from, char* to) const {
  const auto& held = half(from).held;
  if (held == nullptr) return 0;
  std::memcpy(to, held->data(), held->size());
  return held->size();
}

void WebSocketSession::pass(End& from, std::string_view bytes) {
  Half& speaker = half(from);
  if (speaker.held != nullptr) speaker.held.reset();  // it is the beginning of `bytes`
  if (speaker.closed_politely) return;                // nothing may follow a Close (RFC 6455 §5.5.1)
  if (!is_client(from) && !may_forward_to_client()) return;
  const bool wants_boundary = phase_ == Phase::AwaitingBoundary && !is_client(from);
  if (!speaker.ping_out && !wants_boundary && speaker.seen.take_whole_message(bytes)) {
    relayed(from, bytes.size(), 1);
    return send(other(from), bytes);
  }
  if (speaker.ping_out || wants_boundary || !forward_whole(from, bytes)) forward_frames(from, bytes);
}

// The common case: nothing to take out and nowhere to stop. False (with nothing done) where a Close is among the
// frames.
bool WebSocketSession::forward_whole(End& from, std::string_view bytes) {
  Half& speaker = half(from);
  const Observer before = speaker.seen;
  const bool owed = speaker.owes_pong;
  std::size_t messages = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto step = speaker.seen.step(bytes.substr(at));
    at += step.consumed;
    switch (step.what) {
    case Observer::What::Message:
      ++messages;
      break;
    case Observer::What::Ping:
      half(other(from)).owes_pong = true;
      break;
    case Observer::What::Pong:
      speaker.owes_pong = false;
      break;
    case Observer::What::Close:
      speaker.seen = before;
      speaker.owes_pong = owed;
      return false;
    case Observer::What::More:
    case Observer::What::Fragment:
    case Observer::What::Blind:
      break;
    }
  }
  relayed(from, bytes.size(), messages);
  send(other(from), bytes);
  return true;
}

// Frame by frame: takes out our own Pongs, ends behind a Close, and stops at the boundary that a farewell waits for.
void WebSocketSession::forward_frames(End& from, std::string_view bytes) {
  End& to = other(from);
  Half& speaker = half(from);
  std::string_view kept[2];  // at most one Pong of ours can be among the frames: one Ping is out at a time
  std::size_t runs = 0;
  std::size_t run = 0;  // where what is to be forwarded begins
  std::size_t end = bytes.size();
  std::size_t messages = 0;
  bool part = false;
  bool close = false;
  bool own_close = false;  // the backend's own Close follows; once found it need not be looked for again
  for (std::size_t at = 0; at < bytes.size();) {
    const Observer before = speaker.seen;
    const auto step = speaker.seen.step(bytes.substr(at));
    const std::size_t began = at;
    at += step.consumed;
    if (step.what == Observer::What::Message) ++messages;
    if (step.what == Observer::What::Ping) half(to).owes_pong = true;
    if (step.what == Observer::What::Pong && speaker.ping_out && is_our_pong(speaker)) {
      speaker.ping_out = false;
      // Once it has been waited for anew nobody knows when it went out.
      if (!speaker.watched) {
        record_->backend_cells().ping_rtt[is_client(from) ? 0 : 1].observe(
            in_seconds(worker_.now() - speaker.ping_sent));
      }
      if (began > run && runs < 1) kept[runs++] = bytes.substr(run, began - run);
      run = at;
    } else if (step.what == Observer::What::Pong) {
      // Ours came before the Ping that this answers, and a Pong may answer the latest alone (RFC 6455 §5.5.3).
      if (speaker.owes_pong) speaker.ping_out = false;
      speaker.owes_pong = false;
    }
    if (step.what == Observer::What::More && speaker.ping_out && step.began_here &&
        speaker.seen.inside_control_frame()) {
      speaker.held = std::make_unique<std::string>(bytes.substr(began));  // seen again when the rest has come
      speaker.seen = before;
      end = began;
      break;
    }
    if (step.what == Observer::What::Close) {
      close = true;
      end = at;
      break;
    }
    if (phase_ == Phase::AwaitingBoundary && !is_client(from) &&
        (speaker.seen.at_message_boundary() || (any_frame_boundary_ && speaker.seen.at_frame_boundary())) &&
        !(own_close = own_close || has_close(speaker.seen, bytes.substr(at)))) {
      part = true;
      end = at;
      break;
    }
  }
  std::size_t size = 0;
  if (end > run) kept[runs++] = bytes.substr(run, end - run);
  for (std::size_t i = 0; i < runs; ++i) size += kept[i].size();
  relayed(from, size, messages);
  if (close) saw_close(from);
  const bool lets_client_go = close && may_let_client_go();
  if (lets_client_go && !is_client(from)) client_.stream->end_follows();
  for (std::size_t i = 0; i < runs && !over(); ++i) send(to, kept[i]);
  if (over()) return;
  if (part) {
    say_close(goodbye_code_);
  } else if (close) {
    after_close(from, lets_client_go);
  }
}

bool WebSocketSession::is_our_pong(const Half& from) const {
  return from.seen.control_size() == sizeof from.ping_payload &&
         std::memcmp(from.seen.control_prefix().data(), &from.ping_payload, sizeof from.ping_payload) == 0;
}

// While its Close is awaited the client is read even though its backend does not take what it sent.
std::uint64_t WebSocketSession::high_water(const End& to) const {
  const bool awaits_close = phase_ == Phase::CloseSent && !is_client(to);
  return route().http.high_water + (awaits_close ? kExtraForClose : 0);
}

template class RelayOf<WebSocketSession>;

}  // namespace limpet::session
