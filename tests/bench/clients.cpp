// SPDX-License-Identifier: Apache-2.0
// See clients.h. One loop over one epoll set; what a command waits for is a counter that the loop's callbacks move.
#include "tests/bench/clients.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace limpet::bench {

namespace {

constexpr std::size_t kBuffer = 256 * 1024;
constexpr int kSources = 16;  // addresses that clients come from, so that ports do not run short
constexpr Clients::Seconds kPatience{60};
constexpr std::uint16_t kServiceRestart = 1012;

std::string request_for(std::string_view path, Clients::Kind kind, std::string_view cookie) {
  std::string text = "GET " + std::string(path) + " HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: bench\r\n";
  if (kind == Clients::Kind::WebSocket) {
    text += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
            std::string(kKey) + "\r\n";
  } else {
    text += kind == Clients::Kind::Events ? "Accept: text/event-stream\r\n" : "Accept: */*\r\n";
  }
  if (!cookie.empty()) text += "Cookie: " + std::string(cookie) + "\r\n";
  return text + "\r\n";
}

// The value of a field of a head; names are looked for as proxies write them, in any case of their first letters.
std::string_view field(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    const bool same =
        std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) { return (a | 0x20) == (b | 0x20); });
    if (!same) continue;
    const std::size_t from = line.find_first_not_of(' ', name.size() + 1);
    return from == std::string_view::npos ? std::string_view() : line.substr(from);
  }
  return {};
}

}  // namespace

Clients::Clients(const sockaddr_in& target) : target_(target), clients_(kMostDescriptors), buffer_(new char[kBuffer]) {
  for (int i = 1; i <= kSources; ++i) sources_.push_back(address_of(("127.0.2." + std::to_string(i)).c_str(), 0));
}

template <typename F>
bool Clients::run_until(F&& done, Seconds patience) {
  const auto until = Clock::now() + patience;
  while (!done()) {
    if (Clock::now() >= until) {
      ++failures_;
      return false;
    }
    run_round(50);
  }
  return true;
}

template <typename F>
void Clients::for_each_open(Kind kind, F&& f) {
  for (std::size_t fd = 0; fd < clients_.size(); ++fd) {
    if (clients_[fd].state == State::Open && clients_[fd].kind == kind) f(static_cast<int>(fd));
  }
}

void Clients::run_round(int timeout_ms) {
  for (const epoll_event& event : poller_.wait(timeout_ms)) on_event(event.data.fd, event.events);
  for (const int fd : dead_) ::close(fd);
  dead_.clear();
}

void Clients::open(Kind kind, std::string_view path, std::size_t count, std::size_t window) {
  operations_ = 0;
  path_ = path;
  const std::uint64_t failed = failures_;
  for (std::size_t started = 0; started < count && failures_ == failed;) {
    while (started < count && opening_ < window) {
      start(kind, path);
      ++started;
    }
    run_round(50);
  }
  run_until([&] { return opening_ == 0; }, kPatience);
}

void Clients::echo(std::size_t size, Seconds time) {
  operations_ = 0;
  char head[kMostHead];
  message_ = std::string(head, write_head(head, kBinary, size, true)) + std::string(size, 'm');
  repeating_ = true;
  for_each_open(Kind::WebSocket, [&](int fd) { send_message(fd); });
  const auto until = Clock::now() + time;
  run_until([&] { return Clock::now() >= until; }, time + kPatience);
  repeating_ = false;
  run_until([&] { return busy_ == 0; }, kPatience);
}

void Clients::echo_each(std::size_t size, std::size_t window) {
  operations_ = 0;
  char head[kMostHead];
  message_ = std::string(head, write_head(head, kBinary, size, true)) + std::string(size, 'm');
  for_each_open(Kind::WebSocket, [&](int fd) {
    send_message(fd);
    run_until([&] { return busy_ < window; }, kPatience);
  });
  run_until([&] { return busy_ == 0; }, kPatience);
}

void Clients::get(std::string_view path, Seconds time) {
  operations_ = 0;
  path_ = path;
  repeating_ = true;
  for_each_open(Kind::Http, [&](int fd) { send_request(fd); });
  const auto until = Clock::now() + time;
  run_until([&] { return Clock::now() >= until; }, time + kPatience);
  repeating_ = false;
  run_until([&] { return busy_ == 0; }, kPatience);
}

