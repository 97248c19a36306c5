// SPDX-License-Identifier: Apache-2.0
// See plain_actors.h.
#include "tests/sim/plain_actors.h"

#include "proxy/wire/websocket/handshake.h"
#include "tests/sim/plain_speech.h"
#include "tests/sim/trace.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint8_t kText = 1, kClose = 8, kPing = 9, kPong = 10;

}  // namespace

// --- backend ---

PlainBackend::Connection* PlainBackend::find(std::uint64_t id) {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : &found->second;
}

void PlainBackend::on_open(End& end) {
  connections_[end.id()] = {&end, {}, {}};
}

void PlainBackend::on_bytes(End& end, std::string_view bytes) {
  Connection* const connection = find(end.id());
  if (connection == nullptr) return;
  connection->input += bytes;
  take(*connection);
}

void PlainBackend::on_fin(End& end) {
  Connection* const connection = find(end.id());
  if (connection != nullptr) connection->fin = true;
  if (connection == nullptr || !connection->busy) end.close();
}

void PlainBackend::on_closed(End& end, bool) {
  connections_.erase(end.id());
}

void PlainBackend::take(Connection& connection) {
  if (connection.websocket) return take_frames(connection);
  if (!connection.busy) take_request(connection);
}

void PlainBackend::take_request(Connection& connection) {
  bool broken = false;
  const auto request = take_message(connection.input, false, broken);
  if (!request) return;
  const auto& head = request->head;
  const std::string path = head.substr(head.find(' ') + 1, head.find(' ', head.find(' ') + 1) - head.find(' ') - 1);
  const std::uint64_t id = connection.end->id();
  if (const auto key = field(head, "Sec-WebSocket-Key"); !key.empty()) {
    connection.websocket = true;
    connection.user = path.substr(path.rfind('=') + 1);
    connection.end->send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: " +
        wire::accept_key(key) + "\r\n\r\n");
    if (!habits_.quiet) nature_.after(Duration(nature_.random().next() % 1'000'000'000), [this, id] { push(id); });
    return take_frames(connection);
  }
  connection.busy = true;
  const auto r = nature_.random().next();
  const Duration takes = r % 8 == 0 ? 3s : r % 3 == 0 ? Duration(r % 200'000'000) : 1ms;
  nature_.after(takes, [this, id, path] { answer(id, path); });
}

void PlainBackend::answer(std::uint64_t id, const std::string& path) {
  Connection* const connection = find(id);
  if (connection == nullptr) return;
  End& end = *connection->end;
  const auto r = nature_.random().next();
  std::string body = path + "\n";
  if (r % 4 == 0) body += std::string(r % 20'000, 'x');
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
  if (habits_.dies_in_mid_answer && r % 16 == 3) {
    end.send(head + "Content-Length: " + std::to_string(body.size() + 5) + "\r\n\r\n" + body);
    nature_.count("backend dies in mid-answer");
    return end.close();
  }
  if (r % 3 == 1) {
    end.send(head + "Transfer-Encoding: chunked\r\n\r\n");
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", body.size());
    end.send(size + body + "\r\n0\r\n\r\n");
  } else {
    end.send(head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  // Often enough that it is not taken for one that never does (proxy/session/upstream_pool.h).
  if (habits_.says_too_much && (++answers_ % 8 == 1 || r % 3 == 0)) {
    const Duration later(r % 2 == 0 ? 0 : nature_.random().next() % 5'000'000);
    nature_.after(later, [this, id, path] {
      Connection* const speaker = find(id);
      if (speaker == nullptr) return;
      nature_.count("backend says too much");
      const std::string stray = "stray " + path + "\n";
      speaker->end->send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(stray.size()) + "\r\n\r\n" + stray);
    });
  }
  connection->busy = false;
  if (connection->fin || (r >> 20) % 8 == 0) return end.close();
  take(*connection);
}

void PlainBackend::take_frames(Connection& connection) {
  bool broken = false;
  while (const auto frame = take_frame(connection.input, true, broken)) {
    if (frame->opcode == kClose) {
      connection.end->send(frame_of(kClose, frame->payload, false));
      return connection.end->close();
    }
    if (frame->opcode == kPing) connection.end->send(frame_of(kPong, frame->payload, false));
    if (frame->opcode != kText) continue;
    const std::string expected = "e" + connection.user + "#" + std::to_string(connection.received++) + ":";
    if (!frame->payload.starts_with(expected)) {
      return nature_.fail("foreign_bytes", name_ + ": expected " + expected + ", got " + shown(frame->payload));
    }
    connection.end->send(frame_of(kText, frame->payload, false));
  }
  if (broken) nature_.fail("broken_frames", name_ + " got what is no frame from " + connection.user);
}

void PlainBackend::push(std::uint64_t id) {
  Connection* const connection = find(id);
  if (connection == nullptr || connection->fin) return;
  std::string text = "p" + connection->user + "#" + std::to_string(connection->pushed++) + ":";
  text += std::string(nature_.random().next() % (nature_.random().next() % 4 == 0 ? 9000 : 60), 'y');
  connection->end->send(frame_of(kText, text, false));
  nature_.after(Duration(nature_.random().next() % 600'000'000), [this, id] { push(id); });
}

// --- clients ---

void PlainClient::connect() {
  ++life_;
  end_ = &nature_.connect(*this);
}

void PlainClient::gone() {
  forget();
  end_ = nullptr;
  input_.clear();
  ++life_;
  const Duration pause = 50ms + Duration(nature_.random().next() % 900'000'000);
  nature_.after(pause, [this] { connect(); });
}

std::string PlainClient::complaint() const {
  if (nature_.now() - well_at_ < 20s) return {};
  return "nothing has worked for " + std::to_string((nature_.now() - well_at_) / 1s) + " s";
}

void WebSocketUser::on_open(End& end) {
  end.send("GET /ws?c=" + name_ + " HTTP/1.1\r\nHost: sim\r\nX-User: " + key_ +
           "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  if (!stays_ && below(20) == 0) {
    nature_.count("client leaves in its handshake");
    end.reset();
  }
}

void WebSocketUser::forget() {
  open_ = said_close_ = got_close_ = false;
  said_ = echoed_ = pushed_ = 0;
}

void WebSocketUser::on_bytes(End& end, std::string_view bytes) {
  input_ += bytes;
  bool broken = false;
  if (!open_) {
    const auto answer = take_message(input_, true, broken);
    if (broken) fail("foreign_bytes", "no answer to a handshake: " + shown(input_));
    if (!answer) return;
    nature_.count("handshake: " + std::to_string(answer->status()));
    if (answer->status() != 101) return end.close();
    open_ = true;
    is_well();
    say_something();
  }
  while (const auto frame = take_frame(input_, false, broken)) {
    if (got_close_) return fail("bytes_behind_close", "a frame came behind a Close");
    if (frame->opcode == kClose) {
      got_close_ = true;
      nature_.count("client gets a Close");
      if (!said_close_) end.send(frame_of(kClose, frame->payload.substr(0, 2), true));
      said_close_ = true;
    }
    if (frame->opcode == kPing && !said_close_) end.send(frame_of(kPong, frame->payload, true));
    if (frame->opcode == kText) take(frame->payload);
  }
  if (broken) fail("broken_frames", "what is no frame: " + shown(input_));
}

void WebSocketUser::take(const std::string& payload) {
  is_well();
  const bool echo = payload.starts_with("e");
  const std::string expected =
      (echo ? "e" + name_ + "#" + std::to_string(echoed_) : "p" + name_ + "#" + std::to_string(pushed_)) + ":";
  if (!payload.starts_with(expected)) fail("foreign_bytes", "expected " + expected + ", got " + shown(payload));
  ++(echo ? echoed_ : pushed_);
}

void WebSocketUser::say_something() {
  if (end_ == nullptr || !open_ || said_close_) return;
  if (!stays_ && below(30) == 0) {
    said_close_ = true;
    nature_.count("client says Close");
    end_->send(frame_of(kClose, "\x03\xe8", true));
  } else if (!stays_ && below(60) == 0) {
    nature_.count("client resets");
    return end_->reset();
  } else if (!stays_ && below(40) == 0) {
    nature_.count("client reads slowly");
    end_->reads_at(below(3) == 0 ? 1 : 500);
    nature_.after(5s, [this, life = life_] {
      if (life == life_ && end_ != nullptr) end_->reads_at(UINT64_MAX);
    });
  } else {
    std::string text = "e" + name_ + "#" + std::to_string(said_++) + ":";
    text += std::string(below(below(4) == 0 ? 9000 : 60), 'z');
    end_->send(frame_of(kText, text, true));
  }
  const Duration pause = stays_ ? Duration(5s) : Duration(below(800'000'000));
  nature_.after(pause, [this, life = life_] {
    if (life == life_) say_something();
  });
}

void WebSocketUser::on_fin(End& end) {
  end.close();
}

void RequestUser::on_open(End&) {
  ask();
}

void RequestUser::forget() {
  asked_.clear();
}

void RequestUser::ask() {
  if (end_ == nullptr) return;
  asked_ = "/" + name_ + "." + std::to_string(++requests_);
  std::string request = "GET " + asked_ + " HTTP/1.1\r\nHost: sim\r\n";
  if (!key_.empty()) request += "X-User: " + key_ + "\r\n";
  end_->send(request + "\r\n");
  nature_.after(25s, [this, life = life_, asked = asked_] {
    if (life == life_ && asked == asked_ && end_ != nullptr) end_->reset();
  });
}

void RequestUser::on_bytes(End& end, std::string_view bytes) {
  input_ += bytes;
  bool broken = false;
  const auto answer = take_message(input_, true, broken);
  if (broken || (answer && asked_.empty())) return fail("foreign_bytes", "unasked: " + shown(input_));
  if (!answer) return;
  nature_.count("answer: " + std::to_string(answer->status()));
  if (answer->status() == 200) {
    is_well();
    if (answer->body.starts_with("stray /" + name_ + ".")) {
      nature_.count("client gets what followed an answer of its own");
      return end.close();
    }
    if (!answer->body.starts_with(asked_ + "\n")) {
      return fail("foreign_bytes", "asked for " + asked_ + ", got " + shown(answer->body));
    }
  } else if (answer->status() < 500) {
    return fail("strange_answer", "asked for " + asked_ + ", got " + shown(answer->head));
  }
  asked_.clear();
  if (!input_.empty()) return fail("foreign_bytes", "behind an answer: " + shown(input_));
  if (field(answer->head, "Connection") == "close" || below(10) == 0) return end.close();
  const Duration least = pauses_ ? 100ms : 0ms;
  nature_.after(least + Duration(below(3) == 0 ? 0 : below(400'000'000)), [this, life = life_] {
    if (life == life_) ask();
  });
}

void RequestUser::on_fin(End& end) {
  end.close();
}

}  // namespace limpet::sim
