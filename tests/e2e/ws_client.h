// SPDX-License-Identifier: Apache-2.0
// WsClient: a WebSocket client that always comes back, as real ones do: when it gets a Close it says its last words,
// answers with its own Close, waits for the server's FIN, and connects again after a short while. Everything it sees
// goes into the log.
#pragma once

#include <memory>
#include <random>

#include "tests/e2e/event_log.h"
#include "tests/e2e/ws_peer.h"

namespace limpet::e2e {

class WsClient final : public Stream::Handler, public WsPeer::Owner {
 public:
  enum class Manner {
    Prompt,    // answers a Close at once
    Lingers,   // goes on sending for a while before its Close
    NeverSays  // sends no Close at all
  };
  struct Options {
    std::uint16_t port = 0;
    std::uint32_t key = 0;
    std::uint32_t client = 0;
    bool deflate = false;
    Manner manner = Manner::Prompt;
    Traffic traffic;
  };

  WsClient(Loop& loop, EventLog& log, Options options);
  ~WsClient() override { loop_.cancel(timer_); }

  void connect(bool returned = false);
  void leave();  // says 1000 and does not come back
  void stop_sending();
  bool open() const { return state_ == State::Open; }
  bool gone() const { return state_ == State::Gone; }

 private:
  enum class State { Idle, Handshake, Open, Farewell, Gone };

  void on_connected() override;
  void on_bytes(std::string_view bytes) override;
  void on_end(End end) override;
  void on_sent(std::int64_t sequence) override { log(Kind::Sent, sequence); }
  void on_message(std::int64_t sequence) override { log(Kind::Received, sequence); }
  void on_close(int code, double unfinished_for) override;
  void on_broken(const std::string& what) override;
  bool take_handshake();
  void answer_close(int code);
  void drop();
  void log(Kind kind, std::int64_t number = 0, std::string text = "", double seconds = 0);

  Loop& loop_;
  EventLog& log_;
  const Options options_;

  std::unique_ptr<Stream> stream_;
  std::unique_ptr<WsPeer> peer_;
  std::string head_;
  std::mt19937 random_;

  State state_ = State::Idle;
  std::uint32_t connection_ = 0;
  bool leaving_ = false;
  Loop::TimerId timer_ = 0;
};

}  // namespace limpet::e2e