void Clients::churn(std::string_view path, std::size_t window, Seconds time) {
  operations_ = 0;
  path_ = path;
  churning_ = repeating_ = true;
  for (std::size_t i = 0; i < window; ++i) start(Kind::WebSocket, path);
  const auto until = Clock::now() + time;
  run_until([&] { return Clock::now() >= until; }, time + kPatience);
  repeating_ = false;
  run_until([&] { return open_ == 0; }, kPatience);
  churning_ = false;
}

void Clients::quiet(Seconds time) {
  std::uint64_t seen = ~std::uint64_t{0};
  while (seen != events_seen_) {
    seen = events_seen_;
    const auto until = Clock::now() + time;
    while (Clock::now() < until && seen == events_seen_) run_round(1);
  }
}

void Clients::events(std::uint64_t count) {
  const std::uint64_t before = events_seen_;
  run_until([&] { return events_seen_ - before >= count; }, kPatience);
  operations_ = events_seen_ - before;
}

void Clients::close_all(std::size_t window) {
  operations_ = 0;
  for_each_open(Kind::Http, [&](int fd) { end(fd); });
  for_each_open(Kind::Events, [&](int fd) { end(fd); });
  std::size_t before = open_;
  std::size_t asked = 0;
  for_each_open(Kind::WebSocket, [&](int fd) {
    send_control(fd, kClose, std::string_view("\x03\xe8", 2));
    clients_[fd].close_sent = true;
    ++asked;
    run_until([&] { return asked - (before - open_) < window; }, kPatience);
  });
  run_until([&] { return open_ == 0; }, kPatience);
  run_round(0);
}

std::vector<unsigned> Clients::watch(Seconds time) {
  operations_ = restarts_ = 0;
  std::vector<unsigned> ends;
  const auto began = Clock::now();
  while (open_ > 0 && Clock::now() - began < time) {
    const std::size_t before = open_;
    run_round(10);
    const auto tenth = static_cast<std::size_t>(Seconds(Clock::now() - began).count() * 10);
    if (ends.size() <= tenth) ends.resize(tenth + 1);
    ends[tenth] += static_cast<unsigned>(before - open_);
    operations_ += before - open_;
  }
  return ends;
}

void Clients::start(Kind kind, std::string_view) {
  const int fd = connect_to(target_, &sources_[next_source_++ % sources_.size()]);
  if (fd < 0) {
    ++failures_;
    return;
  }
  Client& client = clients_[fd];
  client = {};
  client.state = State::Connecting;
  client.kind = kind;
  client.watched = EPOLLOUT;
  poller_.add(fd, EPOLLOUT);
  ++open_;
  ++opening_;
}

void Clients::on_event(int fd, std::uint32_t events) {
  Client& client = clients_[fd];
  if (client.state == State::None) return;
  if (client.state == State::Connecting) {
    client.state = State::Opening;
    watch_for(fd, EPOLLIN);
    return send(fd, request_for(path_, client.kind, {}));
  }
  if ((events & EPOLLOUT) != 0 && !client.unsent.empty()) {
    const std::string rest = std::move(client.unsent);
    client.unsent.clear();
    send(fd, rest);
    if (client.state == State::None) return;
    if (client.unsent.empty()) watch_for(fd, EPOLLIN);
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0) return;
  const ssize_t n = read_some(fd, buffer_.get(), kBuffer);
  if (n == kWouldBlock) return;
  if (n <= 0) {
    if (n == kBroken || client.state != State::Open || !client.close_sent) ++failures_;
    return end(fd);
  }
  take(fd, {buffer_.get(), static_cast<std::size_t>(n)});
}

void Clients::take(int fd, std::string_view bytes) {
  Client& client = clients_[fd];
  if (client.state == State::Opening && client.kind != Kind::Http) return take_opening(fd, bytes);
  switch (client.kind) {
  case Kind::WebSocket:
    return take_frames(fd, bytes);
  case Kind::Events:
    events_seen_ += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '#'));
    return;
  case Kind::Http:
    return take_response(fd, bytes);
  case Kind::None:
    return;
  }
}

// True once a whole head is there; it is taken off.
bool Clients::take_head(Client& client, std::string_view& bytes, std::string& head) {
  const std::size_t had = client.head.size();
  client.head.append(bytes);
  const auto end = client.head.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  bytes.remove_prefix(end + 4 - had);
  head = client.head.substr(0, end + 2);
  client.head.clear();
  return true;
}

void Clients::take_opening(int fd, std::string_view bytes) {
  Client& client = clients_[fd];
  std::string head;
  if (!take_head(client, bytes, head)) return;
  const std::string_view wanted = client.kind == Kind::WebSocket ? "HTTP/1.1 101" : "HTTP/1.1 200";
  if (!head.starts_with(wanted) || (client.kind == Kind::WebSocket && field(head, "Sec-WebSocket-Accept") != kAccept)) {
    ++failures_;
    return end(fd);
  }
  opened(fd);
  if (!bytes.empty() && client.state != State::None) take(fd, bytes);
}

