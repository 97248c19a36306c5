// SPDX-License-Identifier: Apache-2.0
// See socket_io.h. Here: the WebSocket of a session, from its probe to its end.
#include "proxy/base/crypto.h"
#include "tests/sim/actors/socket_io.h"

namespace limpet::sim {

using namespace std::chrono_literals;

namespace {

constexpr Duration kProbePatience = 20s;  // the library has none of its own; browsers give up about then

}  // namespace

void SocketIo::probe() {
  state_ = State::Probing;
  char nonce[16];
  random().fill(nonce, sizeof nonce);
  key_ = base64_encode({nonce, sizeof nonce});
  Ask get = ask("GET", target("websocket"), {name_, conversation_, ++requests_});
  get.upgrade = true;
  get.fields.insert(get.fields.end(), {{"Connection", "Upgrade"},
                                       {"Upgrade", "websocket"},
                                       {"Sec-WebSocket-Version", "13"},
                                       {"Sec-WebSocket-Key", key_}});
  nature_.count("engine_probe");
  socket_.ask(std::move(get));
  probe_.set(kProbePatience, [this] {
    socket_.close();
    if (state_ == State::Pausing) return lose("stuck in its upgrade");
    if (state_ == State::Probing) state_ = State::Polling;
  });
}

// When the poll and the POST under way are over, the WebSocket has the session.
void SocketIo::change_over() {
  if (polling_ || posting_) return;
  probe_.stop();
  send_frame({true, kText, "5"});
  state_ = State::Upgraded;
  ++upgrades_;
  nature_.count("engine_changed_over");
  for (const auto& packet : std::exchange(waiting_, {})) send(packet);
}

void SocketIo::on_raw(HttpLine& line, std::string_view bytes) {
  reader_->feed(bytes);
  Frame frame;
  const std::uint64_t conversation = conversation_;
  while (line.connected() && conversation == conversation_ && reader_->next(frame)) take_frame(frame);
  if (conversation != conversation_ || reader_->problem().empty()) return;
  nature_.fail(reader_->problem(), name_ + ": a frame that is none");
  lose("bad frame");
}

void SocketIo::take_frame(const Frame& frame) {
  if (frame.opcode == kPing) return send_frame({true, kPong, frame.payload});
  if (frame.opcode == kPong) return nature_.fail("stray_pong", name_ + ": " + frame.payload.substr(0, 80));
  if (frame.opcode == kClose) {
    nature_.count("engine_close_" + std::to_string(close_code(frame.payload)));
    send_frame({true, kClose, frame.payload.substr(0, 2)});
    socket_closed_ = true;
    if (state_ == State::Upgraded) return lose("transport close");
    probe_.stop();
    socket_.close();
    if (state_ == State::Pausing) return lose("closed in its upgrade");
    state_ = State::Polling;
    return;
  }
  if (frame.payload == "3probe" && state_ == State::Probing) {
    state_ = State::Pausing;
    return change_over();
  }
  take(frame.payload);
}

void SocketIo::on_lost(HttpLine& line, const Lost& lost) {
  if (state_ == State::Away) return;
  if (&line == &socket_) {
    nature_.count("engine_socket_lost");
    if (state_ == State::Upgraded) {
      blame("cut_without_farewell", "an engine.io session", since_);
      return lose("transport error");
    }
    if (state_ == State::Pausing) return lose("lost in its upgrade");
    probe_.stop();
    state_ = State::Polling;
    return;
  }
  if (lost.outstanding.empty()) return;  // an idle connection
  nature_.count("engine_request_lost");
  if (lost.mid_answer || !lost.rested) blame("unexcused_cut", "of a poll or a POST", since_);
  lose("xhr error");
}

}  // namespace limpet::sim
