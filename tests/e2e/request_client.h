// SPDX-License-Identifier: Apache-2.0
// RequestClient: one request after the other on a kept connection, as a long poll does, or slow downloads; every answer
// is read to its end and its body compared. A connection that goes while a request is under way is a cut.
#pragma once

#include <memory>
#include <string>

#include "tests/e2e/event_log.h"
#include "tests/e2e/http_head.h"
#include "tests/e2e/stream.h"

namespace limpet::e2e {

class RequestClient final : public Stream::Handler {
 public:
  struct Options {
    std::uint16_t port = 0;
    std::uint32_t key = 0;
    std::uint32_t client = 0;
    std::string path = "/poll";
    double pause = 0.05;  // seconds between an answer and the next request
  };

  RequestClient(Loop& loop, EventLog& log, Options options) : loop_(loop), log_(log), options_(std::move(options)) {}
  ~RequestClient() override { loop_.cancel(timer_); }

  void start() { ask(); }
  void leave();  // after the answer under way
  bool answered() const { return completed_ > 0; }
  bool gone() const { return gone_; }

 private:
  void on_connected() override;
  void on_bytes(std::string_view bytes) override;
  void on_end(End end) override;
  void ask();
  void send();
  void drop();
  void log(Kind kind, std::int64_t number = 0, std::string text = "") {
    log_.add(loop_.now(), kind, connection_, number, std::move(text));
  }

  Loop& loop_;
  EventLog& log_;
  const Options options_;

  std::unique_ptr<Stream> stream_;
  std::string buffer_;

  std::uint32_t connection_ = 0;
  bool asking_ = false;
  bool connected_ = false;
  bool leaving_ = false;
  bool gone_ = false;
  std::size_t completed_ = 0;
  Loop::TimerId timer_ = 0;
};

}  // namespace limpet::e2e
