// SPDX-License-Identifier: Apache-2.0
// See connection.h. Heads are read by wire/http/http1, frame ends and their legality by wire/websocket/observer; a
// frame is taken apart here only once all of it is there.
#include "proxy/demo/connection.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <sys/socket.h>

#include <charconv>

#include "proxy/base/crypto.h"
#include "proxy/wire/http/http1_writer.h"
#include "proxy/wire/websocket/handshake.h"

namespace limpet::demo {

namespace {

constexpr std::size_t kMaxHead = 16 * 1024;
constexpr std::size_t kMaxFrame = 64 * 1024;
constexpr std::size_t kMaxUnread = 256 * 1024;  // a peer that leaves more than this unread is dropped
constexpr unsigned kIdleTicks = 90;             // longer than the proxy keeps an idle connection
constexpr unsigned kClosingTicks = 3;

std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Requires: `frame` is one whole, legal frame of a client.
std::string unmasked_payload(std::string_view frame) {
  const auto length = static_cast<std::uint8_t>(frame[1]) & 0x7F;
  const std::size_t mask_at = length == 127 ? 10 : length == 126 ? 4 : 2;
  std::string payload(frame.substr(mask_at + 4));
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(payload[i] ^ frame[mask_at + i % 4]);
  return payload;
}

void append_frame(std::string& out, std::uint8_t first_byte, std::string_view payload) {
  out += static_cast<char>(first_byte);
  if (payload.size() < 126) {
    out += static_cast<char>(payload.size());
  } else if (payload.size() <= 0xFFFF) {
    out += static_cast<char>(126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xFF);
  } else {
    out += static_cast<char>(127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>((payload.size() >> shift) & 0xFF);
  }
  out += payload;
}

}  // namespace

DemoConnection::DemoConnection(const DemoSite& site, bufferevent* bev) : site_(site), bev_(bev) {
  bufferevent_setcb(
      bev_, [](bufferevent*, void* self) { static_cast<DemoConnection*>(self)->on_readable(); },
      [](bufferevent*, void* self) { static_cast<DemoConnection*>(self)->on_flushed(); },
      [](bufferevent*, short, void* self) { static_cast<DemoConnection*>(self)->state_ = State::Done; }, this);
  bufferevent_setwatermark(bev_, EV_READ, 0, kMaxHead + 1);
  bufferevent_enable(bev_, EV_READ | EV_WRITE);
}

DemoConnection::~DemoConnection() {
  bufferevent_free(bev_);
}

void DemoConnection::on_readable() {
  switch (state_) {
  case State::Head:
    read_requests();
    break;
  case State::WebSocket:
    read_frames();
    break;
  case State::Poll:  // what comes now is the next request
    break;
  case State::Events:
  case State::Closing:
  case State::Done:
    evbuffer_drain(bufferevent_get_input(bev_), kMaxFrame);
    break;
  }
}

void DemoConnection::on_flushed() {
  if (state_ == State::Closing) ::shutdown(bufferevent_getfd(bev_), SHUT_WR);
}

void DemoConnection::tick() {
  ++state_ticks_;
  switch (state_) {
  case State::Head:
    if (state_ticks_ >= kIdleTicks) state_ = State::Done;
    break;
  case State::Poll:
    if (state_ticks_ >= poll_ticks_) {
      send_answer(200, "application/json",
                  "{\"backend\":\"" + site_.name + "\",\"waited_s\":" + std::to_string(state_ticks_) + "}\n");
      read_requests();
    }
    break;
  case State::Events:
    send_event();
    break;
  case State::WebSocket:
    // Not between the fragments of a message that is being echoed (RFC 6455 §5.4).
    if (!echoing_fragments_) {
      send_text("{\"backend\":\"" + site_.name + "\",\"tick\":" + std::to_string(++count_) + "}");
    }
    break;
  case State::Closing:
    if (state_ticks_ >= kClosingTicks) state_ = State::Done;
    break;
  case State::Done:
    break;
  }
}

void DemoConnection::read_requests() {
  evbuffer* const input = bufferevent_get_input(bev_);
  while (state_ == State::Head && evbuffer_get_length(input) > 0) {
    const auto* bytes = reinterpret_cast<const char*>(evbuffer_pullup(input, -1));
    wire::RequestHead head;
    const wire::HeadResult result =
        wire::parse_request_head({bytes, evbuffer_get_length(input)}, {.max_head = kMaxHead}, head);
    if (result.status == wire::Status::NeedMore) return;
    if (result.status == wire::Status::Bad) {
      keep_alive_ = false;
      send_answer(result.http_status, "text/plain", site_.name + ": " + result.why + "\n");
      return;
    }
    evbuffer_drain(input, result.consumed);
    answer(head);
  }
  if (state_ == State::WebSocket) read_frames();
}

void DemoConnection::answer(const wire::RequestHead& head) {
  keep_alive_ = head.keep_alive;
  head_only_ = head.method == "HEAD";
  const std::string_view path = head.path();
  if (head.framing != wire::Framing::None || (head.method != "GET" && !head_only_)) {
    keep_alive_ = false;
    send_answer(405, "text/plain", site_.name + " answers GET and HEAD without a body only\n");
  } else if (path == "/") {
    send_answer(200, "text/html; charset=utf-8", site_.page);
  } else if (path == "/healthz") {
    send_answer(200, "text/plain", site_.name + " is well\n");
  } else if (path == "/forget") {
    forget();
  } else if (path == "/ws") {
    open_websocket(head);
  } else if (path == "/events") {
    open_events(head);
  } else if (path == "/poll") {
    state_ = State::Poll;
    state_ticks_ = 0;
    poll_ticks_ = 2 + static_cast<unsigned>(random_fraction() * 3);
  } else {
    send_answer(404, "text/plain", site_.name + " has no such page\n");
  }
}

std::string DemoConnection::start_answer(unsigned status) const {
  std::string out;
  wire::append_status_line(out, status, wire::reason_phrase(status));
  wire::append_field(out, "X-Backend", site_.name);
  return out;
}

void DemoConnection::send_answer(unsigned status, std::string_view type, std::string_view body) {
  std::string out = start_answer(status);
  wire::append_field(out, "Content-Type", type);
  wire::append_field(out, "Content-Length", std::to_string(body.size()));
  wire::append_field(out, "Cache-Control", "no-store");
  if (!keep_alive_) wire::append_field(out, "Connection", "close");
  wire::append_end(out);
  if (!head_only_) out += body;
  state_ = State::Head;
  state_ticks_ = 0;
  send(out);
  if (!keep_alive_) finish();
}

// Takes the proxy's cookie from the browser, which is a new client from then on.
void DemoConnection::forget() {
  std::string out = start_answer(204);
  wire::append_field(out, "Set-Cookie", site_.cookie + "=; Max-Age=0; Path=/");
  wire::append_field(out, "Cache-Control", "no-store");
  if (!keep_alive_) wire::append_field(out, "Connection", "close");
  wire::append_end(out);
  send(out);
  if (!keep_alive_) finish();
}

// The stream goes on after the id that the client has seen last, whichever backend sent that one.
void DemoConnection::open_events(const wire::RequestHead& head) {
  std::string out = start_answer(200);
  wire::append_field(out, "Content-Type", "text/event-stream");
  wire::append_field(out, "Cache-Control", "no-store");
  if (head.http11) wire::append_field(out, "Transfer-Encoding", "chunked");
  if (!head.http11 || !keep_alive_) wire::append_field(out, "Connection", "close");
  wire::append_end(out);
  state_ = State::Events;
  send(out);
  if (head_only_ || !head.http11) {  // HTTP/1.0 has no way to end a stream cleanly: it gets an empty one
    finish();
    return;
  }
  count_ = number_in(head.fields.find("Last-Event-ID").value_or(""));
  send_event();
}

void DemoConnection::send_event() {
  const std::string number = std::to_string(++count_);
  const std::string event = "id: " + number + "\ndata: {\"backend\":\"" + site_.name + "\",\"n\":" + number + "}\n\n";
  char size[20];
  std::string out(size, wire::write_chunk_head(size, event.size()));
  out += event;
  out += wire::kChunkEnd;
  send(out);
}

void DemoConnection::open_websocket(const wire::RequestHead& head) {
  switch (wire::upgrade_request(head)) {
  case wire::UpgradeRequest::WebSocket:
    break;
  case wire::UpgradeRequest::None:
  case wire::UpgradeRequest::BadVersion: {
    keep_alive_ = false;
    const std::string body = site_.name + " expects a WebSocket of version 13 here\n";
    std::string out = start_answer(426);
    wire::append_field(out, "Upgrade", "websocket");
    wire::append_field(out, "Sec-WebSocket-Version", "13");
    wire::append_field(out, "Connection", "Upgrade, close");
    wire::append_field(out, "Content-Length", std::to_string(body.size()));
    wire::append_end(out);
    send(head_only_ ? out : out + body);
    finish();
    return;
  }
  case wire::UpgradeRequest::Malformed:
    keep_alive_ = false;
    send_answer(400, "text/plain", site_.name + ": malformed WebSocket handshake\n");
    return;
  }
  std::string out = start_answer(101);
  wire::append_field(out, "Upgrade", "websocket");
  wire::append_field(out, "Connection", "Upgrade");
  wire::append_field(out, "Sec-WebSocket-Accept", wire::accept_key(*head.fields.find("Sec-WebSocket-Key")));
  wire::append_end(out);
  state_ = State::WebSocket;
  observer_ = std::make_unique<wire::WebSocketObserver>(wire::WebSocketObserver::From::Client);
  send(out);
  send_text("{\"backend\":\"" + site_.name + "\",\"hello\":true}");
}

void DemoConnection::read_frames() {
  evbuffer* const input = bufferevent_get_input(bev_);
  while (state_ == State::WebSocket && evbuffer_get_length(input) > 0) {
    const std::string_view bytes{reinterpret_cast<const char*>(evbuffer_pullup(input, -1)), evbuffer_get_length(input)};
    const wire::WebSocketObserver::Step step = observer_->step(bytes);
    frame_ += bytes.substr(0, step.consumed);
    evbuffer_drain(input, step.consumed);
    if (frame_.size() > kMaxFrame) {
      close_websocket(1009, "at most 64 KiB");
    } else if (step.what == wire::WebSocketObserver::What::Blind) {
      close_websocket(1002, "");
    } else if (step.what != wire::WebSocketObserver::What::More) {
      take_frame(step.what);
      frame_.clear();
    }
  }
}

void DemoConnection::take_frame(wire::WebSocketObserver::What what) {
  using What = wire::WebSocketObserver::What;
  const auto first = static_cast<std::uint8_t>(frame_[0]);
  if ((first & 0x70) != 0) {  // no extension was agreed upon
    close_websocket(1002, "reserved bits");
    return;
  }
  std::string out;
  switch (what) {
  case What::Fragment:
  case What::Message:
    echoing_fragments_ = what == What::Fragment;
    append_frame(out, first, unmasked_payload(frame_));
    send(out);
    break;
  case What::Ping:
    append_frame(out, 0x8A, unmasked_payload(frame_));
    send(out);
    break;
  case What::Close:
    close_websocket(observer_->close_code() == 1005 ? 1000 : observer_->close_code(), "");
    break;
  case What::Pong:
  case What::More:
  case What::Blind:
    break;
  }
}

void DemoConnection::send_text(std::string_view text) {
  std::string out;
  append_frame(out, 0x81, text);
  send(out);
}

void DemoConnection::close_websocket(std::uint16_t code, std::string_view reason) {
  std::string out;
  wire::append_close(out, code, reason, nullptr);
  send(out);
  finish();
}

void DemoConnection::finish() {
  if (state_ == State::Done) return;
  state_ = State::Closing;
  state_ticks_ = 0;
  evbuffer_drain(bufferevent_get_input(bev_), kMaxFrame);
  if (evbuffer_get_length(bufferevent_get_output(bev_)) == 0) on_flushed();
}

void DemoConnection::send(std::string_view bytes) {
  if (state_ == State::Done) return;
  bufferevent_write(bev_, bytes.data(), bytes.size());
  if (evbuffer_get_length(bufferevent_get_output(bev_)) > kMaxUnread) state_ = State::Done;
}

}  // namespace limpet::demo
