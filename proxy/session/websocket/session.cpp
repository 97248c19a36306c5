// SPDX-License-Identifier: Apache-2.0
// The relay: read, observe, write.
#include "proxy/session/websocket/session.h"

#include <cstring>

namespace limpet::session {

using net::IoStatus;

namespace {

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
    : worker_(worker),
      record_(std::move(record)),
      client_(std::move(client), Observer::From::Client),
      backend_(std::move(backend), Observer::From::Backend) {
  client_.outlet = std::move(to_client);
  record_->handed_to(*this);
}

WebSocketSession::~WebSocketSession() = default;

void WebSocketSession::start(std::string_view from_client, std::string_view from_backend) {
  client_.last_heard = backend_.last_heard = worker_.now();
  client_.stream->set_handler(this);
  backend_.stream->set_handler(this);
  if (!from_backend.empty()) take(backend_, from_backend);
  if (phase_ != Phase::Over && !from_client.empty()) take(client_, from_client);
  if (phase_ == Phase::Over) return;
  arm();
  update_interest();
}

Time WebSocketSession::last_activity() const {
  return std::max(client_.last_heard, backend_.last_heard);
}

void WebSocketSession::on_ready(net::Stream& stream, bool readable, bool writable) {
  if (phase_ == Phase::Over) return;
  Side& side = &stream == client_.stream.get() ? client_ : backend_;
  if (writable) flush(side);
  if (readable && phase_ != Phase::Over && side.stream != nullptr && !side.eof) read(side);
  if (phase_ != Phase::Over) update_interest();
}

void WebSocketSession::on_refused(net::Stream& stream, IoStatus status) {
  if (phase_ == Phase::Over) return;
  Side& side = &stream == client_.stream.get() ? client_ : backend_;
  if (status == IoStatus::Reset) {
    side_gone(side);
  } else {
    mind_stall(side);
  }
  if (phase_ != Phase::Over) update_interest();
}

void WebSocketSession::read(Side& from) {
  prefetch(*record_);
  if (const auto& stream = other(from).stream) __builtin_prefetch(stream.get());
  const net::IoResult got = from.stream->read(worker_.scratch(), Worker::kScratch);
  switch (got.status) {
  case IoStatus::Ok:
    return take(from, {worker_.scratch(), got.n});
  case IoStatus::Eof:
    return side_eof(from);
  case IoStatus::Reset:
    return side_gone(from);
  case IoStatus::WouldBlock:
    return;
  }
}

void WebSocketSession::take(Side& from, std::string_view bytes) {
  from.last_heard = worker_.now();
  if (from.closed_politely) return;  // nothing may follow a Close (RFC 6455 §5.5.1)
  if (!is_client(from) && !may_forward_to_client()) return;
  if (from.held != nullptr) {
    char* start = worker_.scratch() - from.held->size();
    std::memcpy(start, from.held->data(), from.held->size());
    bytes = {start, from.held->size() + bytes.size()};
    from.held.reset();
  }
  const bool wants_boundary = phase_ == Phase::AwaitingBoundary && !is_client(from);
  if (!from.ping_out && !wants_boundary && from.seen.take_whole_message(bytes)) {
    record_->relayed(is_client(from) ? Direction::ToBackend : Direction::ToClient, bytes.size(), 1);
    return send(other(from), bytes);
  }
  if (from.ping_out || wants_boundary || !forward_whole(from, bytes)) forward_frames(from, bytes);
}

// The common case: nothing to take out and nowhere to stop. False (with nothing done) where a Close is among the
// frames.
bool WebSocketSession::forward_whole(Side& from, std::string_view bytes) {
  const Observer before = from.seen;
  const bool owed = from.owes_pong;
  std::size_t messages = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto step = from.seen.step(bytes.substr(at));
    at += step.consumed;
    switch (step.what) {
    case Observer::What::Message:
      ++messages;
      break;
    case Observer::What::Ping:
      other(from).owes_pong = true;
      break;
    case Observer::What::Pong:
      from.owes_pong = false;
      break;
    case Observer::What::Close:
      from.seen = before;
      from.owes_pong = owed;
      return false;
    case Observer::What::More:
    case Observer::What::Fragment:
    case Observer::What::Blind:
      break;
    }
  }
  record_->relayed(is_client(from) ? Direction::ToBackend : Direction::ToClient, bytes.size(), messages);
  send(other(from), bytes);
  return true;
}

// Frame by frame: takes out our own Pongs, ends behind a Close, and stops at the boundary that a farewell waits for.
void WebSocketSession::forward_frames(Side& from, std::string_view bytes) {
  Side& to = other(from);
  std::string_view kept[2];  // at most one Pong of ours can be among the frames: one Ping is out at a time
  std::size_t runs = 0;
  std::size_t run = 0;  // where what is to be forwarded begins
  std::size_t end = bytes.size();
  std::size_t messages = 0;
  bool part = false;
  bool close = false;
  bool own_close = false;  // the backend's own Close follows; once found it need not be looked for again
  for (std::size_t at = 0; at < bytes.size();) {
    const Observer before = from.seen;
    const auto step = from.seen.step(bytes.substr(at));
    const std::size_t began = at;
    at += step.consumed;
    if (step.what == Observer::What::Message) ++messages;
    if (step.what == Observer::What::Ping) to.owes_pong = true;
    if (step.what == Observer::What::Pong && from.ping_out && is_our_pong(from)) {
      from.ping_out = false;
      record_->backend_cells().ping_rtt[is_client(from) ? 0 : 1].observe(in_seconds(worker_.now() - from.ping_sent));
      if (began > run && runs < 1) kept[runs++] = bytes.substr(run, began - run);
      run = at;
    } else if (step.what == Observer::What::Pong) {
      from.owes_pong = false;
    }
    if (step.what == Observer::What::More && from.ping_out && step.began_here && from.seen.inside_control_frame()) {
      from.held = std::make_unique<std::string>(bytes.substr(began));  // seen again when the rest has come
      from.seen = before;
      end = began;
      break;
    }
    if (step.what == Observer::What::Close) {
      close = true;
      end = at;
      break;
    }
    if (phase_ == Phase::AwaitingBoundary && !is_client(from) &&
        (from.seen.at_message_boundary() || (any_frame_boundary_ && from.seen.at_frame_boundary())) &&
        !(own_close = own_close || has_close(from.seen, bytes.substr(at)))) {
      part = true;
      end = at;
      break;
    }
  }
  std::size_t size = 0;
  if (end > run) kept[runs++] = bytes.substr(run, end - run);
  for (std::size_t i = 0; i < runs; ++i) size += kept[i].size();
  record_->relayed(is_client(from) ? Direction::ToBackend : Direction::ToClient, size, messages);
  if (close) saw_close(from);
  const bool lets_client_go = close && may_let_client_go();
  if (lets_client_go && !is_client(from)) client_.stream->end_follows();
  for (std::size_t i = 0; i < runs && phase_ != Phase::Over; ++i) send(to, kept[i]);
  if (phase_ == Phase::Over) return;
  if (part) {
    say_close(goodbye_code_);
  } else if (close) {
    after_close(from, lets_client_go);
  }
}

bool WebSocketSession::is_our_pong(const Side& from) const {
  return from.seen.control_size() == sizeof from.ping_payload &&
         std::memcmp(from.seen.control_prefix().data(), &from.ping_payload, sizeof from.ping_payload) == 0;
}

void WebSocketSession::send(Side& to, std::string_view bytes) {
  if (to.shut || to.stream == nullptr) return;
  if (to.outlet.send(worker_, *to.stream, bytes) == IoStatus::Reset) return side_gone(to);
  if (!to.outlet.empty()) mind_stall(to);
}

void WebSocketSession::mind_stall(const Side& side) {
  worker_.wheel().arm_no_later(*this, side.outlet.stalled_since() + route().http.stall_timeout);
}

// FIN, behind what waits.
void WebSocketSession::shut(Side& to) {
  if (to.shut || to.stream == nullptr) return;
  to.shut = true;
  to.outlet.send_posted(worker_);
  if (to.outlet.empty()) to.stream->shut_write();
}

void WebSocketSession::flush(Side& to) {
  if (to.outlet.empty()) return;
  if (to.outlet.flush(worker_, *to.stream) == IoStatus::Reset) return side_gone(to);
  if (to.outlet.empty() && to.shut) {
    to.stream->shut_write();
    finish_if_done();
  }
}

void WebSocketSession::update_interest() {
  // The common case by far: nothing waits, nothing has changed since it was last computed.
  const bool waits = !client_.outlet.empty() || !backend_.outlet.empty();
  if (!waits && !waited_ && client_.eof == eofs_seen_[0] && backend_.eof == eofs_seen_[1]) return;
  waited_ = waits;
  eofs_seen_ = {client_.eof, backend_.eof};
  // While its Close is awaited the client is read even though its backend does not take what it sent.
  const std::uint64_t high_water = route().http.high_water;
  const std::uint64_t for_backend = phase_ == Phase::CloseSent ? high_water + kExtraForClose : high_water;
  const auto watch = [&](Side& from, std::uint64_t bound) {
    if (from.stream == nullptr) return;
    const bool full = other(from).outlet.pending() > bound;
    if (full && !from.paused) worker_.cells().backpressure_pauses.add();
    from.paused = full;
    from.stream->watch(!from.eof && !full, !from.outlet.empty());
  };
  watch(client_, for_backend);
  watch(backend_, high_water);
}

}  // namespace limpet::session
