// SPDX-License-Identifier: Apache-2.0
// Transport: how a thread gets its streams, accepted and dialled. Io: a waiter and the transport that goes with it.
// Over sockets with epoll or io_uring here; the simulated world has its own. A transport belongs to one loop's thread.
#pragma once

#include <memory>
#include <string>

#include "proxy/base/fd.h"
#include "proxy/base/result.h"
#include "proxy/net/address.h"
#include "proxy/net/loop.h"
#include "proxy/net/stream.h"
#include "proxy/net/waiter.h"

namespace limpet::net {

// Where to dial. TLS and a preface (PROXY) will be members of it.
struct Target {
  const Address& address;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // A stream over a connected, non-blocking socket; `peer` is the other end's address.
  virtual std::unique_ptr<Stream> open(Loop& loop, Fd fd, const Address& peer) = 0;
  // Begins to connect: while the stream is connecting(), the outcome is its failure() once it is writable. Fails
  // at once where no socket can be had (Fault::Local) or the connect is refused on the spot (Fault::Upstream).
  virtual Result<std::unique_ptr<Stream>> dial(Loop& loop, const Target& to) = 0;
};

struct Io {
  std::unique_ptr<Waiter> waiter;
  std::unique_ptr<Transport> transport;
};

// Throws std::runtime_error where no descriptor can be had.
Io epoll_io();
// Without a waiter where the kernel does not have what io_uring takes; `why` says what.
Io ring_io(std::string& why);

}  // namespace limpet::net
