// SPDX-License-Identifier: Apache-2.0
// From a request to a backend that has it: admission, pick, connect, and another try while nothing has been sent.
#include <algorithm>

#include "proxy/base/log.h"
#include "proxy/base/planted_fault.h"
#include "proxy/session/http/exchange.h"
#include "proxy/wire/grammar.h"
#include "proxy/wire/http/append.h"
#include "proxy/wire/http/connection_auth.h"
#include "proxy/wire/http/forwarded.h"
#include "proxy/wire/http/http1_writer.h"
#include "proxy/wire/uri.h"
#include "proxy/wire/websocket/handshake.h"

namespace limpet::session {

using metrics::RejectReason;

namespace {

constexpr std::size_t kAddedToHead = 192;  // bytes, about: the X-Forwarded fields

// transport=polling (Engine.IO), /xhr and /jsonp (SockJS), /meta/connect (CometD), Prefer: wait=N (RFC 7240 §4.3).
bool has_long_poll_shape(const wire::RequestHead& head) {
  if (is_engine_io_poll(head)) return true;
  const auto path = head.path();
  for (const std::string_view end : {"/xhr", "/xhr_streaming", "/jsonp", "/meta/connect"}) {
    if (path.ends_with(end)) return true;
  }
  const auto prefer = head.fields.find(wire::FieldName::Prefer);
  return prefer && prefer->find("wait=") != std::string_view::npos;
}

bool matches_origin(std::string_view pattern, std::string_view origin) {
  if (pattern == "*" || wire::equals_ignoring_case(pattern, origin)) return true;
  const auto star = pattern.find("*.");  // https://*.example.com
  if (star == std::string_view::npos) return false;
  const auto before = pattern.substr(0, star);
  const auto after = pattern.substr(star + 1);
  return origin.size() > before.size() + after.size() &&
         wire::equals_ignoring_case(origin.substr(0, before.size()), before) &&
         wire::equals_ignoring_case(origin.substr(origin.size() - after.size()), after) &&
         origin.substr(before.size(), origin.size() - before.size() - after.size()).find_first_of("/:@") ==
             std::string_view::npos;
}

}  // namespace

Exchange::Exchange(Worker& worker, ExchangeClient& client, std::uint16_t listener, const net::Address& peer,
                   UpstreamPool::ClientNumber number, Spares<wire::RequestHead>::Lease head)
    : worker_(worker),
      client_(client),
      last_activity_(worker.now()),
      number_(number),
      head_(std::move(head)),
      began_(last_activity_),
      peer_(peer),
      listener_(listener) {}

Exchange::~Exchange() {
  to_backend_.drop(worker_);
}

void Exchange::start(std::size_t head_size) {
  is_head_ = wire::is(head_->method, "HEAD");
  is_safe_ = head_->is_safe();
  has_body_ = head_->has_body();
  could_repeat_ = is_safe_ && !has_body_;
  chunked_to_backend_ = head_->framing == wire::Framing::Chunked;
  binds_backend_ = wire::has_connection_credentials(head_->fields);
  if (!admit(head_size)) return;
  request_text_ = worker_.texts().lease();
  if (!planted(Planted::HeadLeftBehind)) request_text_->clear();
  request_text_->reserve(head_size + kAddedToHead);
  append_request_head(*request_text_);
  pick();
}

// Checks what can be refused without a backend; false where it has answered.
bool Exchange::admit(std::size_t head_size) {
  auto& cells = worker_.cells();
  const auto& listener = worker_.snapshot().listeners[listener_];
  const auto peer = peer_.ip();
  from_trusted_ = net::contains(listener.settings.trusted_proxies, peer);
  if (from_trusted_) number_ = 0;
  const auto client = from_trusted_ ? client_address(*head_, peer, listener.settings.trusted_proxies) : peer;
  secure_ = from_trusted_ && head_->fields.find(wire::FieldName::XForwardedProto).value_or("") == "https";

  if (listener.gate->request(client, worker_.now()) != ClientGate::Verdict::Ok) {
    cells.reject(RejectReason::Rate);
    answer(429, CloseReason::Limit, "too many requests from this address", "Retry-After", "1");
    return false;
  }
  const auto ask = wire::upgrade_request(*head_);
  if (ask == wire::UpgradeRequest::Malformed) {
    cells.reject(RejectReason::Malformed);
    answer(400, CloseReason::ProtocolError, "malformed WebSocket handshake");
    return false;
  }
  if (ask == wire::UpgradeRequest::BadVersion) {
    cells.reject(RejectReason::Version);
    answer(426, CloseReason::ProtocolError, "WebSocket version 13 is spoken here", "Sec-WebSocket-Version", "13");
    return false;
  }
  asks_websocket_ = ask == wire::UpgradeRequest::WebSocket;

  const Route* route = worker_.snapshot().router.match(
      listener.settings.name, wire::host_without_port(head_->authority), wire::normalise_path(head_->path()));
  if (route == nullptr) {
    cells.reject(RejectReason::NoRoute);
    answer(404, CloseReason::NoBackend, "no route matches this host and path");
    return false;
  }
  pool_ = route->pool;
  const auto& http = route->settings->http;
  if (head_size > http.max_head) {
    cells.reject(RejectReason::TooLarge);
    answer(431, CloseReason::Limit, "the request head is too large");
    return false;
  }
  if (http.max_body > 0 && head_->framing == wire::Framing::Length && head_->length > http.max_body) {
    cells.reject(RejectReason::TooLarge);
    answer(413, CloseReason::Limit, "the request body is too large");
    return false;
  }
  shape_ = asks_websocket_                                                      ? Protocol::WebSocket
           : wants_event_stream()                                               ? Protocol::Sse
           : (route->settings->long_poll.always || has_long_poll_shape(*head_)) ? Protocol::LongPoll
                                                                                : Protocol::Http;
  record_ = std::make_unique<SessionRecord>(worker_, *this, shape_, listener_, client, peer_.port());
  record_->route = route->settings;
  if (worker_.shared().access_log != nullptr) {
    record_->access = std::make_unique<AccessDetails>();
    record_->access->request_id = head_->fields.find(wire::FieldName::XRequestId).value_or("");
  }
  if ((asks_websocket_ || shape_ == Protocol::Sse) && !origin_allowed()) {
    cells.reject(RejectReason::Origin);
    answer(403, CloseReason::Limit, "this origin is not allowed");
    return false;
  }
  if (asks_websocket_ && worker_.shared().draining.load(std::memory_order_relaxed)) {
    cells.reject(RejectReason::Draining);
    answer(503, CloseReason::Shutdown, "this proxy is leaving", "Retry-After", retry_after());
    return false;
  }
  switch (listener.gate->open_session(client, worker_.now())) {
  case ClientGate::Verdict::Ok:
    record_->counts_for_client();
    return true;
  case ClientGate::Verdict::Uncounted:
    return true;
  case ClientGate::Verdict::TooManySessions:
    cells.reject(RejectReason::Limit);
    break;
  case ClientGate::Verdict::TooFast:
    cells.reject(RejectReason::Rate);
    break;
  }
  answer(429, CloseReason::Limit, "too many sessions from this address", "Retry-After", retry_after());
  return false;
}

bool Exchange::origin_allowed() const {
  const auto& allowed = record_->route->websocket.allowed_origins;
  if (allowed.empty()) return true;
  const auto origin = head_->fields.find(wire::FieldName::Origin);
  if (!origin) return true;  // not a browser's cross-origin request: those always carry one (RFC 6455 §10.2)
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& pattern) { return matches_origin(pattern, *origin); });
}

