// SPDX-License-Identifier: Apache-2.0
// Bodies come with a Content-Length (RFC 9112 §6.3); `Connection: close` is obeyed.
#include "tests/e2e/request_client.h"

#include <charconv>

#include "tests/e2e/message.h"

namespace limpet::e2e {

void RequestClient::ask() {
  connection_ = log_.connect({options_.key, options_.client, Protocol::Request, completed_ > 0});
  asking_ = true;
  if (stream_) return send();
  connected_ = false;
  stream_ = Stream::connect(loop_, options_.port, *this);
}

void RequestClient::on_connected() {
  connected_ = true;
  send();
}

void RequestClient::send() {
  log(Kind::Asked);
  stream_->write("GET " + options_.path + "?user=k" + std::to_string(options_.key) +
                 "&conn=" + std::to_string(connection_) + " HTTP/1.1\r\nHost: chat.example.com\r\n\r\n");
}

void RequestClient::on_bytes(std::string_view bytes) {
  if (!asking_) return log(Kind::Broken, 0, "bytes that answer nothing");
  const bool had_head = parse_head(buffer_).has_value();
  buffer_.append(bytes);
  const auto head = parse_head(buffer_);
  if (!head) return;
  if (!had_head) log(Kind::Answered, head->status, head->field("x-backend"));
  const auto length = head->field("content-length");
  std::size_t size = 0;
  std::from_chars(length.data(), length.data() + length.size(), size);
  if (buffer_.size() < head->size + size) return;
  const auto body = std::string_view(buffer_).substr(head->size);
  if (head->status != 200 || length.empty()) {
    log(Kind::Broken, 0, "an answer that was not expected: " + head->first);
  } else if (body != sample_body(connection_, size)) {
    log(Kind::Broken, 0, "a body that is another's");
  } else {
    log(Kind::Completed);
  }
  ++completed_;
  asking_ = false;
  buffer_.clear();
  if (head->field("connection") == "close") drop();
  if (leaving_) return leave();
  timer_ = loop_.after(options_.pause, [this] { ask(); });
}

void RequestClient::on_end(End end) {
  if (asking_) {
    log(end == End::Fin ? Kind::Fin : Kind::Reset);
    log(Kind::Broken, 0, "a request that was cut");
  }
  drop();
  if (!asking_) return;
  asking_ = false;
  if (leaving_) return leave();
  timer_ = loop_.after(0.2, [this] { ask(); });
}

void RequestClient::drop() {
  stream_->close();
  loop_.retire(std::move(stream_));
  buffer_.clear();
}

void RequestClient::leave() {
  leaving_ = true;
  if (asking_) return;
  loop_.cancel(timer_);
  if (stream_) drop();
  gone_ = true;
}

}  // namespace limpet::e2e
