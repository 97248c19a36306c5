// SPDX-License-Identifier: Apache-2.0
// Outbox: what is written while a batch of events is served leaves when the batch is over, one call for each peer. So
// the batch runs through our code and then through the kernel's, each while it is in the caches, and a peer on the same
// CPU that each send would wake does not interrupt in between. One thread.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/fd.h"

namespace limpet::net {

class Poller;
class TcpStream;

class Outbox {
 public:
  explicit Outbox(Poller& poller);
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Around a batch.
  void open() { open_ = true; }
  void close() {
    if (open_ || !remainders_.empty()) end_batch();
  }

  // Whether `stream` may post so many bytes; not while the box is closed, nor what is better not copied. May send what
  // it has, `stream`'s too, to make room or to keep the order.
  bool takes(const TcpStream& stream, std::size_t size);
  // Copies them. Requires: takes() has just said so.
  void post(TcpStream& stream, const iovec* pieces, int count);
  // Sends what `stream` has posted, now. Requires: it has.
  void send(const TcpStream& stream);

  // What a stream that is gone could not send: sent as its peer takes it, the socket closed behind it. A peer that
  // takes nothing for a minute loses it (TCP_USER_TIMEOUT). Requires: `descriptor` is watched for EPOLLOUT.
  void finish(Fd descriptor, std::string rest);
  std::size_t unfinished() const { return remainders_.size(); }

 private:
  class Remainder;

  struct Parcel {
    TcpStream* stream;  // null: it has been sent
    std::uint32_t at;
    std::uint32_t size;
  };

  void deliver();
  void end_batch();

  Poller& poller_;
  std::unique_ptr<char[]> bytes_;  // made by the first batch
  std::size_t used_ = 0;
  std::vector<Parcel> parcels_;
  std::vector<std::unique_ptr<Remainder>> remainders_;
  bool open_ = false;
};

}  // namespace limpet::net
