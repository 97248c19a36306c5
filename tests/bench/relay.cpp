// SPDX-License-Identifier: Apache-2.0
// The floor: a relay that parses nothing. One thread, epoll, one shared 64 KiB buffer; a message costs one read and one
// write, and only what the other side does not take is queued. A proxy's cost beyond this one's is what it pays for
// knowing what it relays.
//
//   bench_relay PORT BACKEND_IP BACKEND_PORT
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/sockets.h"

namespace limpet::bench {

namespace {

constexpr std::size_t kBuffer = 64 * 1024;
constexpr int kBurst = 64;  // connections accepted per round

class Relay {
 public:
  Relay(std::uint16_t port, const sockaddr_in& backend)
      : backend_(backend), listening_(listen_on(port)), sides_(kMostDescriptors), buffer_(new char[kBuffer]) {
    poller_.add(listening_, EPOLLIN);
  }

  [[noreturn]] void run() {
    for (;;) {
      for (const epoll_event& event : poller_.wait(-1)) {
        if (event.data.fd == listening_) {
          accept();
        } else {
          on_event(event.data.fd, event.events);
        }
      }
      for (const int fd : dead_) ::close(fd);
      dead_.clear();
    }
  }

 private:
  // What waits for a descriptor's peer to take it.
  struct Side {
    explicit Side(int to) : peer(to) {}
    const int peer;
    bool eof = false;  // it has sent its FIN
    std::uint32_t watched = EPOLLIN;
    std::unique_ptr<std::string> queue;  // toward it
  };

  void accept() {
    for (int i = 0; i < kBurst; ++i) {
      const int client = accept_from(listening_);
      if (client < 0) return;
      const int backend = connect_to(backend_, nullptr);
      if (backend < 0) {
        ::close(client);
        continue;
      }
      sides_[client] = std::make_unique<Side>(backend);
      sides_[backend] = std::make_unique<Side>(client);
      poller_.add(client, EPOLLIN);
      poller_.add(backend, EPOLLIN);
    }
  }

  void on_event(int fd, std::uint32_t events) {
    if (sides_[fd] == nullptr) return;  // closed in this round
    if ((events & EPOLLOUT) != 0) flush(fd);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && sides_[fd] != nullptr && !sides_[fd]->eof) read(fd);
  }

  void read(int fd) {
    const int peer = sides_[fd]->peer;
    const ssize_t n = read_some(fd, buffer_.get(), kBuffer);
    if (n == kWouldBlock) return;
    if (n == kBroken) return close_both(fd);
    if (n == 0) {
      sides_[fd]->eof = true;
      if (sides_[peer]->queue == nullptr) ::shutdown(peer, SHUT_WR);
      if (sides_[peer]->eof && sides_[peer]->queue == nullptr && sides_[fd]->queue == nullptr) return close_both(fd);
      return watch(fd);
    }
    std::string_view rest(buffer_.get(), static_cast<std::size_t>(n));
    if (sides_[peer]->queue == nullptr) {
      const ssize_t sent = write_some(peer, rest);
      if (sent == kBroken) return close_both(fd);
      if (sent > 0) rest.remove_prefix(static_cast<std::size_t>(sent));
      if (rest.empty()) return;
      sides_[peer]->queue = std::make_unique<std::string>();
    }
    sides_[peer]->queue->append(rest);
    watch(fd);
    watch(peer);
  }

  void flush(int fd) {
    auto& queue = sides_[fd]->queue;
    if (queue == nullptr) return;
    const ssize_t sent = write_some(fd, *queue);
    if (sent == kBroken) return close_both(fd);
    if (sent > 0) queue->erase(0, static_cast<std::size_t>(sent));
    if (!queue->empty()) return;
    queue.reset();
    const int peer = sides_[fd]->peer;
    if (sides_[peer]->eof) ::shutdown(fd, SHUT_WR);
    if (sides_[peer]->eof && sides_[fd]->eof && sides_[peer]->queue == nullptr) return close_both(fd);
    watch(fd);
    watch(peer);
  }

  // A side is read while nothing that it sent is queued.
  void watch(int fd) {
    Side& side = *sides_[fd];
    const bool readable = !side.eof && sides_[side.peer]->queue == nullptr;
    const std::uint32_t wanted = (readable ? EPOLLIN : 0U) | (side.queue != nullptr ? EPOLLOUT : 0U);
    if (wanted == side.watched) return;
    side.watched = wanted;
    poller_.change(fd, wanted);
  }

  // Descriptors are closed at the end of the round: none is used anew while events of the old one may wait.
  void close_both(int fd) {
    const int peer = sides_[fd]->peer;
    for (const int side : {fd, peer}) {
      poller_.remove(side);
      sides_[side].reset();
      dead_.push_back(side);
    }
  }

  const sockaddr_in backend_;
  const int listening_;
  Poller poller_;
  std::vector<std::unique_ptr<Side>> sides_;  // by descriptor
  const std::unique_ptr<char[]> buffer_;
  std::vector<int> dead_;
};

}  // namespace

}  // namespace limpet::bench

int main(int argc, char** argv) {
  using namespace limpet::bench;
  if (argc != 4) give_up("usage: bench_relay PORT BACKEND_IP BACKEND_PORT");
  Relay relay(static_cast<std::uint16_t>(std::atoi(argv[1])),
              address_of(argv[2], static_cast<std::uint16_t>(std::atoi(argv[3]))));
  relay.run();
}
