// SPDX-License-Identifier: Apache-2.0
// Stream: a non-blocking TCP socket of the tests, with a write queue. It tells an orderly end (FIN: read() == 0) from a
// reset (ECONNRESET), because limpet promises the first. After the end of either kind nothing is reported any more. It
// owns its descriptor; the Handler owns the Stream and may drop it from its own callbacks only through Loop::retire.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/base/fd.h"
#include "tests/e2e/loop.h"

namespace limpet::e2e {

enum class End { Fin, Reset, Refused };

class Stream final : public Watcher {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void on_connected() {}
    virtual void on_bytes(std::string_view bytes) = 0;
    virtual void on_end(End end) = 0;  // the peer's end; our own side may still be open after a Fin
  };

  Stream(Loop& loop, Fd socket, bool connected, Handler& handler);
  ~Stream() override;

  static std::unique_ptr<Stream> connect(Loop& loop, std::uint16_t port, Handler& handler);

  void write(std::string_view bytes);
  void shutdown_write();  // FIN, after what is queued
  void close();           // lets the descriptor go; what is queued and fits the socket still leaves
  void reset();           // RST
  void read_on(bool reading);
  bool open() const { return socket_.open(); }
  std::size_t queued() const { return queue_.size() - written_; }

  void on_ready(std::uint32_t epoll_events) override;

 private:
  void flush();
  void read();
  void finish(End end);
  void update();

  Loop& loop_;
  Handler& handler_;

  Fd socket_;
  std::string queue_;
  std::size_t written_ = 0;

  bool connected_;
  bool reading_ = true;
  bool ended_ = false;
  bool reset_seen_ = false;  // by a write; the bytes that came before are read first
  bool shut_wanted_ = false;
  bool shut_ = false;
};

// A listening socket on a free port of 127.0.0.1.
class Acceptor final : public Watcher {
 public:
  using Accepted = std::function<void(Fd)>;
  Acceptor(Loop& loop, Accepted accepted);
  ~Acceptor() override;
  std::uint16_t port() const { return port_; }
  void on_ready(std::uint32_t epoll_events) override;

 private:
  Loop& loop_;
  const Accepted accepted_;
  std::uint16_t port_ = 0;  // before the socket, which sets it
  Fd socket_;
};

// A port of 127.0.0.1 that was free a moment ago.
std::uint16_t free_port();

}  // namespace limpet::e2e