void Exchange::pick() {
  const auto& settings = *pool_->settings;
  pick_request_ = std::make_unique<Affinity::PickRequest>();
  pick_request_->pool = const_cast<Pool*>(pool_);
  if (auto key = request_key(settings, *head_, record_->client)) {
    pick_request_->key = std::move(key->value);
    pick_request_->has_key = true;
  }
  if (!settings.learn.empty()) {
    engine_io_poll_ = learns_engine_io(settings) && is_engine_io_poll(*head_);
    if (auto id = learned_id(settings, *head_)) {
      pick_request_->learned_id = std::move(id->id);
      learned_kind_ = id->kind;
      engine_io_session_ = id->kind == LearnSource::Kind::EngineIo;
      pick_request_->reaches_old_backend = engine_io_session_ && head_->method == "POST";
    }
    sniffing_ = engine_io_poll_ && !engine_io_session_ && head_->method == "GET";
  }
  // Only of these it is asked again: to verify a 101, or for an answer in the protocol's own words.
  if (!asks_websocket_ && shape_ != Protocol::Sse && !engine_io_poll_) head_.reset();
  SessionRefs departing;
  const auto pick = worker_.shared().affinity.reserve(record_->member, *pick_request_, worker_.now(), departing);
  worker_.shared().dismiss(departing, CloseReason::Moved);
  picked(pick, false);
}

