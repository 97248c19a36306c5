// SPDX-License-Identifier: Apache-2.0
// The backend of the benchmark: one thread, epoll, tables allocated once.
//
//   GET /ws…     WebSocket echo (Pings answered, Closes completed)      GET /get     128 bytes, keep-alive
//   GET /sse/HZ  a chunked event stream: all streams of one rate get    GET /poll    the same after kPollDelay
//                each event in one burst
//
//   bench_backend PORT
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/frame.h"
#include "tests/bench/sockets.h"

namespace limpet::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBuffer = 256 * 1024;
constexpr int kBurst = 64;
constexpr auto kPollDelay = std::chrono::milliseconds(100);
constexpr std::size_t kMostQueued = 1024 * 1024;  // a client that reads no events is broken

std::string ok_response(std::size_t size) {
  return "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
         std::string(size, 'x');
}

// '#' stands once in every event: the load generator counts it.
std::string event_chunk() {
  const std::string event = "id: 0000000001\ndata: #" + std::string(64, 'e') + "\n\n";
  char head[16];
  std::snprintf(head, sizeof head, "%zx\r\n", event.size());
  return head + event + "\r\n";
}

class Backend {
 public:
  explicit Backend(std::uint16_t port)
      : listening_(listen_on(port)),
        connections_(kMostDescriptors),
        in_(new char[kBuffer]),
        out_(new char[kBuffer + 2 * kMostHead]) {
    poller_.add(listening_, EPOLLIN);
  }

  [[noreturn]] void run() {
    for (;;) {
      for (const epoll_event& event : poller_.wait(until_next_poll())) {
        const int fd = event.data.fd;
        if (fd == listening_) {
          accept();
        } else if (connections_[fd].kind == Kind::Timer) {
          publish(fd);
        } else {
          on_event(fd, event.events);
        }
      }
      answer_polls();
      for (const int fd : dead_) ::close(fd);
      dead_.clear();
    }
  }

 private:
  enum class Kind : std::uint8_t { None, Http, WebSocket, Events, Timer };

  struct Connection {
    Kind kind = Kind::None;
    bool closing = false;  // FIN is sent, or will be behind the queue
    std::uint32_t generation = 0;
    std::uint32_t watched = 0;
    FrameReader frames;
    std::string queue;  // not taken yet
    std::string head;   // of a request, as far as it has come
  };

  struct Poll {
    Clock::time_point due;
    int fd;
    std::uint32_t generation;
  };

  void accept() {
    for (int i = 0; i < kBurst; ++i) {
      const int fd = accept_from(listening_);
      if (fd < 0) return;
      connections_[fd].kind = Kind::Http;
      connections_[fd].watched = EPOLLIN;
      poller_.add(fd, EPOLLIN);
    }
  }

