// SPDX-License-Identifier: Apache-2.0
// The client's half of RFC 6455 §4.1 and §7.1: the server closes the TCP connection first, so the client waits for its
// FIN.
#include "tests/e2e/ws_client.h"

#include "tests/e2e/http_head.h"

namespace limpet::e2e {
namespace {

constexpr const char* kKey = "dGhlIHNhbXBsZSBub25jZQ==";

}  // namespace

WsClient::WsClient(Loop& loop, EventLog& log, Options options)
    : loop_(loop), log_(log), options_(options), random_(options.client + 99) {}

void WsClient::connect(bool returned) {
  connection_ = log_.connect({options_.key, options_.client, Protocol::WebSocket, returned});
  head_.clear();
  state_ = State::Handshake;
  stream_ = Stream::connect(loop_, options_.port, *this);
}

void WsClient::on_connected() {
  std::string request =
      "GET /ws?user=k" + std::to_string(options_.key) + "&conn=" + std::to_string(connection_) +
      " HTTP/1.1\r\nHost: chat.example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
      kKey + "\r\n";
  if (options_.deflate) request += std::string("Sec-WebSocket-Extensions: ") + kDeflateOffer + "\r\n";
  log(Kind::Asked);
  stream_->write(request + "\r\n");
}

void WsClient::on_bytes(std::string_view bytes) {
  if (state_ == State::Handshake) {
    head_.append(bytes);
    if (take_handshake() && !head_.empty()) peer_->feed(head_);
    return;
  }
  if (peer_) peer_->feed(bytes);
}

bool WsClient::take_handshake() {
  const auto head = parse_head(head_);
  if (!head) return false;
  head_.erase(0, head->size);
  log(Kind::Answered, head->status, head->field("x-backend"));
  const bool deflated = !head->field("sec-websocket-extensions").empty();
  if (head->status != 101 || head->field("sec-websocket-accept") != accept_for(kKey) || deflated != options_.deflate) {
    on_broken("a handshake that went wrong: " + head->first);
    return false;
  }
  peer_ = std::make_unique<WsPeer>(loop_, *stream_, *this, connection_, Direction::ToBackend, options_.deflate,
                                   options_.traffic);
  state_ = State::Open;
  peer_->start();
  return true;
}

void WsClient::on_close(int code, double unfinished_for) {
  log(Kind::CloseReceived, code, "", unfinished_for);
  if (peer_->close_sent()) {
    state_ = State::Farewell;
    return;
  }
  state_ = State::Farewell;
  switch (options_.manner) {
  case Manner::NeverSays:
    peer_->send_now(50);
    return peer_->stop();
  case Manner::Prompt:
    peer_->send_now(50);
    return answer_close(code);
  case Manner::Lingers:
    peer_->send_now(50);
    timer_ = loop_.after(0.1 + 0.2 * static_cast<double>(random_() % 100) / 100, [this, code] {
      if (!peer_) return;
      peer_->send_now(2000);
      answer_close(code);
    });
    return;
  }
}

void WsClient::answer_close(int code) {
  peer_->close(code);  // which finishes the message under way
  log(Kind::CloseSent, code);
}

void WsClient::on_broken(const std::string& what) {
  log(Kind::Broken, 0, what);
  stream_->close();
  drop();
}

void WsClient::on_end(End end) {
  if (end == End::Fin && peer_ && peer_->in_mid_frame()) log(Kind::Broken, 0, "the end of the stream in mid-frame");
  log(end == End::Fin ? Kind::Fin : Kind::Reset);
  stream_->close();
  drop();
}

void WsClient::drop() {
  loop_.cancel(timer_);
  if (peer_) {
    const double asked = peer_->oldest_unanswered_ping();
    if (asked >= 0 && state_ == State::Open && loop_.now() - asked > 3) log(Kind::Broken, 0, "a ping was not answered");
    peer_->stop();
  }
  loop_.retire(std::move(stream_));
  state_ = State::Gone;
  if (leaving_) return;
  timer_ = loop_.after(0.05 + 0.25 * static_cast<double>(random_() % 100) / 100, [this] {
    peer_.reset();
    connect(true);
  });
}

void WsClient::stop_sending() {
  if (peer_ && state_ == State::Open) peer_->quiet();
}

void WsClient::leave() {
  leaving_ = true;
  if (state_ == State::Idle || state_ == State::Gone) {
    loop_.cancel(timer_);
    state_ = State::Gone;
  } else if (peer_) {
    if (!peer_->close_sent()) answer_close(1000);
  } else if (stream_) {
    stream_->close();
    drop();
  }
}

void WsClient::log(Kind kind, std::int64_t number, std::string text, double seconds) {
  log_.add(loop_.now(), kind, connection_, number, std::move(text), seconds);
}

}  // namespace limpet::e2e
