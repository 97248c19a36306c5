// SPDX-License-Identifier: Apache-2.0
// See socket_app.h.
#include "tests/sim/actors/socket_app.h"

#include "proxy/base/crypto.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kWaited = 2s;         // the longest close_timeout of a world
constexpr Duration kCloseTimeout = 10s;  // a browser's own, for the server to end the connection
constexpr std::size_t kUnanswered = 16;  // messages ahead of their echoes, at most

}  // namespace

// A message from before a clean Close that no backend has: only where the world had no hand in it.
std::string SocketApp::unrest() const {
  for (const Owed& owed : owed_) {
    for (std::uint64_t number = 1; number <= owed.said; ++number) {
      const Tag tag{name_, owed.conversation, number};
      if (!commons_.ledger.has(tag) && !wronged_since(owed.since))
        return "lost before a clean close: " + turn_text(tag);
    }
  }
  if (state_ != State::Open) return "not connected";
  if (echoed_ != said_) return std::to_string(said_ - echoed_) + " messages without an echo";
  return {};
}

void SocketApp::connect() {
  state_ = State::Connecting;
  ++conversation_;
  said_ = echoed_ = 0;
  pings_.clear();
  pending_.clear();
  message_.clear();
  fragmenting_ = both_closed_ = false;
  reader_ = std::make_unique<FrameReader>(false);
  since_ = now();
  char nonce[16];
  random().fill(nonce, sizeof nonce);
  key_ = base64_encode({nonce, sizeof nonce});
  Ask get = ask("GET", kWebSocketPath, {name_, conversation_, 0});
  get.upgrade = true;
  get.fields.insert(get.fields.end(), {{"Connection", "Upgrade"},
                                       {"Upgrade", "websocket"},
                                       {"Sec-WebSocket-Version", "13"},
                                       {"Sec-WebSocket-Key", key_}});
  nature_.count("websocket_connect");
  line_.ask(std::move(get));
}

// As reconnecting-websocket: 1 to 5 s, a third longer with each failure, at most 10 s.
void SocketApp::come_back() {
  next_.stop();
  patience_.stop();
  state_ = State::Away;
  Duration wait = between(random(), 1s, 5s);
  for (std::uint64_t i = 0; i < failures_ && wait < 10s; ++i) wait = wait * 13 / 10;
  ++failures_;
  back_.set(std::min<Duration>(wait, 10s), [this] { connect(); });
}

void SocketApp::on_head(HttpLine&, const Head& head) {
  if (head.status == 101) return opened(head);
  nature_.count("websocket_refused_" + std::to_string(head.status));
  if (head.status < 500) return nature_.fail("own_refusal", name_ + ": " + std::to_string(head.status));
  if (head.status != 503) blame("unexcused_error", std::to_string(head.status), since_);
}

void SocketApp::on_answered(HttpLine& line) {
  line.close();
  come_back();
}

void SocketApp::opened(const Head& head) {
  if (head.fields.value("sec-websocket-accept") != accept_for(key_)) nature_.fail("wrong_accept", name_);
  if (!head.fields.lists("upgrade", "websocket") || !head.fields.lists("connection", "upgrade"))
    nature_.fail("wrong_upgrade", name_);
  state_ = State::Open;
  failures_ = 0;
  act();
}

void SocketApp::act() {
  if (state_ != State::Open) return;
  next_.set(pace(), [this] { act(); });
  if (fragmenting_) {
    if (chance(random(), 0.3)) ping();
    return send_fragment();
  }
  if (resting_) return;
  if (!healed_ && chance(random(), 0.01)) return close();
  if (chance(random(), 0.1)) ping();
  if (said_ - echoed_ < kUnanswered) say_next();
}

void SocketApp::say_next() {
  const std::size_t size = chance(random(), 0.05) ? below(random(), 70000) : below(random(), 300);
  const std::string text = say({name_, conversation_, said_ + 1}, size);
  nature_.count("websocket_message");
  if (!chance(random(), 0.2)) {
    ++said_;
    return send({true, kText, text});
  }
  const std::size_t cut = below(random(), text.size());
  fragmenting_ = true;
  pending_ = text.substr(cut);
  send({false, kText, text.substr(0, cut)});
  next_.set(between(random(), 0ms, 50ms), [this] { act(); });
}