void Exchange::picked(const Affinity::Pick& pick, bool again) {
  switch (pick.outcome) {
  case Affinity::Outcome::Gone:
    return answer_gone();
  case Affinity::Outcome::NoBackend:
    worker_.cells().reject(RejectReason::NoBackend);
    return answer_unavailable(503, CloseReason::NoBackend);
  case Affinity::Outcome::Picked:
    break;
  }
  new_cookie_ = pick.new_cookie;
  learned_ = pick.reason == metrics::PickReason::Learned;
  if (again) {
    record_->repicked(pick.reason);
  } else {
    record_->picked(pick.reason);
  }
  connect(true);
}

void Exchange::connect(bool just_picked) {
  const Backend& to = *record_->member.backend;
  backend_ = worker_.bound_upstreams().take(client_, to);
  is_bound_ = backend_ != nullptr;
  binds_backend_ = binds_backend_ || is_bound_;
  if (!is_bound_ && !asks_websocket_) backend_ = worker_.upstreams().take(to, number_, !could_repeat_);
  reused_ = backend_ != nullptr;
  if (is_bound_ && !could_repeat_ && !backend_->silent()) {
    drop_backend();
    return answer_unavailable(502, CloseReason::BackendClosed);
  }
  if (reused_) {
    round_ = worker_.loop().round();
    backend_->set_handler(this);
    return connected(just_picked);
  }
  auto connecting = worker_.dial({to.address});
  if (!connecting) {
    if (connecting.error().fault == Fault::Local) {
      if (worker_.may_warn()) {
        log::warn("cannot connect", {{"backend", to.name}, {"why", connecting.error().what}});
      }
      return answer_unavailable(503, CloseReason::ConnectFailed);
    }
    return connect_failed(false);
  }
  const bool is_open = !connecting.value()->connecting();
  backend_ = std::move(connecting).value();
  backend_->set_handler(this);
  if (is_open) return connected(just_picked);
  backend_->watch(false, true);
  state_ = State::Connecting;
  deadline_ = worker_.now() + to.pool.settings->connect_timeout;
  worker_.wheel().arm(*this, deadline_);
}

void Exchange::connected(bool just_picked) {
  // A turn may have come while this session was connecting: it looks again before it opens.
  if (!just_picked && !pick_request_->reaches_old_backend && !planted(Planted::TurnIgnored) &&
      !worker_.shared().affinity.is_still_placed(record_->member)) {
    return pick_again();
  }
  state_ = State::Sent;
  sent_at_ = last_activity_ = worker_.now();
  deadline_ = {};
  if (!to_backend_.empty()) {
    request_begun_ = true;
    if (to_backend_.flush(worker_, *backend_) == net::IoStatus::Reset) to_backend_.drop(worker_);
  }
  watch_backend();
  if (request_done_ || has_body_) arm_timer();  // else the request's end follows at once
  if (to_backend_.pending() <= high_water() / 2) client_.want_body(true);
}

