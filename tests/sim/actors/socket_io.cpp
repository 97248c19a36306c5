// SPDX-License-Identifier: Apache-2.0
// See socket_io.h. Here: the session, what is said in it, and polling. The WebSocket is in socket_io_upgrade.cpp.
#include "tests/sim/actors/socket_io.h"

#include "tests/sim/actors/engine_sessions.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kPingPatience = 45s;  // pingInterval and pingTimeout together
constexpr std::uint64_t kUnanswered = 16;

}  // namespace

SocketIo::SocketIo(Nature& nature, Commons& commons, std::string name, Manner manner)
    : Client(nature, commons, std::move(name), std::move(manner)),
      poll_(nature, *this),
      post_(nature, *this),
      socket_(nature, *this),
      back_(nature),
      next_(nature),
      ping_(nature),
      probe_(nature) {}

std::string SocketIo::unrest() const {
  for (const Tag& tag : acknowledged_) {
    if (!commons_.ledger.has(tag)) return "acknowledged and lost: " + turn_text(tag);
  }
  if (!joined_) return "not connected";
  if (resting_ && echoed_ != said_) return std::to_string(said_ - echoed_) + " messages without an echo";
  return {};
}

std::string SocketIo::target(std::string_view transport) const {
  std::string text = std::string(kEnginePath) + "?EIO=4&transport=" + std::string(transport);
  return sid_.empty() ? text : text + "&sid=" + sid_;
}

void SocketIo::connect() {
  state_ = State::Handshake;
  ++conversation_;
  said_ = echoed_ = 0;
  sid_.clear();
  waiting_.clear();
  since_ = now();
  nature_.count("engine_connect");
  poll();
}

// As the library's Manager: the transport is gone, and with it the session.
void SocketIo::lose(std::string_view why) {
  if (state_ == State::Away) return;
  nature_.count("engine_session_over");
  nature_.note(*this, "session over: " + std::string(why));
  state_ = State::Away;
  joined_ = polling_ = posting_ = socket_closed_ = false;
  posted_.clear();
  next_.stop();
  ping_.stop();
  probe_.stop();
  poll_.close();
  post_.close();
  socket_.close();
  Duration wait = 1s;
  for (std::uint64_t i = 0; i < failures_ && wait < 5s; ++i) wait *= 2;
  ++failures_;
  wait = std::min<Duration>(wait, 5s);
  back_.set(between(random(), wait / 2, wait * 3 / 2), [this] { connect(); });
}

void SocketIo::act() {
  next_.set(pace(), [this] { act(); });
  if (resting_ || !joined_ || said_ - echoed_ >= kUnanswered) return;
  nature_.count("engine_message");
  send("42[\"m\",\"" + say({name_, conversation_, ++said_}, below(random(), 500)) + "\"]");
}

void SocketIo::send(std::string packet) {
  if (state_ == State::Upgraded) return send_frame({true, kText, packet});
  waiting_.push_back(std::move(packet));
  post();
}

void SocketIo::poll() {
  if (polling_) return;
  polling_ = true;
  poll_body_.clear();
  poll_.ask(ask("GET", target("polling"), {name_, conversation_, ++requests_}));
}

// One at a time, with all that waits; none while it changes over.
void SocketIo::post() {
  if (posting_ || waiting_.empty() || (state_ != State::Polling && state_ != State::Probing)) return;
  posting_ = true;
  post_body_.clear();
  Ask request = ask("POST", target("polling"), {name_, conversation_, ++requests_});
  request.fields.emplace_back("Content-Type", "text/plain;charset=UTF-8");
  request.framing = Ask::Body::Length;
  request.body = join_packets(waiting_);
  for (const auto& packet : waiting_) {
    if (const auto tag = read_tag(event_text(packet))) posted_.push_back(tag->number);
  }
  waiting_.clear();
  post_.ask(std::move(request));
}

void SocketIo::on_head(HttpLine& line, const Head& head) {
  if (&line == &poll_) poll_status_ = head.status;
  if (&line == &post_) post_status_ = head.status;
  if (&line != &socket_ || head.status != 101) return;
  if (head.fields.value("sec-websocket-accept") != accept_for(key_)) nature_.fail("wrong_accept", name_);
  reader_ = std::make_unique<FrameReader>(false);
  send_frame({true, kText, "2probe"});
}

