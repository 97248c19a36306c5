// SPDX-License-Identifier: Apache-2.0
// EventClient: an EventSource as a browser has it: it comes back after the `retry:` it was given, with the
// Last-Event-ID, and gives up for good on any answer but 200 text/event-stream, as the standard says it must.
#pragma once

#include <memory>
#include <random>

#include "tests/e2e/event_log.h"
#include "tests/e2e/event_stream_parser.h"
#include "tests/e2e/http_head.h"
#include "tests/e2e/stream.h"

namespace limpet::e2e {

class EventClient final : public Stream::Handler {
 public:
  struct Options {
    std::uint16_t port = 0;
    std::uint32_t key = 0;
    std::uint32_t client = 0;
  };

  EventClient(Loop& loop, EventLog& log, Options options) : loop_(loop), log_(log), options_(options) {}
  ~EventClient() override { loop_.cancel(timer_); }

  void connect(bool returned = false);
  void leave();
  bool open() const { return state_ == State::Open; }
  bool gone() const { return state_ == State::Gone; }
  std::int64_t last_id() const { return last_id_; }
  std::size_t comments_so_far() const { return comments_ + (parser_ && stream_ ? parser_->comments() : 0); }
  bool returned() const { return returned_; }
  long stream_retry_ms() const { return parser_ ? parser_->retry_ms() : -1; }  // what the present stream said last

 private:
  enum class State { Idle, Asking, Open, Waiting, Gone };

  void on_connected() override;
  void on_bytes(std::string_view bytes) override;
  void on_end(End end) override;
  void take_body(std::string_view bytes);
  void take_event(const ServerEvent& event);
  void come_back();
  void log(Kind kind, std::int64_t number = 0, std::string text = "") {
    log_.add(loop_.now(), kind, connection_, number, std::move(text));
  }

  Loop& loop_;
  EventLog& log_;
  const Options options_;

  std::unique_ptr<Stream> stream_;
  std::unique_ptr<ChunkDecoder> chunks_;
  std::unique_ptr<EventStreamParser> parser_;
  std::string head_;
  std::string last_event_id_;

  State state_ = State::Idle;
  std::uint32_t connection_ = 0;
  long retry_ms_ = 3000;
  bool returned_ = false;
  std::int64_t last_id_ = 0;
  std::size_t comments_ = 0;
  Loop::TimerId timer_ = 0;
};

}  // namespace limpet::e2e