// The key has moved meanwhile: leave the old place and follow it.
void Exchange::pick_again() {
  forget_farewell();
  if (is_bound_) {
    if (!worker_.bound_upstreams().put(client_, *record_->member.backend, std::move(backend_))) client_.login_lost();
  } else if (reused_) {
    worker_.upstreams().put(*record_->member.backend, 0, std::move(backend_));
  } else {
    worker_.retire(std::move(backend_));
  }
  SessionRefs departing;
  auto& affinity = worker_.shared().affinity;
  if (!pick_request_->has_key) {
    pick_request_->key = Affinity::key_of(record_->member);
    pick_request_->has_key = !pick_request_->key.empty();
  }
  const std::string cookie = new_cookie_;
  affinity.release(record_->member, worker_.now());
  auto pick = affinity.reserve(record_->member, *pick_request_, worker_.now(), departing);
  worker_.shared().dismiss(departing, CloseReason::Moved);
  if (pick.new_cookie.empty()) pick.new_cookie = cookie;
  picked(pick, true);
}

// Who was told to leave a place by a turn, and goes elsewhere before it has come there, need not leave the next place,
// too; but if all leave.
void Exchange::forget_farewell() {
  if (!leaving_ || leaving_ == CloseReason::Shutdown) return;
  if (!worker_.shared().affinity.is_still_placed(record_->member)) leaving_.reset();
}

void Exchange::connect_failed(bool timed_out) {
  Backend& failed = *record_->member.backend;
  worker_.shared().observed(failed, false);
  worker_.retire(std::move(backend_));  // what is held of the request goes to the next one
  pick_request_->tried.resize(pool_->backends.size());
  pick_request_->tried[failed.index] = true;
  forget_farewell();
  const bool session_lost = learned_;
  auto& affinity = worker_.shared().affinity;
  SessionRefs departing;
  Affinity::Pick pick;
  if (pick_request_->has_key || learned_ || new_cookie_.empty()) {
    pick = affinity.reserve_next(record_->member, *pick_request_, worker_.now(), departing);
  } else {
    // The session cookie that was drawn leads to the failed backend: draw again.
    affinity.release(record_->member, worker_.now());
    pick = affinity.reserve(record_->member, *pick_request_, worker_.now(), departing);
    pick.reason = metrics::PickReason::Fallback;
  }
  worker_.shared().dismiss(departing, CloseReason::Moved);
  if (session_lost) return answer_gone();
  if (pick.outcome != Affinity::Outcome::Picked) {
    return answer_unavailable(timed_out ? 504 : 502, CloseReason::ConnectFailed);
  }
  picked(pick, true);
}