void SocketApp::send_fragment() {
  const std::size_t size = std::min<std::size_t>(pending_.size(), 1 + below(random(), pending_.size()));
  const std::string part = pending_.substr(0, size);
  pending_.erase(0, size);
  fragmenting_ = !pending_.empty();
  if (!fragmenting_) ++said_;
  nature_.count("websocket_fragment");
  send({!fragmenting_, kContinuation, part});
}

void SocketApp::ping() {
  pings_.push_back(name_ + ":" + std::to_string(conversation_) + ":" + std::to_string(random().next() % 100000));
  nature_.count("websocket_ping");
  send({true, kPing, pings_.back()});
}

void SocketApp::close() {
  nature_.count("websocket_client_closes");
  state_ = State::Closing;
  next_.stop();
  send({true, kClose, close_payload(1000, "done")});
  patience_.set(kCloseTimeout, [this] {
    line_.close();
    come_back();
  });
}

void SocketApp::on_raw(HttpLine& line, std::string_view bytes) {
  if (state_ == State::Closed) return nature_.fail("frame_after_close", name_);
  reader_->feed(bytes);
  Frame frame;
  const std::uint64_t conversation = conversation_;
  while (line.connected() && conversation == conversation_ && reader_->next(frame)) take(frame);
  if (reader_->problem().empty()) return;
  nature_.fail(reader_->problem(), name_ + ": a frame that is none");
  line.leave(true);
  come_back();
}

void SocketApp::take(const Frame& frame) {
  switch (frame.opcode) {
  case kPing:
    if (state_ == State::Open) send({true, kPong, frame.payload});
    return;
  case kPong:
    return take_pong(frame.payload);
  case kClose:
    return take_close(frame);
  default:
    message_ += frame.payload;
    if (!frame.fin) return;
    if (is_mine(message_, {name_, conversation_, echoed_ + 1}, since_)) {
      ++echoed_;
      ++echoed_in_all_;
      nature_.count("websocket_echo");
    }
    message_.clear();
  }
}

void SocketApp::take_pong(const std::string& payload) {
  const auto found = std::find(pings_.begin(), pings_.end(), payload);
  if (found == pings_.end()) return nature_.fail("stray_pong", name_ + ": " + payload.substr(0, 80));
  pings_.erase(pings_.begin(), found + 1);  // a later Ping's Pong answers the earlier ones, too (§5.5.3)
}

// What it said counts if it said it before this: nothing goes behind its Close.
void SocketApp::take_close(const Frame& frame) {
  nature_.count("websocket_close_" + std::to_string(close_code(frame.payload)));
  if (state_ == State::Open) send({true, kClose, frame.payload.substr(0, 2)});
  both_closed_ = true;
  closed_at_ = now();
  state_ = State::Closed;
  next_.stop();
  patience_.set(kCloseTimeout, [this] {
    line_.close();
    come_back();
  });
}

void SocketApp::on_lost(HttpLine&, const Lost& lost) {
  // Who reads slowly may say something yet when its farewell has long been given up.
  const bool hears_in_time = slow_since_ < since_;
  if (both_closed_ && lost.how == Loss::Fin && hears_in_time) owed_.push_back({conversation_, said_, since_});
  const bool served = state_ == State::Open || state_ == State::Closing;
  if (served) nature_.count("websocket_1006");
  // Who reads slowly may lose the farewell that has arrived, and who takes a byte a second answers no Ping in time;
  // whose own Close is long in coming is not waited for.
  const bool reset = lost.how == Loss::Reset;
  const bool is_slow = slow_since_ >= since_ && (reset || manner_.slow_rate <= 1);
  const bool came_late = served ? is_slow : reset && now() >= closed_at_ + kWaited;
  if (came_late) {
    nature_.count("websocket_not_waited_for");
  } else if (served) {
    blame("cut_without_farewell", reader_->mid_frame() ? "inside a frame" : "between frames", since_);
  } else if (both_closed_ && lost.how == Loss::Reset) {
    blame("reset_after_close", "", since_);
  }
  if (state_ == State::Connecting) blame("unexcused_cut", "before an answer", since_);
  come_back();
}

}  // namespace limpet::sim
