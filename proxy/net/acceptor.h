// SPDX-License-Identifier: Apache-2.0
// Listening sockets and the acceptor that takes connections from one, in bursts. Each worker has its own acceptor per
// listener: on TCP over its own SO_REUSEPORT socket, on a unix path over a duplicate of one shared socket.
#pragma once

#include <functional>

#include "proxy/base/fd.h"
#include "proxy/base/result.h"
#include "proxy/net/address.h"
#include "proxy/net/loop.h"
#include "proxy/net/watch.h"

namespace limpet::net {

// Binds and listens, non-blocking; TCP with SO_REUSEPORT, so that it can be bound once per worker. A unix path is
// replaced where nobody answers on it, and gets `mode`.
Result<Fd> listen_on(const Address& address, unsigned mode);

// What the socket is bound to: the port, where it was 0.
Address bound_address(int fd);

// Where a worker's connections come from.
class Listener {
 public:
  virtual ~Listener() = default;
  virtual void pause() = 0;
  virtual bool resume() = 0;  // false where the kernel refuses for now
  // Takes all that waits in the queue, then closes the socket: closing alone would reset what waits.
  virtual void close_after_queue() = 0;
};

class Acceptor final : public Listener {
 public:
  // Called per connection, on the loop's thread.
  using OnAccept = std::function<void(Fd, const Address& peer)>;
  // Called where accepting fails for want of descriptors or memory; the acceptor has paused itself.
  using OnExhausted = std::function<void()>;

  Acceptor(Loop& loop, Fd listening, OnAccept on_accept, OnExhausted on_exhausted);
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  void pause() override;
  bool resume() override;
  bool paused() const { return paused_; }

  void close_after_queue() override;

 private:
  // Takes up to `most`; true while more may wait.
  bool accept_burst(unsigned most);

  Fd listening_;
  OnAccept on_accept_;
  OnExhausted on_exhausted_;
  Watch watch_;
  bool paused_ = false;
  bool closing_ = false;  // the queue is taken, paused or not
};

}  // namespace limpet::net