void Exchange::append_request_head(std::string& out) {
  // HTTP/1.0 may come without a Host; what is sent is HTTP/1.1 and may not (RFC 9112 §3.2).
  const auto& host = head_->authority.empty() ? pool_->settings->name : head_->authority;
  wire::append_request_start(out, head_->method, head_->target, host);
  using wire::FieldName;
  wire::FieldNames without = {FieldName::Host,           FieldName::ContentLength,
                              FieldName::XForwardedFor,  FieldName::XForwardedProto,
                              FieldName::XForwardedHost, FieldName::Forwarded};
  // What limpet has to read it asks to be sent as it is.
  if (shape_ == Protocol::Sse || (learns_engine_io(*pool_->settings) && is_engine_io_poll(*head_))) {
    without.add(FieldName::AcceptEncoding);
  }
  if (!head_->http11) without.add(FieldName::Expect);
  wire::append_forwarded_fields(out, head_->fields, without);
  append_forwarded(out);
  if (asks_websocket_) {
    out += "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  } else if (head_->framing == wire::Framing::Length) {
    wire::append_field(out, "Content-Length", std::to_string(head_->length));
  } else if (head_->framing == wire::Framing::Chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  wire::append_end(out);
}

void Exchange::append_forwarded(std::string& out) {
  using wire::FieldName;
  const auto& fields = head_->fields;
  const std::string peer = peer_.is_unix() ? "" : peer_.ip().text();
  std::string hops;
  if (from_trusted_ && !peer.empty()) {
    for (const auto& hop : wire::forwarded_for_hops(fields)) hops += hop + ", ";
  }
  const auto given_or = [&](FieldName name, std::string_view own) {
    return from_trusted_ ? fields.find(name).value_or(own) : own;
  };
  const auto proto = given_or(FieldName::XForwardedProto, "http");
  const auto host = given_or(FieldName::XForwardedHost, head_->authority);
  if (!peer.empty()) wire::append_all(out, "X-Forwarded-For: ", hops, peer, "\r\n");
  if (!proto.empty()) wire::append_all(out, "X-Forwarded-Proto: ", proto, "\r\n");
  if (!host.empty()) wire::append_all(out, "X-Forwarded-Host: ", host, "\r\n");
  if (!fields.has(FieldName::Forwarded)) return;
  std::string forwarded;
  for (std::size_t i = 0; from_trusted_ && i < fields.size(); ++i) {
    if (fields.known(i) == FieldName::Forwarded) forwarded += std::string(fields[i].value) + ", ";
  }
  wire::append_field(out, "Forwarded", forwarded + wire::forwarded_element(peer, head_->authority, "http"));
}

void Exchange::request_body(const std::vector<std::string_view>& pieces, bool last, const wire::Fields* trailers) {
  if (state_ == State::Over || state_ == State::Ending) return;
  last_activity_ = worker_.now();
  std::size_t size = 0;
  for (const auto piece : pieces) size += piece.size();
  body_taken_ += size;
  const auto& http = record_->route->http;
  if (http.max_body > 0 && body_taken_ > http.max_body) {
    worker_.cells().reject(RejectReason::TooLarge);
    drop_backend();
    return answer(413, CloseReason::Limit, "the request body is too large");
  }
  if (size > 0 && record_->counted()) record_->relayed(Direction::ToBackend, size, 0);
  Gather& out = worker_.to_backend().of(to_backend_, backend_.get());
  if (!request_begun_ && to_backend_.empty()) out.text() += *request_text_;
  if (chunked_to_backend_ && size > 0) {
    char chunk_head[20];
    out.text().append(chunk_head, wire::write_chunk_head(chunk_head, size));
  }
  for (const auto piece : pieces) out.add(piece);
  if (chunked_to_backend_ && size > 0) out.text() += wire::kChunkEnd;
  if (chunked_to_backend_ && last) {
    if (trailers != nullptr) {
      wire::append_last_chunk(out.text(), *trailers);
    } else {
      out.text() += wire::kLastChunk;
    }
  }
  request_done_ = request_done_ || last;
  if (!out.belongs_to(to_backend_)) {
    drop_backend();
    return answer_unavailable(502, CloseReason::ProtocolError);
  }
  if (state_ == State::Picking || state_ == State::Connecting) {
    out.hold(worker_, to_backend_);
  } else if (backend_ != nullptr) {
    request_begun_ = true;
    // Where the backend no longer takes the body it may have answered already: that is read, the body is dropped.
    if (out.send(worker_, *backend_, to_backend_) == net::IoStatus::Reset) to_backend_.drop(worker_);
  }
  out.clear(to_backend_);
  if (to_backend_.pending() > high_water()) client_.want_body(false);
  if (state_ == State::Sent || state_ == State::Body) watch_backend();  // it may answer before it has read all
  if (state_ == State::Sent && last) {
    sent_at_ = worker_.now();
    arm_timer();
  }
}

void Exchange::request_broken() {
  worker_.cells().reject(RejectReason::Malformed);
  drop_backend();
  answer(400, CloseReason::ProtocolError, "malformed request body");
}

}  // namespace limpet::session
