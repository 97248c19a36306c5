// SPDX-License-Identifier: Apache-2.0
// Engine.IO over a backend's connections: the handshake, polls that wait, POSTs, and the WebSocket that a session
// changes over to. An id that this backend has not handed out is answered with 400, as engine.io does.
#include "tests/sim/actors/frame.h"
#include "tests/sim/actors/services.h"

namespace limpet::sim {
namespace {

// What both ways share: the session by its id, which may end while the connection lives.
class EngineService : public Service, public EngineCarrier {
 public:
  explicit EngineService(Visit& visit) : visit_(visit), id_(visit.head().query("sid")) {}

 protected:
  EngineSessions& sessions() { return visit_.backend().sessions(); }
  EngineSession* session() { return sessions().find(id_); }
  void answer(int status, const std::string& body, std::string_view type = "text/plain; charset=UTF-8") {
    visit_.send(visit_.answer_head(status, "Content-Type: " + std::string(type) +
                                               "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n") +
                body);
    visit_.answered();
  }
  void answer_unknown() {
    visit_.nature().count("engine_unknown_sid");
    answer(400, "{\"code\":1,\"message\":\"Session ID unknown\"}", "application/json");
  }
  // The session is used by its own client alone.
  bool is_owner(const EngineSession& session) {
    if (session.owner.client == visit_.tag().client) return true;
    visit_.nature().fail("foreign_byte", visit_.backend().name() + ": " + visit_.tag().client + " in a session of " +
                                             session.owner.client);
    return false;
  }

  Visit& visit_;
  const std::string id_;
};

class PollingService final : public EngineService {
 public:
  using EngineService::EngineService;

  void on_body(std::string_view piece) override { body_.append(piece); }
  void on_request_end() override {
    if (visit_.head().method == "GET" && id_.empty()) {
      visit_.nature().count("engine_handshake");
      return sessions().attach_poll(sessions().open(visit_.tag()), *this);
    }
    EngineSession* known = session();
    if (known == nullptr) return answer_unknown();
    if (!is_owner(*known)) return visit_.end(true);
    if (visit_.head().method == "POST") return post(*known);
    if (known->poll != nullptr || known->upgraded) {
      sessions().end(id_);
      return answer(400, "{\"code\":3,\"message\":\"Bad request\"}", "application/json");
    }
    sessions().attach_poll(*known, *this);
  }
  void deliver(const std::deque<std::string>& packets) override { answer(200, join_packets(packets)); }
  void drop() override { answer(200, "1"); }
  void on_gone() override {
    EngineSession* known = session();
    if (known != nullptr && known->poll == this) known->poll = nullptr;
  }

 private:
  void post(EngineSession& known) {
    for (const std::string& packet : split_packets(body_)) {
      if (session() == nullptr) break;
      sessions().take(known, packet, nullptr);
    }
    answer(200, "ok", "text/html");
  }

  std::string body_;
};

class EngineSocket final : public EngineService {
 public:
  using EngineService::EngineService;

  void on_request_end() override {
    EngineSession* known = session();
    if (known == nullptr) return answer_unknown();
    if (!is_owner(*known)) return visit_.end(true);
    const std::string accept = accept_for(visit_.head().fields.value("sec-websocket-key"));
    visit_.send(visit_.answer_head(
        101, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + accept + "\r\n"));
    visit_.turn_raw();
  }
  void on_raw(std::string_view bytes) override {
    reader_.feed(bytes);
    Frame frame;
    while (visit_.alive() && reader_.next(frame)) take(frame);
    if (reader_.problem().empty()) return;
    visit_.nature().fail("request_" + reader_.problem(), visit_.backend().name() + ": from " + visit_.tag().client);
    visit_.end(true);
  }
  void deliver(const std::deque<std::string>& packets) override {
    for (const auto& packet : packets) visit_.send(unmasked({true, kText, packet}));
  }
  void drop() override {
    if (!std::exchange(close_sent_, true)) visit_.send(unmasked({true, kClose, close_payload(1000)}));
  }
  void on_fin() override {
    leave();
    visit_.end(false);
  }
  void on_gone() override { leave(); }

 private:
  // Its session ends with the connection, once it has changed over to it; until then it goes on polling.
  void leave() {
    EngineSession* known = session();
    if (known == nullptr || known->socket != this) return;
    known->socket = nullptr;
    if (known->upgraded) sessions().end(id_);
  }
  void take(const Frame& frame) {
    if (frame.opcode == kPing && !close_sent_) visit_.send(unmasked({true, kPong, frame.payload}));
    if (frame.opcode == kClose) {
      if (!std::exchange(close_sent_, true)) visit_.send(unmasked({true, kClose, frame.payload.substr(0, 2)}));
      leave();
      return visit_.shut();
    }
    if (frame.control()) return;
    EngineSession* known = session();
    if (known != nullptr) sessions().take(*known, frame.payload, this);
  }

  FrameReader reader_{true};
  bool close_sent_ = false;
};

}  // namespace

std::unique_ptr<Service> make_engine(Visit& visit) {
  if (visit.head().query("transport") == "websocket") return std::make_unique<EngineSocket>(visit);
  return std::make_unique<PollingService>(visit);
}

}  // namespace limpet::sim
