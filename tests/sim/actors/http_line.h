// SPDX-License-Identifier: Apache-2.0
// A client's connection, over which it asks requests, pipelined where it likes, and reads their answers. Owned by its
// client. Each answer is checked to be the one to its request. May be used again after it was lost: it connects anew.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/actors/draw.h"
#include "tests/sim/actors/http_reader.h"

namespace limpet::sim {

class Client;
class HttpLine;

struct Ask {
  enum class Body { None, Length, Chunked };

  std::string method, target, turn;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  Body framing = Body::None;
  bool upgrade = false;
  bool waits = false;  // Expect: 100-continue
};

enum class Loss { Refused, Fin, Reset };

// What a connection was when it was lost.
struct Lost {
  Loss how = Loss::Fin;
  std::deque<Ask> outstanding;  // without a whole answer, the oldest first
  bool mid_answer = false;      // something of the oldest's answer had come
  bool told = false;            // the last answer had announced the end
  // The connection had rested between two requests, before the oldest of these: the other side may have closed it then.
  bool rested = false;
  Time opened_at{};
};

// Who asked. A line may be closed, and asked again, from within any of these.
class Asker {
 public:
  virtual ~Asker() = default;
  virtual void on_head(HttpLine&, const Head&) {}
  virtual void on_body(HttpLine& line, std::string_view piece) = 0;
  virtual void on_answered(HttpLine& line) = 0;  // the answer has ended as an answer ends
  virtual void on_raw(HttpLine&, std::string_view) {}
  // The other side has ended the connection; the line can be used again.
  virtual void on_lost(HttpLine& line, const Lost& lost) = 0;
};

class HttpLine {
 public:
  HttpLine(Nature& nature, Client& client) : nature_(nature), client_(client), leaving_(nature), patience_(nature) {}
  ~HttpLine();

  // Connects where it is not connected.
  void ask(Ask ask);
  void send_raw(std::string_view bytes);
  void close() { leave(false); }
  void leave(bool by_reset);
  void shut();

  bool connected() const { return end_ != nullptr && open_; }
  bool used() const { return end_ != nullptr; }
  const std::deque<Ask>& outstanding() const { return asks_; }
  const Ask& oldest() const { return asks_.front(); }
  Time opened_at() const { return opened_at_; }
  const Head& head() const { return reader_->head(); }

 private:
  friend class Client;
  void opened();
  void heard(std::string_view bytes);
  void lost(Loss loss, bool end_lives);
  bool take(HttpReader::Event event);  // false: no more of these bytes
  bool take_head();
  void send_waiting();
  void send_body(const Ask& ask);
  End* drop();

  Nature& nature_;
  Client& client_;
  End* end_ = nullptr;
  std::uint64_t id_ = 0;
  std::uint64_t generation_ = 0;  // a new one with each connection
  bool open_ = false;
  std::unique_ptr<HttpReader> reader_ = std::make_unique<HttpReader>(Speaks::Answers);
  std::deque<Ask> asks_;  // without an answer yet, the one being answered first
  std::size_t sent_ = 0;  // of asks_
  bool held_ = false;     // the last that was sent waits with its body for a 100
  bool in_answer_ = false;
  bool told_to_close_ = false;
  bool rested_ = false;
  bool slow_ = false;  // it learns late of an answer, and cannot tell how long the connection has rested
  Time opened_at_{};
  Time active_at_{};  // the last answer's end
  Alarm leaving_, patience_;
};

}  // namespace limpet::sim
