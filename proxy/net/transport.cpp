// SPDX-License-Identifier: Apache-2.0
// The transports over sockets. See transport.h.
#include "proxy/net/transport.h"

#include <utility>

#include "proxy/net/poller.h"
#include "proxy/net/ring.h"
#include "proxy/net/tcp_stream.h"

namespace limpet::net {

namespace {

class SocketTransport final : public Transport {
 public:
  // `ring`: what its streams go through; null: epoll.
  explicit SocketTransport(Ring* ring) : ring_(ring) {}

  std::unique_ptr<Stream> open(Loop& loop, Fd fd, const Address& peer) override {
    return TcpStream::open(loop, std::move(fd), peer, ring_);
  }

  Result<std::unique_ptr<Stream>> dial(Loop& loop, const Target& to) override {
    auto stream = TcpStream::connect(loop, to.address, ring_);
    if (!stream) return stream.error();
    return std::unique_ptr<Stream>(std::move(stream).value());
  }

 private:
  Ring* const ring_;
};

}  // namespace

Io epoll_io() {
  return {std::make_unique<Poller>(), std::make_unique<SocketTransport>(nullptr)};
}

Io ring_io(std::string& why) {
  auto ring = Ring::open(why);
  if (ring == nullptr) return {};
  auto transport = std::make_unique<SocketTransport>(ring.get());
  return {std::move(ring), std::move(transport)};
}

}  // namespace limpet::net