  void on_event(int fd, std::uint32_t events) {
    Connection& connection = connections_[fd];
    if (connection.kind == Kind::None) return;
    if ((events & EPOLLOUT) != 0) flush(fd);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0 || connection.kind == Kind::None) return;
    const ssize_t n = read_some(fd, in_.get(), kBuffer);
    if (n == kWouldBlock) return;
    if (n <= 0) return drop(fd);
    const std::string_view input(in_.get(), static_cast<std::size_t>(n));
    if (connection.kind == Kind::WebSocket) return echo(fd, input);
    if (connection.kind == Kind::Http) requests(fd, input);
  }

  void requests(int fd, std::string_view input) {
    Connection& connection = connections_[fd];
    if (!connection.head.empty()) {
      connection.head.append(input);
      const std::string held = std::move(connection.head);
      connection.head.clear();
      return requests(fd, held);
    }
    while (connection.kind == Kind::Http) {
      const auto end = input.find("\r\n\r\n");
      if (end == std::string_view::npos) break;
      const std::string_view head = input.substr(0, end);
      input.remove_prefix(end + 4);
      answer(fd, head);
    }
    if (connection.kind == Kind::Http) connection.head.assign(input);
    if (connection.kind == Kind::WebSocket && !input.empty()) echo(fd, input);
  }

  void answer(int fd, std::string_view head) {
    Connection& connection = connections_[fd];
    const std::string_view path = head.substr(head.find(' ') + 1);
    if (path.starts_with("/get")) return send(fd, response_);
    if (path.starts_with("/poll")) {
      polls_.push_back({Clock::now() + kPollDelay, fd, connection.generation});
      return;
    }
    if (path.starts_with("/ws")) {
      connection.kind = Kind::WebSocket;
      connection.frames = {};
      return send(fd, switching_);
    }
    if (path.starts_with("/sse/")) {
      connection.kind = Kind::Events;
      streams(std::max(1, std::atoi(path.data() + 5))).push_back({fd, connection.generation});
      return send(fd,
                  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n");
    }
    send(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  }

  // The frames that came, with the client's masks off, Pings as Pongs.
  void echo(int fd, std::string_view input) {
    Connection& connection = connections_[fd];
    FrameReader& frames = connection.frames;
    char* out = out_.get();
    bool closed = false;
    while (!input.empty() && !closed) {
      const bool is_new = !frames.in_payload();
      if (is_new && !frames.take_head(input)) break;
      const std::uint8_t opcode = frames.opcode();
      if (is_new && opcode != kPong) {
        out += write_head(out, opcode == kPing ? kPong : opcode, frames.left(), false);
      }
      const std::string_view payload = frames.take_payload(input);
      if (opcode != kPong) out = frames.unmask(out, payload);
      if (frames.ended() && opcode == kClose) closed = true;
    }
    if (out > out_.get()) send(fd, {out_.get(), static_cast<std::size_t>(out - out_.get())});
    if (!closed || connection.kind == Kind::None) return;
    connection.closing = true;
    if (connection.queue.empty()) ::shutdown(fd, SHUT_WR);
  }

  void send(int fd, std::string_view bytes) {
    Connection& connection = connections_[fd];
    if (connection.queue.empty()) {
      const ssize_t n = write_some(fd, bytes);
      if (n == kBroken) return drop(fd);
      if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
      if (bytes.empty()) return;
    }
    connection.queue.append(bytes);
    if (connection.queue.size() > kMostQueued) return drop(fd);
    watch(fd);
  }

  void flush(int fd) {
    Connection& connection = connections_[fd];
    const ssize_t n = write_some(fd, connection.queue);
    if (n == kBroken) return drop(fd);
    if (n > 0) connection.queue.erase(0, static_cast<std::size_t>(n));
    if (connection.queue.empty() && connection.closing) ::shutdown(fd, SHUT_WR);
    watch(fd);
  }

  void watch(int fd) {
    Connection& connection = connections_[fd];
    const bool waits = !connection.queue.empty();
    const std::uint32_t wanted = waits ? EPOLLOUT : EPOLLIN;
    if (wanted == connection.watched) return;
    connection.watched = wanted;
    poller_.change(fd, wanted);
  }

  void drop(int fd) {
    Connection& connection = connections_[fd];
    poller_.remove(fd);
    dead_.push_back(fd);
    const std::uint32_t generation = connection.generation + 1;
    connection = {};
    connection.generation = generation;
  }

  struct Stream {
    int fd;
    std::uint32_t generation;
  };

  std::vector<Stream>& streams(int hz) {
    for (auto& [timer, list] : streams_) {
      if (rates_[timer] == hz) return list;
    }
    const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer < 0) give_up("timerfd_create");
    const long period = 1'000'000'000L / hz;
    const timespec each{period / 1'000'000'000L, period % 1'000'000'000L};
    const itimerspec when{each, each};
    ::timerfd_settime(timer, 0, &when, nullptr);
    connections_[timer].kind = Kind::Timer;
    poller_.add(timer, EPOLLIN);
    rates_[timer] = hz;
    return streams_[timer];
  }

  void publish(int timer) {
    std::uint64_t missed;
    if (::read(timer, &missed, sizeof missed) < 0) return;
    auto& list = streams_[timer];
    std::erase_if(list, [&](const Stream& stream) { return connections_[stream.fd].generation != stream.generation; });
    for (const Stream& stream : list) send(stream.fd, event_);
  }

  int until_next_poll() const {
    if (polls_.empty()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(polls_.front().due - Clock::now());
    return std::max(0, static_cast<int>(left.count()));
  }

  void answer_polls() {
    if (polls_.empty()) return;
    const auto now = Clock::now();
    for (; !polls_.empty() && polls_.front().due <= now; polls_.pop_front()) {
      const Poll& poll = polls_.front();
      if (connections_[poll.fd].generation == poll.generation) send(poll.fd, response_);
    }
  }

  const int listening_;
  const std::string response_ = ok_response(128);
  const std::string event_ = event_chunk();
  const std::string switching_ =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
      std::string(kAccept) + "\r\n\r\n";
  Poller poller_;
  std::vector<Connection> connections_;
  const std::unique_ptr<char[]> in_;
  const std::unique_ptr<char[]> out_;
  std::map<int, std::vector<Stream>> streams_;  // by timer
  std::map<int, int> rates_;                    // of the timers
  std::deque<Poll> polls_;                      // in the order of their due times
  std::vector<int> dead_;
};

}  // namespace

}  // namespace limpet::bench

int main(int argc, char** argv) {
  using namespace limpet::bench;
  if (argc != 2) give_up("usage: bench_backend PORT");
  Backend backend(static_cast<std::uint16_t>(std::atoi(argv[1])));
  backend.run();
}
