// SPDX-License-Identifier: Apache-2.0
// A backend's WebSocket: gives each message back in order, pings, fragments, closes as RFC 6455 §7 says: the server
// ends the connection first. What the proxy sends it is held to the same rules.
#include <algorithm>

#include "tests/sim/actors/frame.h"
#include "tests/sim/actors/services.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

class SocketService final : public Service {
 public:
  explicit SocketService(Visit& visit) : visit_(visit), next_(visit.nature()) {}

  void on_request_end() override;
  void on_raw(std::string_view bytes) override;
  void on_fin() override;
  void on_gone() override { next_.stop(); }

 private:
  void take(const Frame& frame);
  void echo();
  void act();
  void close(int code, std::string_view reason);
  void send(const Frame& frame) { visit_.send(unmasked(frame)); }
  void fail(std::string_view check, std::string_view why) {
    visit_.nature().fail(check, visit_.backend().name() + ": from " + visit_.tag().client + ": " + std::string(why));
  }

  Visit& visit_;
  Alarm next_;
  FrameReader reader_{true};
  std::string message_;
  std::vector<std::string> pings_;
  Time end_at_{};
  std::uint64_t heard_ = 0;
  bool close_sent_ = false, close_got_ = false;
};

void SocketService::on_request_end() {
  const Fields& fields = visit_.head().fields;
  const std::string key = fields.value("sec-websocket-key");
  if (!fields.lists("connection", "upgrade") || !fields.lists("upgrade", "websocket") || key.empty()) {
    fail("request_bad_upgrade", "");
    return visit_.end(true);
  }
  Backend& backend = visit_.backend();
  std::string accept = accept_for(key);
  if (backend.happens(backend.character().lies)) {
    visit_.nature().count("backend_wrong_accept");
    backend.commons().troubles.befall(visit_.tag().client, visit_.nature().now());
    accept = accept_for("another key");
  }
  visit_.send(
      visit_.answer_head(101, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept + "\r\n"));
  visit_.turn_raw();
  end_at_ = backend.happens(backend.character().ends_streams)
                ? visit_.nature().now() + between(backend.random(), 0ms, 60s)
                : Time::max();
  act();
}

void SocketService::act() {
  if (close_sent_ || !visit_.alive()) return;
  Random& random = visit_.backend().random();
  if (visit_.nature().now() >= end_at_) {
    visit_.nature().count("backend_closes_websocket");
    return close(chance(random, 0.5) ? 1001 : 1000, "so long");
  }
  if (chance(random, 0.1) && message_.empty()) {
    pings_.push_back(visit_.backend().name() + ":" + std::to_string(random.next() % 100000));
    send({true, kPing, pings_.back()});
  }
  next_.set(between(random, 500ms, 2s), [this] { act(); });
}

void SocketService::close(int code, std::string_view reason) {
  close_sent_ = true;
  send({true, kClose, close_payload(code, reason)});
}

void SocketService::on_raw(std::string_view bytes) {
  reader_.feed(bytes);
  Frame frame;
  while (visit_.alive() && reader_.next(frame)) take(frame);
  if (reader_.problem().empty()) return;
  fail("request_" + reader_.problem(), "a frame that is none");
  visit_.end(true);
}

void SocketService::take(const Frame& frame) {
  switch (frame.opcode) {
  case kPing:
    if (!close_sent_) send({true, kPong, frame.payload});
    return;
  case kPong: {
    const auto found = std::find(pings_.begin(), pings_.end(), frame.payload);
    if (found == pings_.end()) return fail("stray_pong", frame.payload);
    pings_.erase(pings_.begin(), found + 1);
    return;
  }
  case kClose:
    close_got_ = true;
    next_.stop();
    if (!std::exchange(close_sent_, true)) send({true, kClose, frame.payload.substr(0, 2)});
    return visit_.shut();
  default:
    message_ += frame.payload;
    if (frame.fin) echo();
  }
}

// Also what comes behind the backend's own Close has come.
void SocketService::echo() {
  const Tag tag{visit_.tag().client, visit_.tag().conversation, heard_ + 1};
  const Heard heard = hear(message_, tag);
  const std::string text = std::exchange(message_, "");
  if (heard != Heard::Whole) {
    const auto other = read_tag(text);
    const bool lost = heard == Heard::Another && other->number > tag.number;
    return fail(heard == Heard::Part ? "torn_request" : lost ? "message_lost" : "foreign_byte", text.substr(0, 80));
  }
  ++heard_;
  note_arrival(visit_, tag);
  if (close_sent_) return;
  Random& random = visit_.backend().random();
  if (text.size() < 2 || !chance(random, 0.2)) return send({true, kText, text});
  const std::size_t cut = 1 + below(random, text.size() - 1);
  send({false, kText, text.substr(0, cut)});
  if (chance(random, 0.5)) {
    pings_.push_back(visit_.backend().name() + ":" + std::to_string(random.next() % 100000));
    send({true, kPing, pings_.back()});
  }
  send({true, kContinuation, text.substr(cut)});
}

void SocketService::on_fin() {
  visit_.end(false);
}

}  // namespace

std::unique_ptr<Service> make_web_socket(Visit& visit) {
  return std::make_unique<SocketService>(visit);
}

}  // namespace limpet::sim
