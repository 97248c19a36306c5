// SPDX-License-Identifier: Apache-2.0
// From a request to a backend that has it: what is refused without one, what the Connector is asked for, the head as it
// is sent, and the request's content on its way.
#include <algorithm>

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

Exchange::Exchange(Worker& worker, ExchangeClient& client, ListenerId listener, UpstreamPool::ClientNumber number,
                   Spares<wire::RequestHead>::Lease head)
    : worker_(worker),
      client_(client),
      last_activity_(worker.now()),
      number_(number),
      head_(std::move(head)),
      began_(last_activity_),
      listener_(listener) {}

Exchange::~Exchange() {
  to_backend_.drop(worker_);
}

void Exchange::start(std::size_t head_size) {
  request_.is_head = wire::is(head_->method, "HEAD");
  request_.has_body = head_->has_body();
  request_.is_chunked = head_->framing == wire::Framing::Chunked;
  request_.repeatable = head_->is_safe() && !request_.has_body;
  upstream_.binds = wire::has_connection_credentials(head_->fields);
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
  const auto& listener = worker_.listeners()[listener_];
  const auto peer = this->peer().ip();
  request_.from_trusted = net::contains(listener.settings.trusted_proxies, peer);
  if (request_.from_trusted) number_ = 0;
  auto client = peer;
  if (request_.from_trusted) {
    auto told = client_of(*head_, peer, listener.settings.trusted_proxies);
    client = told.address;
    request_.over_tls = told.is_secure;
    hops_ = std::move(told.hops);
  }

  if (listener.gate->request(client, worker_.now()) != ClientGate::Verdict::Ok) {
    cells.reject(RejectReason::Rate);
    answer_come_again(429, CloseReason::Limit, "too many requests from this address");
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
  const auto& fields = head_->fields;
  if (fields.count(wire::FieldName::Origin) > 1) {  // which one counts is not for us to say (RFC 6454 §7.3)
    cells.reject(RejectReason::Malformed);
    answer(400, CloseReason::ProtocolError, "more than one Origin");
    return false;
  }
  const bool is_websocket = ask == wire::UpgradeRequest::WebSocket;

  const Router& router = worker_.snapshot().router;
  const std::string host = router.names_hosts() ? wire::host_without_port(head_->authority) : std::string();
  const Route* route = router.match(listener.settings.name, host, wire::normalise_path(head_->path()));
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
  request_.shape = is_websocket                                                       ? Protocol::WebSocket
                   : wants_event_stream()                                             ? Protocol::Sse
                   : route->settings->long_poll.always || has_long_poll_shape(*head_) ? Protocol::LongPoll
                                                                                      : Protocol::Http;
  record_ = std::make_unique<SessionRecord>(worker_, *this, request_.shape, listener_, client, this->peer().port());
  record_->route = route->settings;
  if (worker_.shared().access_log != nullptr) {
    record_->details = std::make_unique<RecordDetails>();
    record_->details->request_id = head_->fields.find(wire::FieldName::XRequestId).value_or("");
  }
  if ((is_websocket || request_.shape == Protocol::Sse) && !origin_allowed()) {
    cells.reject(RejectReason::Origin);
    answer(403, CloseReason::Limit, "this origin is not allowed");
    return false;
  }
  const bool begins_anew = is_websocket || request_.shape == Protocol::Sse;  // and would soon have to leave
  if (begins_anew && worker_.shared().draining.load(std::memory_order_relaxed)) {
    cells.reject(RejectReason::Draining);
    answer_come_again(503, CloseReason::Shutdown, "this proxy is leaving");
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
  answer_come_again(429, CloseReason::Limit, "too many sessions from this address");
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
  const auto& settings = pool_->settings();
  const bool is_websocket = request_.shape == Protocol::WebSocket;
  const Connector::Reuse reuse{&client_, number_, !is_websocket, !request_.repeatable};
  connector_ = std::make_unique<Connector>(worker_, *record_, static_cast<Connector::Owner&>(*this), reuse);
  Affinity::PickRequest& request = connector_->request();
  request.pool = pool_;
  if (auto key = request_key(settings, *head_, record_->client)) {
    request.key = std::move(*key);
    request.has_key = true;
  }
  if (!settings.learn.empty()) carries(*head_);
  // Only of these it is asked again: to verify a 101, or for an answer in the protocol's own words.
  const bool is_asked_again =
      is_websocket || request_.shape == Protocol::Sse || request_.carried_id == CarriedId::EngineIoPoll;
  if (!is_asked_again) head_.reset();
  connector_->start();
}

// A server-made id, or the request for one.
void Exchange::carries(const wire::RequestHead& head) {
  const bool is_get = head.method == "GET";
  const bool polls = learns_engine_io(pool_->settings()) && is_engine_io_poll(head);
  auto id = learned_id(pool_->settings(), head);
  if (polls && is_get && (!id || id->kind != LearnSource::Kind::EngineIo)) sniffed_ = std::make_unique<std::string>();
  if (!id) return;
  Affinity::PickRequest& request = connector_->request();
  request.learned_id = std::move(id->id);
  switch (id->kind) {
  case LearnSource::Kind::EngineIo:
    request_.carried_id = polls && is_get ? CarriedId::EngineIoPoll : CarriedId::EngineIo;
    request.reaches_old_backend = head.method == "POST";
    break;
  case LearnSource::Kind::Header:
    request_.carried_id = CarriedId::Header;
    break;
  case LearnSource::Kind::Cookie:
    request.counts_as_absent = true;
    break;
  }
}

void Exchange::opened(Connector::Opened to) {
  if (request_.answer_lost) {
    worker_.retire(std::move(to.stream));
    to_backend_.drop(worker_);
    return answer_unavailable(502, CloseReason::BackendClosed);
  }
  if (const auto& id = connector_->request().learned_id; !id.empty()) record_->carries_id(id);
  backend_ = std::move(to.stream);
  upstream_.refused = false;
  backend_->set_handler(this);
  upstream_.origin = to.origin;
  upstream_.round = worker_.loop().round();
  if (to.origin == Connector::Origin::Bound) upstream_.binds = true;
  // A session told to leave backend A, but re-picked before it opened there, must not also be told to leave B.
  if (to.key_moved && leaving_ != CloseReason::Shutdown) leaving_.reset();
  state_ = State::Sent;
  request_.moved_at = last_activity_ = worker_.now();
  if (!to_backend_.empty()) {
    request_.sent = true;
    mind_refusal(to_backend_.flush(worker_, *backend_));
  }
  time_answer();
  watch_backend();
  if (request_.done || request_.has_body) arm_timer();  // else the request's end follows at once
  if (to_backend_.pending() <= high_water() / 2) client_.want_body(true);
}

void Exchange::not_opened(Connector::Failure why) {
  to_backend_.drop(worker_);
  switch (why) {
  case Connector::Failure::Gone:
    return answer_gone();
  case Connector::Failure::NoBackend:
    worker_.cells().reject(RejectReason::NoBackend);
    return answer_unavailable(503, CloseReason::NoBackend);
  case Connector::Failure::Refused:
    return answer_unavailable(502, CloseReason::ConnectFailed);
  case Connector::Failure::TimedOut:
    return answer_unavailable(504, CloseReason::ConnectFailed);
  case Connector::Failure::Local:
    return answer_unavailable(503, CloseReason::ConnectFailed);
  case Connector::Failure::LoginLost:
    client_.login_lost();
    return answer_unavailable(502, CloseReason::BackendClosed);
  }
}

void Exchange::append_request_head(std::string& out) {
  // HTTP/1.0 may come without a Host; what is sent is HTTP/1.1 and may not (RFC 9112 §3.2).
  const auto& host = head_->authority.empty() ? pool_->name : head_->authority;
  wire::append_request_start(out, head_->method, head_->target, host);
  using wire::FieldName;
  wire::FieldNames without = {FieldName::Host,           FieldName::ContentLength,
                              FieldName::XForwardedFor,  FieldName::XForwardedProto,
                              FieldName::XForwardedHost, FieldName::Forwarded};
  // What limpet has to read it asks to be sent as it is.
  if (request_.shape == Protocol::Sse || (learns_engine_io(pool_->settings()) && is_engine_io_poll(*head_))) {
    without.add(FieldName::AcceptEncoding);
  }
  if (!head_->http11) without.add(FieldName::Expect);
  wire::append_forwarded_fields(out, head_->fields, without);
  append_forwarded(out);
  if (request_.shape == Protocol::WebSocket) {
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
  const std::string peer = this->peer().is_unix() ? "" : this->peer().ip().text();
  if (!request_.from_trusted && !peer.empty() && !head_->authority.empty() && !fields.has(FieldName::Forwarded)) {
    return wire::append_all(out, "X-Forwarded-For: ", peer,
                            "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: ", head_->authority, "\r\n");
  }
  const auto given_or = [&](FieldName name, std::string_view own) {
    return request_.from_trusted ? fields.find(name).value_or(own) : own;
  };
  const auto proto = given_or(FieldName::XForwardedProto, request_.over_tls ? "https" : "http");
  const auto host = given_or(FieldName::XForwardedHost, head_->authority);
  if (!peer.empty()) wire::append_all(out, "X-Forwarded-For: ", hops_, peer, "\r\n");
  if (!proto.empty()) wire::append_all(out, "X-Forwarded-Proto: ", proto, "\r\n");
  if (!host.empty()) wire::append_all(out, "X-Forwarded-Host: ", host, "\r\n");
  if (!fields.has(FieldName::Forwarded)) return;
  std::string forwarded;
  for (std::size_t i = 0; request_.from_trusted && i < fields.size(); ++i) {
    if (fields.known(i) == FieldName::Forwarded) forwarded += std::string(fields[i].value) + ", ";
  }
  wire::append_field(out, "Forwarded", forwarded + wire::forwarded_element(peer, head_->authority, "http"));
}

void Exchange::request_body(const std::vector<std::string_view>& pieces, bool last, const wire::Fields* trailers) {
  if (state_ == State::Over || state_ == State::Ending) return;
  last_activity_ = request_.moved_at = worker_.now();
  std::size_t size = 0;
  for (const auto piece : pieces) size += piece.size();
  request_.body_size += size;
  const auto& http = record_->route->http;
  if (http.max_body > 0 && request_.body_size > http.max_body) {
    worker_.cells().reject(RejectReason::TooLarge);
    drop_backend();
    return answer(413, CloseReason::Limit, "the request body is too large");
  }
  if (size > 0 && record_->counted()) record_->relayed(Direction::ToBackend, size, 0);
  Gather& out = worker_.to_backend().of(to_backend_, backend_.get());
  if (!request_.sent && to_backend_.empty()) out.text() += *request_text_;
  if (request_.is_chunked && size > 0) {
    char chunk_head[20];
    out.text().append(chunk_head, wire::write_chunk_head(chunk_head, size));
  }
  for (const auto piece : pieces) out.add(piece);
  if (request_.is_chunked && size > 0) out.text() += wire::kChunkEnd;
  if (request_.is_chunked && last) {
    if (trailers != nullptr) {
      wire::append_last_chunk(out.text(), *trailers);
    } else {
      out.text() += wire::kLastChunk;
    }
  }
  request_.done = request_.done || last;
  if (!out.belongs_to(to_backend_)) {
    drop_backend();
    return answer_unavailable(502, CloseReason::ProtocolError);
  }
  if (state_ == State::Opening) {
    out.hold(worker_, to_backend_);
  } else if (backend_ != nullptr) {
    request_.sent = true;
    // Where the backend no longer takes the body it may have answered already: that is read, the body is dropped.
    mind_refusal(out.send(worker_, *backend_, to_backend_));
  }
  out.clear(to_backend_);
  if (to_backend_.pending() > high_water()) client_.want_body(false);
  if (state_ == State::Sent || state_ == State::Body) watch_backend();  // it may answer before it has read all
  if (state_ == State::Sent && last) {
    time_answer();
    arm_timer();
  }
}

void Exchange::request_broken() {
  worker_.cells().reject(RejectReason::Malformed);
  drop_backend();
  answer(400, CloseReason::ProtocolError, "malformed request body");
}

}  // namespace limpet::session