void SocketIo::on_body(HttpLine& line, std::string_view piece) {
  if (&line == &poll_) poll_body_.append(piece);
  if (&line == &post_) post_body_.append(piece);
}

// An error of the transport to the library. 400 to an id that its backend would know is the wrong backend; who takes
// longer over an answer than its id is kept for has come too late.
void SocketIo::refused(int status) {
  nature_.count("engine_refused_" + std::to_string(status));
  if (status == 400 && slow_since_ >= since_) {
    nature_.count("engine_id_forgotten");
  } else if (status == 400) {
    blame("wrong_backend", "400 for " + sid_, since_);
  } else if (status != 503 && !raced_since(now() - 5s)) {
    blame("unexcused_error", std::to_string(status), since_);
  }
  lose("status " + std::to_string(status));
}

void SocketIo::on_answered(HttpLine& line) {
  if (&line == &socket_) {  // the upgrade was refused: the session goes on polling
    nature_.count("engine_upgrade_refused");
    const int status = line.head().status;
    if (status != 503) blame(status == 400 ? "wrong_backend" : "unexcused_error", "of an upgrade", since_);
    probe_.stop();
    socket_.close();
    if (state_ == State::Probing) state_ = State::Polling;
    return;
  }
  if (&line == &post_) {
    posting_ = false;
    if (post_status_ != 200) return refused(post_status_);
    if (post_body_ != "ok") nature_.fail("foreign_byte", name_ + ": to a POST: " + post_body_.substr(0, 80));
    for (const std::uint64_t number : posted_) acknowledged_.push_back({name_, conversation_, number});
    posted_.clear();
    if (state_ == State::Pausing) return change_over();
    return post();
  }
  polling_ = false;
  if (poll_status_ != 200) return refused(poll_status_);
  const std::uint64_t conversation = conversation_;
  take_packets(std::string(poll_body_));
  if (conversation != conversation_ || state_ == State::Away) return;
  if (state_ == State::Pausing) return change_over();
  if (state_ == State::Polling || state_ == State::Probing) poll();
}

void SocketIo::take_packets(const std::string& body) {
  for (const std::string& packet : split_packets(body)) {
    if (state_ == State::Away) return;
    take(packet);
  }
}

void SocketIo::take(const std::string& packet) {
  if (state_ == State::Handshake && packet != "1") return take_handshake(packet);
  if (packet == "6") return;
  if (packet == "1") return lose("close packet");
  if (packet == "2") {
    wait_for_ping();
    return send("3");
  }
  if (packet == "40{\"sid\":\"io-" + sid_ + "\"}") {
    joined_ = true;
    failures_ = 0;
    return act();
  }
  const std::string text = event_text(packet);
  if (text.empty()) return nature_.fail("foreign_byte", name_ + ": a packet: " + packet.substr(0, 80));
  take_echo(text);
}

void SocketIo::take_handshake(const std::string& packet) {
  constexpr std::string_view kStart = "0{\"sid\":\"";
  const auto end = packet.find('"', kStart.size());
  if (!packet.starts_with(kStart) || end == std::string::npos)
    return nature_.fail("foreign_byte", name_ + ": instead of a handshake: " + packet.substr(0, 80));
  sid_ = packet.substr(kStart.size(), end - kStart.size());
  state_ = State::Polling;
  wait_for_ping();
  send("40");
  probe();
}

// In a session nothing overtakes and nothing is lost: whoever loses something loses the session.
void SocketIo::take_echo(const std::string& text) {
  if (!is_mine(text, {name_, conversation_, echoed_ + 1}, since_)) return;
  ++echoed_;
  ++echoed_in_all_;
  nature_.count("engine_echo");
}

void SocketIo::wait_for_ping() {
  ping_.set(kPingPatience, [this] {
    blame("no_ping", "within 45 s", since_);
    lose("no ping");
  });
}

}  // namespace limpet::sim
