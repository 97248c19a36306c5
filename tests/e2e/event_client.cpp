// SPDX-License-Identifier: Apache-2.0
// WHATWG HTML §9.2.3 (reestablishing, failing) over HTTP/1.1 with chunks. An end without the last chunk is a network
// error: the client comes back as well, but the log calls it broken.
#include "tests/e2e/event_client.h"

#include "tests/e2e/event_hub.h"

namespace limpet::e2e {

void EventClient::connect(bool returned) {
  connection_ = log_.connect({options_.key, options_.client, Protocol::Sse, returned});
  returned_ = returned;
  head_.clear();
  chunks_ = std::make_unique<ChunkDecoder>();
  parser_ =
      std::make_unique<EventStreamParser>([this](const ServerEvent& event) { take_event(event); }, last_event_id_);
  state_ = State::Asking;
  stream_ = Stream::connect(loop_, options_.port, *this);
}

void EventClient::on_connected() {
  std::string request =
      "GET /events?user=k" + std::to_string(options_.key) + "&conn=" + std::to_string(connection_) +
      " HTTP/1.1\r\nHost: chat.example.com\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n";
  if (!last_event_id_.empty()) request += "Last-Event-ID: " + last_event_id_ + "\r\n";
  log(Kind::Asked);
  stream_->write(request + "\r\n");
}

void EventClient::on_bytes(std::string_view bytes) {
  if (state_ != State::Asking) return take_body(bytes);
  head_.append(bytes);
  const auto head = parse_head(head_);
  if (!head) return;
  log(Kind::Answered, head->status, head->field("x-backend"));
  if (head->status != 200 || head->field("content-type").compare(0, 17, "text/event-stream") != 0) {
    log(Kind::Broken, 0, "an answer that ends an EventSource for good: " + head->first);
    state_ = State::Gone;
    stream_->close();
    return;
  }
  state_ = State::Open;
  const std::string rest = head_.substr(head->size);
  head_.clear();
  if (!rest.empty()) take_body(rest);
}

void EventClient::take_body(std::string_view bytes) {
  if (state_ != State::Open) return;
  std::string body;
  const auto used = chunks_->feed(bytes, body);
  parser_->feed(body);
  if (chunks_->bad() || used != bytes.size()) log(Kind::Broken, 0, "chunks that make no sense");
  if (!chunks_->done() && !chunks_->bad()) return;
  if (!parser_->between_events()) log(Kind::Broken, 0, "the end of a stream in mid-event");
  log(Kind::StreamEnded, parser_->retry_ms());
  come_back();
}

void EventClient::take_event(const ServerEvent& event) {
  const std::int64_t id = event.id.empty() ? 0 : std::stoll(event.id);
  const bool named = id % 5 == 0;
  if (event.data.rfind(std::to_string(id) + " ", 0) != 0 || (event.type == "tick") != named) {
    log(Kind::Broken, 0, "an event whose text is another's: " + event.data.substr(0, 40));
  }
  if (event.data != EventHub::data_of(id)) log(Kind::Broken, 0, "an event that is not what was sent");
  last_id_ = id;
  log(Kind::Received, id);
}

void EventClient::on_end(End end) {
  log(end == End::Fin ? Kind::Fin : Kind::Reset);
  if (state_ == State::Open) log(Kind::Broken, 0, "a stream that was cut");
  come_back();
}

void EventClient::come_back() {
  stream_->close();
  loop_.retire(std::move(stream_));
  if (parser_->retry_ms() >= 0) retry_ms_ = parser_->retry_ms();
  last_event_id_ = parser_->last_event_id();
  comments_ += parser_->comments();
  if (state_ == State::Gone) return;
  state_ = State::Waiting;
  timer_ = loop_.after(static_cast<double>(retry_ms_) / 1000, [this] { connect(true); });
}

void EventClient::leave() {
  loop_.cancel(timer_);
  state_ = State::Gone;
  if (stream_) stream_->close();
}

}  // namespace limpet::e2e