void Clients::opened(int fd) {
  Client& client = clients_[fd];
  client.state = State::Open;
  --opening_;
  if (!churning_) {
    ++operations_;
    return;
  }
  client.close_sent = true;
  send_control(fd, kClose, std::string_view("\x03\xe8", 2));
}

void Clients::take_frames(int fd, std::string_view bytes) {
  Client& client = clients_[fd];
  while (!bytes.empty() && client.state == State::Open) {
    if (!client.frames.in_payload() && !client.frames.take_head(bytes)) return;
    const std::string_view payload = client.frames.take_payload(bytes);
    const std::uint8_t opcode = client.frames.opcode();
    if (opcode == kPing) client.head.append(payload);
    for (std::size_t i = 0; opcode == kClose && i < payload.size() && client.close_bytes < 2; ++i) {
      client.close_code = static_cast<std::uint16_t>(client.close_code << 8 | static_cast<std::uint8_t>(payload[i]));
      ++client.close_bytes;
    }
    if (!client.frames.ended()) return;
    if (opcode == kPing) {
      send_control(fd, kPong, client.head);
      client.head.clear();
    } else if (opcode == kClose) {
      if (client.close_code == kServiceRestart) ++restarts_;
      if (!client.close_sent) send_control(fd, kClose, std::string_view("\x03\xe8", 2));
      client.close_sent = true;
    } else if (opcode != kPong) {
      message_done(fd);
    }
  }
}

void Clients::take_response(int fd, std::string_view bytes) {
  Client& client = clients_[fd];
  if (client.body_left == 0) {
    std::string head;
    if (!take_head(client, bytes, head)) return;
    const auto cookie = field(head, "Set-Cookie");
    if (!cookie.empty()) client.cookie = cookie.substr(0, cookie.find(';'));
    client.body_left = std::strtoull(std::string(field(head, "Content-Length")).c_str(), nullptr, 10);
    if (!head.starts_with("HTTP/1.1 200") || client.body_left == 0) {
      ++failures_;
      return end(fd);
    }
  }
  client.body_left -= std::min<std::uint64_t>(client.body_left, bytes.size());
  if (client.body_left > 0) return;
  if (client.state == State::Opening) return opened(fd);
  response_done(fd);
}

void Clients::message_done(int fd) {
  if (!clients_[fd].busy) {
    ++failures_;
    return;
  }
  clients_[fd].busy = false;
  --busy_;
  ++operations_;
  if (repeating_) send_message(fd);
}

void Clients::response_done(int fd) {
  clients_[fd].busy = false;
  --busy_;
  ++operations_;
  if (repeating_) send_request(fd);
}

void Clients::send_message(int fd) {
  clients_[fd].busy = true;
  ++busy_;
  send(fd, message_);
}

void Clients::send_request(int fd) {
  clients_[fd].busy = true;
  ++busy_;
  send(fd, request_for(path_, Kind::Http, clients_[fd].cookie));
}

void Clients::send_control(int fd, std::uint8_t opcode, std::string_view payload) {
  char frame[kMostHead + 125];
  const std::size_t head = write_head(frame, opcode, payload.size(), true);
  std::copy(payload.begin(), payload.end(), frame + head);
  send(fd, {frame, head + payload.size()});
}

void Clients::send(int fd, std::string_view bytes) {
  Client& client = clients_[fd];
  if (client.unsent.empty()) {
    const ssize_t n = write_some(fd, bytes);
    if (n == kBroken) {
      ++failures_;
      return end(fd);
    }
    if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
    if (bytes.empty()) return;
  }
  client.unsent.append(bytes);
  watch_for(fd, EPOLLIN | EPOLLOUT);
}

void Clients::watch_for(int fd, std::uint32_t events) {
  if (clients_[fd].watched == events) return;
  clients_[fd].watched = events;
  poller_.change(fd, events);
}

void Clients::end(int fd) {
  Client& client = clients_[fd];
  if (client.state == State::None) return;
  if (client.state != State::Open) --opening_;
  if (client.busy) --busy_;
  const bool again = churning_ && repeating_ && client.state == State::Open;
  if (churning_ && client.state == State::Open) ++operations_;
  client = {};
  --open_;
  poller_.remove(fd);
  dead_.push_back(fd);
  if (again) start(Kind::WebSocket, path_);
}

}  // namespace limpet::bench
