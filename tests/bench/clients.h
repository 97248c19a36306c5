// SPDX-License-Identifier: Apache-2.0
// Clients: the connections of the load generator and what they do: one thread, epoll, tables allocated once. Each
// member function is one command: it runs the loop until its work is done or its time is over. Between commands nothing
// is read.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/frame.h"
#include "tests/bench/sockets.h"

namespace limpet::bench {

class Clients {
 public:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;

  enum class Kind : std::uint8_t { None, WebSocket, Events, Http };

  explicit Clients(const sockaddr_in& target);

  // Opens `count` connections, at most `window` of them at a time: a handshake, the head of an event stream, or one GET
  // (whose cookie is kept, as a browser does).
  void open(Kind kind, std::string_view path, std::size_t count, std::size_t window);
  // On each WebSocket one message of `size` bytes is under way for so long; the last ones are awaited.
  void echo(std::size_t size, Seconds time);
  // One message on each WebSocket, at most `window` under way.
  void echo_each(std::size_t size, std::size_t window);
  // On each HTTP connection one request is under way for so long; the last ones are awaited.
  void get(std::string_view path, Seconds time);
  // `window` clients that upgrade, close politely and begin anew, for so long; the last ones are awaited.
  void churn(std::string_view path, std::size_t window, Seconds time);
  // Reads events until none has come for so long.
  void quiet(Seconds time);
  // Reads `count` events.
  void events(std::uint64_t count);
  // Ends all: WebSockets by a Close that is answered, at most `window` at a time.
  void close_all(std::size_t window);
  // Answers what comes until all connections have ended or the time is over. Returns how many ended in each tenth of a
  // second.
  std::vector<unsigned> watch(Seconds time);

  std::uint64_t operations() const { return operations_; }  // of the last command
  std::uint64_t failures() const { return failures_; }      // since the start: answers that nobody asked for
  std::size_t open_count() const { return open_; }
  std::uint64_t restarts() const { return restarts_; }  // Closes with 1012

 private:
  enum class State : std::uint8_t { None, Connecting, Opening, Open };

  struct Client {
    State state = State::None;
    Kind kind = Kind::None;
    bool close_sent = false;
    bool busy = false;  // a message or request is under way
    std::uint16_t close_code = 0;
    std::uint8_t close_bytes = 0;
    std::uint32_t watched = 0;
    std::uint64_t body_left = 0;
    FrameReader frames;
    std::string unsent;
    std::string head;  // of a response, as far as it has come
    std::string cookie;
  };

  // Runs rounds until `done`; false (and a failure) where the patience is over.
  template <typename F>
  bool run_until(F&& done, Seconds patience);
  void run_round(int timeout_ms);

  void start(Kind kind, std::string_view path);
  void on_event(int fd, std::uint32_t events);
  void take(int fd, std::string_view bytes);
  void take_opening(int fd, std::string_view bytes);
  void take_frames(int fd, std::string_view bytes);
  void take_response(int fd, std::string_view bytes);
  bool take_head(Client& client, std::string_view& bytes, std::string& head);
  void opened(int fd);
  void message_done(int fd);
  void response_done(int fd);
  void send_message(int fd);
  void send_request(int fd);
  void send_control(int fd, std::uint8_t opcode, std::string_view payload);
  void send(int fd, std::string_view bytes);
  void watch_for(int fd, std::uint32_t events);
  void end(int fd);
  template <typename F>
  void for_each_open(Kind kind, F&& f);

  const sockaddr_in target_;
  std::vector<sockaddr_in> sources_;
  Poller poller_;
  std::vector<Client> clients_;  // by descriptor
  const std::unique_ptr<char[]> buffer_;
  std::vector<int> dead_;  // closed at the end of the round

  std::string path_;     // of what is opened or asked for
  std::string message_;  // a whole frame
  bool repeating_ = false;
  bool churning_ = false;
  std::size_t next_source_ = 0;
  std::size_t open_ = 0;     // connections in any state
  std::size_t opening_ = 0;  // of them not open yet
  std::size_t busy_ = 0;
  std::uint64_t operations_ = 0;
  std::uint64_t events_seen_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t restarts_ = 0;
};

}  // namespace limpet::bench
