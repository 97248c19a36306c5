// SPDX-License-Identifier: Apache-2.0
// A client's HTTP/1 connection from its first byte to its last (connection.h): requests are read here one after the
// other and handed to an Exchange each, and here the connection waits, lingers and closes. What is sent on it is
// connection_send.cpp's.
#include "proxy/session/http/connection.h"

#include "proxy/wire/http/http1_writer.h"

namespace limpet::session {

using net::IoStatus;

namespace {

constexpr std::size_t kMostPipelined = 64 * 1024;            // bytes of later requests that may wait unparsed
constexpr Duration kAnswerStall = std::chrono::seconds(30);  // for the last answer to be taken
constexpr Duration kLinger = std::chrono::seconds(2);        // for the peer's FIN after ours

// What some clients send behind a request: one such line end is skipped (RFC 9112 §2.2), and alone it begins none.
bool is_stray_line_end(std::string_view bytes) {
  return bytes == "\r\n" || bytes == "\r";
}

}  // namespace

HttpConnection::HttpConnection(Worker& worker, Accepted accepted)
    : worker_(worker),
      stream_(std::move(accepted.stream)),
      listener_(accepted.listener),
      number_(worker.upstreams().next_client()),
      info_(std::move(accepted.info)),
      token_(std::move(accepted.token)) {
  input_.append(accepted.read_ahead);
  worker_.listeners().hold(listener_);
}

HttpConnection::~HttpConnection() {
  worker_.listeners().let_go(listener_);
}

void HttpConnection::start() {
  stream_->set_handler(this);
  const auto& limits = worker_.listeners()[listener_].before_routing;
  worker_.wheel().arm(*this, worker_.now() + limits.request_header_timeout);
  if (!input_.empty()) process({});
  if (state_ != State::Closed) update_interest();
}

void HttpConnection::on_ready(net::Stream&, bool readable, bool writable) {
  if (state_ == State::Closed) return;
  if (writable && !outlet_.empty()) {
    if (outlet_.flush(worker_, *stream_) == IoStatus::Reset) return client_gone();
    if (exchange_) {
      exchange_->client_drained();
    } else if (state_ == State::Closing && outlet_.empty()) {
      if (eof_) return close_now();
      stream_->shut_write();
      worker_.wheel().arm(*this, worker_.now() + kLinger);
    } else if (state_ == State::Idle && outlet_.empty()) {
      await_request();
    }
    if (state_ == State::Closed) return;
  }
  if (readable && !eof_) read();
  if (state_ != State::Closed) update_interest();
}

void HttpConnection::on_refused(net::Stream&, IoStatus status) {
  if (state_ == State::Closed) return;
  if (status == IoStatus::Reset) return client_gone();
  if (exchange_) exchange_->client_backs_up();
  if (state_ == State::Idle) worker_.wheel().arm(*this, worker_.now() + kAnswerStall);
  if (state_ != State::Closed) update_interest();
}

void HttpConnection::read() {
  const net::IoResult got = stream_->read(worker_.scratch(), Worker::kScratch);
  switch (got.status) {
  case IoStatus::WouldBlock:
    return;
  case IoStatus::Reset:
    return client_gone();
  case IoStatus::Eof:
    return client_eof();
  case IoStatus::Ok:
    break;
  }
  if (state_ == State::Closing) return;
  const std::string_view bytes(worker_.scratch(), got.n);
  if (input_.empty()) {
    process(bytes);
  } else {
    input_.append(bytes);
    process({});
  }
}

// Takes what it can from what waits and then (if nothing waits) from `bytes`; keeps the rest.
void HttpConnection::process(std::string_view bytes) {
  if (processing_) return;
  processing_ = true;
  bool progressed = true;
  while (progressed && state_ != State::Closing && state_ != State::Closed) {
    const bool from_input = !input_.empty();
    const std::string_view next = from_input ? input_.view() : bytes;
    std::size_t taken = 0;
    progressed = false;
    switch (state_) {
    case State::Idle:
      if (!send_posted() || !outlet_.empty()) break;  // a client that does not read its answers gets no further ones
      [[fallthrough]];
    case State::Head:
      taken = take_head(next, progressed);
      break;
    case State::Body:
      taken = take_body(next, progressed);
      break;
    case State::Waiting:
    case State::Closing:
    case State::Closed:
      break;
    }
    if (from_input) {
      if (!input_.empty()) input_.consume(std::min(taken, input_.size()));
    } else {
      bytes.remove_prefix(taken);
    }
  }
  processing_ = false;
  if (state_ == State::Closing || state_ == State::Closed) return;
  input_.append(bytes);
  if (eof_) after_eof();
}

std::size_t HttpConnection::take_head(std::string_view bytes, bool& progressed) {
  if (bytes.empty() || (state_ == State::Idle && is_stray_line_end(bytes))) return 0;
  const auto& limits = worker_.listeners()[listener_].before_routing;
  auto head = worker_.request_heads().lease();
  const wire::HeadResult result = wire::parse_request_head(bytes, {limits.max_head, 256}, *head);
  if (result.status == wire::Status::NeedMore) {
    if (state_ == State::Idle) {
      state_ = State::Head;
      if (any_request_) worker_.wheel().arm(*this, worker_.now() + limits.request_header_timeout);
    }
    return 0;
  }
  if (result.status == wire::Status::Bad) {
    refuse(result);
    return bytes.size();
  }
  progressed = true;
  disarm();
  any_request_ = true;
  body_wanted_ = true;
  request_ = {head->http11, head->keep_alive, wire::is(head->method, "HEAD")};
  body_ = wire::BodyDecoder(head->framing, head->length);
  state_ = head->has_body() ? State::Body : State::Waiting;
  exchange_ = std::make_unique<Exchange>(worker_, *this, listener_, number_, std::move(head));
  exchange_->start(result.consumed);
  // The head goes out at once where nothing of the body came with it: the client may be waiting for a 100 (RFC 9110
  // §10.1.1).
  const bool nothing_follows = state_ == State::Body && result.consumed == bytes.size();
  if (exchange_ && (state_ == State::Waiting || nothing_follows)) {
    exchange_->request_body({}, state_ == State::Waiting, nullptr);
  }
  return result.consumed;
}

std::size_t HttpConnection::take_body(std::string_view bytes, bool& progressed) {
  if (bytes.empty() || !body_wanted_) return 0;
  auto& pieces = worker_.pieces();
  pieces.clear();
  std::size_t consumed = 0;
  const wire::Status status = body_.decode(bytes, consumed, pieces);
  if (status == wire::Status::Bad) {
    wire::HeadResult bad;
    bad.why = "malformed request body";
    if (exchange_) {
      exchange_->request_broken();
    } else {
      refuse(bad);
    }
    return bytes.size();
  }
  const bool last = status == wire::Status::Done;
  if (last) state_ = State::Waiting;
  progressed = last;
  if (exchange_) {
    exchange_->request_body(pieces, last, last ? &body_.trailers() : nullptr);
  } else if (last) {
    exchange_over();
  }
  return consumed;
}

void HttpConnection::refuse(const wire::HeadResult& bad) {
  worker_.cells().reject(bad.http_status == 431 ? metrics::RejectReason::TooLarge : metrics::RejectReason::Malformed);
  log::debug("request refused", {{"client", info_->peer.text()}, {"status", bad.http_status}, {"why", bad.why}});
  close_after_ = true;
  chunked_out_ = false;
  const std::string body = std::string(wire::reason_phrase(bad.http_status)) + "\n";
  const wire::Field type{"Content-Type", "text/plain; charset=utf-8"};
  ResponsePlan plan;
  plan.status = bad.http_status;
  plan.extra = {&type, 1};
  plan.framing = wire::Framing::Length;
  plan.length = body.size();
  send_head(plan);
  gather().text() += body;
  if (flush()) close_politely();
}

void HttpConnection::on_timer() {
  switch (state_) {
  case State::Idle:
    if (!outlet_.empty() && !outlet_.stalled(*stream_, worker_.now(), kAnswerStall)) {
      return worker_.wheel().arm(*this, worker_.now() + kAnswerStall);
    }
    return close_now();
  case State::Head: {
    wire::HeadResult slow;
    slow.http_status = 408;
    slow.why = "the request head did not come in time";
    worker_.cells().reject(metrics::RejectReason::Slow);
    return refuse(slow);
  }
  case State::Closing:
    if (!outlet_.empty()) {
      if (!outlet_.stalled(*stream_, worker_.now(), kAnswerStall)) {
        return worker_.wheel().arm(*this, worker_.now() + kAnswerStall);
      }
      stream_->close_with_reset();  // so that nobody takes what came for whole
    }
    return close_now();
  case State::Body:
  case State::Waiting:
  case State::Closed:
    return;
  }
}

void HttpConnection::client_eof() {
  eof_ = true;
  after_eof();
}

// Nothing more comes than what has come, of which all that can be taken now has been.
void HttpConnection::after_eof() {
  switch (state_) {
  case State::Waiting:
    if (exchange_) exchange_->client_eof();
    return;
  case State::Body:
    if (!input_.empty()) return;               // it is not wanted yet
    if (exchange_) exchange_->client_reset();  // a request that will never be complete
    return close_now();
  case State::Idle:
    if (!send_posted()) return;
    if (nothing_waits()) close_politely();
    return;
  case State::Head:
    return close_now();
  case State::Closing:
    if (outlet_.empty()) close_now();
    return;
  case State::Closed:
    return;
  }
}

void HttpConnection::client_gone() {
  if (state_ == State::Closed) return;
  if (exchange_) {
    exchange_->client_reset();
    if (state_ == State::Closed) return;
  }
  close_now();
}

void HttpConnection::want_body(bool wanted) {
  if (body_wanted_ == wanted) return;
  body_wanted_ = wanted;
  if (wanted && state_ == State::Body) process({});
  if (state_ != State::Closed) update_interest();
}

void HttpConnection::exchange_over() {
  if (exchange_) worker_.retire(std::unique_ptr<Owned>(std::move(exchange_)));
  if (state_ == State::Closed || state_ == State::Closing) return;
  if (close_after_ || state_ == State::Body || (eof_ && nothing_waits())) return close_politely();
  state_ = State::Idle;
  await_request();
  if (state_ != State::Closed) update_interest();
}

bool HttpConnection::nothing_waits() const {
  return input_.empty() || is_stray_line_end(input_.view());
}

// One may have come already.
void HttpConnection::await_request() {
  worker_.wheel().arm(*this, worker_.now() + worker_.listeners()[listener_].settings.keepalive_timeout);
  if (!processing_ && !input_.empty()) process({});
}

void HttpConnection::abort(bool with_reset) {
  if (exchange_) worker_.retire(std::unique_ptr<Owned>(std::move(exchange_)));
  if (with_reset && state_ != State::Closed) stream_->close_with_reset();
  close_now();
}

ReleasedClient HttpConnection::release(SessionRecord& record) {
  worker_.bound_upstreams().release(*this);
  outlet_.send_posted(worker_);
  ReleasedClient released;
  stream_->set_handler(nullptr);
  released.stream = std::move(stream_);
  released.outlet = std::move(outlet_);
  released.unread = std::string(input_.view());
  input_.clear();
  state_ = State::Closed;
  token_.move_to(record);
  disarm();
  if (exchange_) worker_.retire(std::unique_ptr<Owned>(std::move(exchange_)));
  worker_.retire(*this);
  return released;
}

// Our FIN first, then the peer's: closing with unread input would send RST and destroy the answer on its way.
void HttpConnection::close_politely() {
  worker_.bound_upstreams().release(*this);
  outlet_.send_posted(worker_);
  state_ = State::Closing;
  input_.clear();
  worker_.wheel().arm(*this, worker_.now() + (outlet_.empty() ? kLinger : Duration(std::chrono::seconds(60))));
  if (outlet_.empty()) {
    if (eof_) return close_now();
    stream_->shut_write();
  }
  update_interest();
}

void HttpConnection::close_now() {
  if (state_ == State::Closed) return;
  state_ = State::Closed;
  disarm();
  worker_.bound_upstreams().release(*this);
  if (exchange_) worker_.retire(std::unique_ptr<Owned>(std::move(exchange_)));
  outlet_.drop(worker_);
  worker_.to_client().clear(outlet_);
  input_.clear();
  worker_.retire(std::move(stream_));
  token_.give_back();
  worker_.retire(*this);
}

void HttpConnection::update_interest() {
  bool reads = false;
  switch (state_) {
  case State::Idle:
    reads = outlet_.empty();
    break;
  case State::Head:
  case State::Closing:
    reads = true;
    break;
  case State::Body:
    reads = body_wanted_;
    break;
  case State::Waiting:
    reads = input_.size() < kMostPipelined;
    break;
  case State::Closed:
    return;
  }
  stream_->watch(reads && !eof_, !outlet_.empty());
}

}  // namespace limpet::session
