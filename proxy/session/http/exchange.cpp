// SPDX-License-Identifier: Apache-2.0
// From a backend's response to the client: its head, what it becomes (an event stream, a WebSocket), its body piece by
// piece, and the back-pressure between the two sides.
#include "proxy/session/http/exchange.h"

#include <algorithm>

#include "proxy/base/crypto.h"
#include "proxy/base/log.h"
#include "proxy/base/planted_fault.h"
#include "proxy/session/websocket/session.h"
#include "proxy/wire/engine_io.h"
#include "proxy/wire/http/connection_auth.h"
#include "proxy/wire/websocket/handshake.h"

namespace limpet::session {

namespace {

constexpr std::uint8_t kMostInformational = 16;
constexpr std::size_t kMostSniffed = 1024;

bool is_event_stream(const wire::ResponseHead& head) {
  if (head.status != 200) return false;
  const auto type = head.fields.find(wire::FieldName::ContentType).value_or("");
  return wire::equals_ignoring_case(wire::trimmed(type.substr(0, type.find(';'))), "text/event-stream");
}

bool is_encoded(const wire::ResponseHead& head) {
  const auto encoding = head.fields.find(wire::FieldName::ContentEncoding);
  return encoding && !wire::equals_ignoring_case(*encoding, "identity");
}

}  // namespace

const char* Exchange::state_name() const {
  if (leaving_) return "farewell";
  return state_ == State::Opening ? "connecting" : "open";
}

void Exchange::on_ready(net::Stream&, bool readable, bool writable) {
  if (state_ == State::Over || backend_ == nullptr) return;
  if (writable && !to_backend_.empty()) {
    mind_refusal(to_backend_.flush(worker_, *backend_));
    last_activity_ = request_.moved_at = worker_.now();
    if (to_backend_.pending() <= high_water() / 2) client_.want_body(true);
    if (state_ == State::Over || backend_ == nullptr) return;
    watch_backend();
  }
  if (readable) read_backend();
}

void Exchange::on_refused(net::Stream&, net::IoStatus status) {
  if (state_ == State::Over || backend_ == nullptr) return;
  mind_refusal(status);
  if (to_backend_.pending() > high_water()) client_.want_body(false);
  watch_backend();
}

void Exchange::watch_backend() {
  if (backend_ != nullptr) backend_->watch(!upstream_.paused, !to_backend_.empty());
}

void Exchange::read_backend() {
  client_.expect_body();
  if (events_) prefetch(*events_);
  prefetch(*record_);
  if (connector_) prefetch(*connector_);
  if (request_text_) prefetch(*request_text_);
  const net::IoResult got = backend_->read(worker_.scratch(), Worker::kScratch);
  client_.expect_write();
  if (connector_) Affinity::expect_release(record_->member);  // the response begins, and soon ends
  if (got.status == net::IoStatus::WouldBlock) return;
  if (got.status != net::IoStatus::Ok) return backend_eof(got.status == net::IoStatus::Reset);
  // Of one that could not be repeated it is known that nothing was there.
  if (state_ == State::Sent && upstream_.origin != Connector::Origin::New && request_.repeatable &&
      upstream_.round == worker_.loop().round() && !planted(Planted::SurplusRead)) {
    return backend_strayed();
  }
  last_activity_ = worker_.now();
  const std::string_view bytes(worker_.scratch(), got.n);
  if (state_ == State::Body) return take_body(bytes);
  if (input_.empty()) return take_response(bytes);
  input_.append(bytes);
  const Buffer held = std::move(input_);
  take_response(held.view());
}

// Heads: informational ones, then the response's; then what follows of its body.
void Exchange::take_response(std::string_view bytes) {
  while (state_ == State::Sent) {
    if (!take_head(bytes)) return;
  }
  if (state_ == State::Body) take_body(bytes);  // the head leaves with it, or alone
  if (state_ == State::Body) arm_timer();
}

// False where it waits for more, or the exchange has ended.
bool Exchange::take_head(std::string_view& bytes) {
  const auto leased = worker_.response_heads().lease();
  wire::ResponseHead& head = *leased;
  const std::string_view method = request_.is_head ? "HEAD" : "GET";  // for all that it matters to a response
  const auto result = wire::parse_response_head(bytes, {record_->route->http.max_head, 256}, method, head);
  if (result.status == wire::Status::NeedMore) {
    input_.append(bytes);
    return false;
  }
  if (result.status == wire::Status::Bad) {
    log::debug("malformed response head", {{"backend", record_->member.backend->name}, {"why", result.why}});
    worker_.shared().observed(*record_->member.backend, false);
    drop_backend();
    answer_unavailable(502, CloseReason::ProtocolError);
    return false;
  }
  bytes.remove_prefix(result.consumed);
  if (head.status == 101 && request_.shape == Protocol::WebSocket &&
      wire::opens_websocket(head, *head_->fields.find(wire::FieldName::SecWebSocketKey))) {
    become_websocket(head, bytes);
    return false;
  }
  if (head.status < 200) {
    if (head.status == 101 || ++response_.informational > kMostInformational) {
      drop_backend();
      answer_unavailable(502, CloseReason::ProtocolError);
      return false;
    }
    if (client_.version() != metrics::HttpVersion::Http10) {
      client_.send_informational(head);
      return client_.flush();
    }
    return true;
  }
  begin_response(head, !bytes.empty());
  return state_ == State::Body;
}

void Exchange::learn_from(const wire::ResponseHead& head) {
  for (const auto& id : handed_out(pool_->settings(), head)) {
    worker_.shared().affinity.learn(record_->member, id.id, id.kind != LearnSource::Kind::Cookie, worker_.now());
  }
}

void Exchange::begin_response(const wire::ResponseHead& head, bool more_follows) {
  Backend& backend = *record_->member.backend;
  const bool good = !(pool_->settings().health.eject_on_5xx && head.status >= 500);
  if (!good || backend.has_failed_lately.load(std::memory_order_relaxed)) worker_.shared().observed(backend, good);
  learn_from(head);
  const bool is_stream = is_event_stream(head);
  if (is_stream) {
    record_->set_protocol(Protocol::Sse);
  } else if (record_->protocol() == Protocol::Sse || record_->protocol() == Protocol::WebSocket) {
    record_->set_protocol(Protocol::Http);
  }
  record_->count_opened(client_.version());
  record_->status = static_cast<std::uint16_t>(head.status);
  const Duration waited = worker_.now() - began_;
  if (!is_stream) record_->handshake_took(waited);
  auto& responses = record_->backend_cells().http_responses;
  if (record_->protocol() == Protocol::Http && head.status - 100 < responses.size()) responses[head.status - 100].add();

  body_ = wire::BodyDecoder(head.framing, head.length);
  upstream_.may_serve_again = head.keep_alive && head.http11 && head.framing != wire::Framing::UntilClose;
  if (is_stream && request_.is_last && !body_.done()) return client_eof();
  if (body_.done() && more_follows) said_too_much();
  upstream_.binds = upstream_.binds || wire::has_connection_challenge(head.fields);
  if (upstream_.binds) {
    if (request_.from_trusted) {
      upstream_.may_serve_again = false;  // its connection carries many users
    } else if (!upstream_.may_serve_again) {
      client_.login_lost();
    }
  }
  if (head.status != 200 || is_encoded(head)) sniffed_.reset();
  const std::string cookie = session_cookie();
  const wire::Field extra{"Set-Cookie", cookie};
  ResponsePlan plan;
  plan.status = head.status;
  plan.reason = head.reason;
  plan.fields = &head.fields;
  if (!cookie.empty()) plan.extra = {&extra, 1};
  plan.framing = is_stream ? wire::Framing::Chunked : head.framing;
  plan.length = head.length;
  plan.keeps_content_length = request_.is_head || head.status == 304;
  response_.begun = true;
  head_.reset();
  connector_.reset();
  request_text_.reset();
  client_.send_head(plan);
  state_ = State::Body;
  if (is_stream && !request_.is_head && !is_encoded(head)) {
    events_ = std::make_unique<EventStream>(record_->route->sse);
    const std::string opening = events_->opening();
    const std::string_view piece(opening);
    client_.send_body({&piece, 1});
    if (!client_.flush()) return;  // `opening` is gone after this
    if (leaving_ && events_->want_farewell()) return end_stream();
  }
  if (is_stream && !events_ && leaving_ && !body_.done()) return end_stream();  // encoded: it just ends
  if (body_.done()) {
    if (!client_.flush()) return;
    return body_done();
  }
}

void Exchange::take_body(std::string_view bytes) {
  if (body_.done()) {
    return said_too_much();
  }
  if (pass_whole_chunks(bytes)) return;
  auto& pieces = worker_.pieces();
  pieces.clear();
  std::size_t consumed = 0;
  const wire::Status status = bytes.empty() ? wire::Status::NeedMore : body_.decode(bytes, consumed, pieces);
  if (consumed < bytes.size()) said_too_much();
  if (sniffed_) sniff_engine_io(pieces);
  pass_body();
  if (state_ != State::Body) return;
  if (!client_.flush()) return;
  if (events_ && events_->said_farewell()) return end_stream();
  if (status == wire::Status::Bad) return backend_eof(true);
  if (status == wire::Status::Done) return body_done();
  mind_back_pressure();
}

// More than was promised: the connection is of no further use.
void Exchange::said_too_much() {
  upstream_.may_serve_again = false;
  worker_.upstreams().said_too_much(*record_->member.backend);
}

// The common case of an event: nothing of it is held back, and its chunk passes as it came. False, with nothing done,
// where that is not so.
bool Exchange::pass_whole_chunks(std::string_view bytes) {
  if (sniffed_ || (events_ && !events_->passes_all())) return false;
  auto& pieces = worker_.pieces();
  pieces.clear();
  if (!body_.is_whole_chunks(bytes, pieces)) return false;
  std::size_t size = 0;
  std::size_t messages = 0;
  for (const auto piece : pieces) {
    size += piece.size();
    if (events_) messages += events_->note(piece);
  }
  count_content(size, messages);
  if (client_.send_chunks(bytes, pieces)) mind_back_pressure();
  return true;
}

void Exchange::mind_back_pressure() {
  const std::size_t pending = client_.pending();
  if (pending == 0) return;
  if (pending > high_water() && !upstream_.paused) {
    upstream_.paused = true;
    worker_.cells().backpressure_pauses.add();
    watch_backend();
  }
  worker_.wheel().arm_no_later(*this, client_.stalled_since() + record_->route->http.stall_timeout);
}

void Exchange::count_content(std::size_t size, std::size_t messages) {
  if (messages > 0 && !response_.event_seen) {
    response_.event_seen = true;
    record_->handshake_took(worker_.now() - began_);
  }
  if (size > 0) record_->relayed(Direction::ToClient, size, messages);
}

void Exchange::pass_body() {
  auto& pieces = worker_.pieces();
  std::size_t size = 0;
  for (const auto piece : pieces) size += piece.size();
  std::size_t messages = 0;
  if (events_) {
    thread_local std::vector<std::string_view> passed;
    passed.clear();
    for (const auto piece : pieces) messages += events_->pass(piece, passed);
    client_.send_body(passed);
  } else {
    client_.send_body(pieces);
  }
  count_content(size, messages);
}

void Exchange::sniff_engine_io(const std::vector<std::string_view>& pieces) {
  for (const auto piece : pieces) *sniffed_ += piece.substr(0, kMostSniffed);
  const auto sid = wire::engine_io_sid(*sniffed_);
  if (sid) {
    worker_.shared().affinity.learn(record_->member, engine_io_id(*sid).id, true, worker_.now());
  }
  if (sid || sniffed_->size() >= kMostSniffed) sniffed_.reset();
}

void Exchange::become_websocket(const wire::ResponseHead& head, std::string_view unread) {
  Backend& backend = *record_->member.backend;
  if (backend.has_failed_lately.load(std::memory_order_relaxed)) worker_.shared().observed(backend, true);
  learn_from(head);
  record_->count_opened(metrics::HttpVersion::Http11);
  record_->status = 101;
  record_->handshake_took(worker_.now() - began_);
  const std::string cookie = session_cookie();
  const wire::Field extra{"Set-Cookie", cookie};
  ResponsePlan plan;
  plan.status = 101;
  plan.reason = head.reason;
  plan.fields = &head.fields;
  if (!cookie.empty()) plan.extra = {&extra, 1};
  response_.begun = true;
  client_.send_head(plan);
  if (!client_.flush()) return;
  disarm();
  state_ = State::Over;
  backend_->set_handler(nullptr);
  const std::string from_backend(unread);
  ReleasedClient client = client_.release(*record_);
  auto session = std::make_unique<WebSocketSession>(worker_, std::move(record_), std::move(client.stream),
                                                    std::move(client.outlet), std::move(backend_));
  WebSocketSession& started = *session;
  worker_.own(std::move(session));
  started.start(client.unread, from_backend);
  if (leaving_) started.farewell(*leaving_);
}

}  // namespace limpet::session
